"""Which object of a reviewed image is which of those that were there before.

Objects of one uid are one, whatever else changed. The others are aligned (``labelkit.align``): by class and
place, by class and an IoU of at least 0.5, by IoU alone. So an object that lost its uid in a tool is found
again; one that was deleted and drawn anew over half of its place counts as changed. At last come objects of
one class that are too small for that IoU, but did not leave the tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labelkit.align import align
from labelkit.comparing.places import apart, place
from labelkit.model import Object, Record
from labelkit.visible import mask_digest


def pairs(before: Record, after: Record, tolerance: float) -> dict[int, int]:
    """Position of an object before → its position after.

    Raises ValueError where a mask that must be looked at cannot be decoded.
    """
    found = _by_uid(before.objects, after.objects)
    taken = set(found.values())
    old = [position for position in range(len(before.objects)) if position not in found]
    new = [position for position in range(len(after.objects)) if position not in taken]
    if not old or not new:
        return found
    aligned = align([_shown(before, k) for k in old], [_shown(after, k) for k in new])
    found |= {old[then]: new[now] for now, then in aligned.items()}
    old = [position for position in old if position not in found]
    new = [position for k, position in enumerate(new) if k not in aligned]
    return found | _near(before, old, after, new, tolerance)


def _by_uid(before: Sequence[Object], after: Sequence[Object]) -> dict[int, int]:
    """Objects of one uid; of several that have it, the first on either side."""
    free = {item.uid: position for position, item in reversed(list(enumerate(after))) if item.uid}
    found = {}
    for position, item in enumerate(before):
        if item.uid in free:
            found[position] = free.pop(item.uid)
    return found


def _shown(record: Record, position: int) -> Mapping[str, Any]:
    """An object as ``align`` looks at it: no more than its class and its place."""
    item = record.objects[position]
    shown: dict[str, Any] = {"category": item.category}
    shown["extent" if item.box is None else "box"] = list(place(record, item))
    if item.kind == "instance":
        shown["mask"] = mask_digest(record, item.mask)
    return shown


def _near(
    before: Record, old: Sequence[int], after: Record, new: Sequence[int], tolerance: float
) -> dict[int, int]:
    """Objects of one class whose boxes are nearer than the tolerance, first come, first served."""
    if not old or not new:
        return {}
    then, now = (
        np.array([place(record, record.objects[position]) for position in positions], dtype=np.float64)
        for record, positions in ((before, old), (after, new))
    )
    found: dict[int, int] = {}
    taken: set[int] = set()
    for row, column in np.argwhere(~apart(then, now, tolerance)).tolist():
        is_one_class = before.objects[old[row]].category == after.objects[new[column]].category
        if is_one_class and old[row] not in found and new[column] not in taken:
            found[old[row]] = new[column]
            taken.add(new[column])
    return found

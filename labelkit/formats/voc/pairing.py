"""Which object of the XML owns which value of the object PNG, also after a hand has changed the XML.

Value k is object k: who adds an object anywhere but at the end shifts all that follow it, and the PNG does
not know. Then the values 1 to m are fewer than the objects, and lie in the boxes of other objects than their
own. They are moved only where the boxes leave one way to do so in order; where they leave several, the
numbers are believed, and either is told. ``objects-by-number.txt`` lists the images whose numbers are right
although their boxes say otherwise: the writer makes it where it has such images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry import rle
from labelkit.geometry.boxes import box_iou
from labelkit.model import Box, InstanceMap, Record
from labelkit.pixels import cell_runs, map_pixels

_SAME = 0.5  # of IoU; boxes of real sets lie within a few pixels of their masks
_FAR = 1e9  # beyond any image; products of coordinates have to stay finite


def owned_values(
    owners: InstanceMap, values: frozenset[int], boxes: Sequence[Box]
) -> tuple[dict[int, int], str | None]:
    """The value that each object owns, by the object's number, and what is to be told of it.

    values: those of objects that occur in the PNG. boxes: of all objects in the order of the XML.
    """
    own = {value: value for value in values if value <= len(boxes)}
    if not 0 < len(values) < len(boxes) or max(values) != len(values):
        return own, None
    said = np.clip(np.array(boxes, dtype=np.float64), -_FAR, _FAR)
    close = box_iou(_extents(owners, sorted(values)), said) >= _SAME
    if close.diagonal().all():
        return own, None
    first, last = _leftmost(close), _leftmost(close[::-1, ::-1])
    if first is None or last is None:
        return own, None
    if first != [len(boxes) - 1 - position for position in reversed(last)]:
        return own, "pixels lie in the boxes of other objects, of several; taken by number"
    moved = {position + 1: value for value, position in enumerate(first, 1)}
    return moved, f"pixels lie in the boxes of other objects; taken for those of {_names(moved)}"


def is_misleading(record: Record) -> bool:
    """Whether a fitted record's boxes would move its pixels to other objects than its own."""
    owners = record.maps.get("objects")
    if not isinstance(owners, InstanceMap) or any(item.box is None for item in record.objects):
        return False
    numbers = [number for number, item in enumerate(record.objects, 1) if item.kind == "instance"]
    boxes = [item.box for item in record.objects if item.box is not None]
    owned, _ = owned_values(owners, frozenset(numbers), boxes)
    return any(number != value for number, value in owned.items())


def _extents(owners: InstanceMap, values: Sequence[int]) -> NDArray[np.float64]:
    """The smallest box around the pixels of each value, (n, 4)."""
    runs, height = cell_runs(owners), map_pixels(owners).shape[0]
    return np.array([rle.extent(runs[value], height) for value in values], dtype=np.float64)


def _leftmost(close: NDArray[np.bool_]) -> list[int] | None:
    """The first close column of each row, each after that of the row before; None where there is none."""
    found: list[int] = []
    start = 0
    for row in close:
        columns = np.flatnonzero(row[start:])
        if not columns.size:
            return None
        found.append(start + int(columns[0]))
        start = found[-1] + 1
    return found


def _names(moved: dict[int, int]) -> str:
    shifted = [f"{number} (value {value})" for number, value in moved.items() if number != value]
    return "object " + ", ".join(shifted[:5]) + (", …" if len(shifted) > 5 else "")

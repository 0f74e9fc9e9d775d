"""Which object is which: those that a target shows now, paired with those that it showed once.

An object is what ``visible_object`` says of it, with the ``extent`` of its mask where it has no box.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from labelkit.geometry.boxes import box_iou

_IOU = 0.5
_Shown = Mapping[str, Any]


def align(then: Sequence[_Shown], now: Sequence[_Shown]) -> dict[int, int]:
    """Which present object is which earlier one: position now → position then.

    By equality, then by uid, then by all but the pixels or by the pixels, where only one of each has them (a
    box may have moved far, a class have changed), then by class and IoU of at least 0.5, then by IoU alone.
    """
    pairs: dict[int, int] = {}
    _pair_equal(pairs, [_key(item) for item in then], [_key(item) for item in now])
    _pair_equal(pairs, [item.get("uid") for item in then], [item.get("uid") for item in now])
    _pair_equal(pairs, [outside_pixels(i) for i in then], [outside_pixels(i) for i in now], unique=True)
    for with_class in (True, False):
        keys = [[_pixels_key(item, with_class=with_class) for item in items] for items in (then, now)]
        _pair_equal(pairs, *keys, unique=True)
    for with_class in (True, False):
        _pair_by_overlap(pairs, then, now, with_class=with_class)
    return pairs


def _key(item: _Shown) -> str:
    return msgspec.json.encode(item, order="deterministic").decode()


def outside_pixels(item: _Shown) -> str | None:
    """All that an object with a box shows but its pixels."""
    return _key({name: item[name] for name in item if name != "mask"}) if "box" in item else None


def _pixels_key(item: _Shown, *, with_class: bool) -> tuple[str, ...] | None:
    if "mask" not in item:
        return None
    return (item["category"], item["mask"]) if with_class else (item["mask"],)


def _pair_equal(pairs: dict[int, int], then: list[Any], now: list[Any], *, unique: bool = False) -> None:
    """Pair what has an equal key, in order; with unique only where one of each has it."""
    free: dict[Any, list[int]] = defaultdict(list)
    taken = set(pairs.values())
    for position, key in enumerate(then):
        if key is not None and position not in taken:
            free[key].append(position)
    new: dict[Any, list[int]] = defaultdict(list)
    for position, key in enumerate(now):
        if position not in pairs and key in free:
            new[key].append(position)
    for key, positions in new.items():
        if not unique or len(positions) == len(free[key]) == 1:
            pairs.update(zip(positions, free[key], strict=False))


def _pair_by_overlap(
    pairs: dict[int, int], then: Sequence[_Shown], now: Sequence[_Shown], *, with_class: bool
) -> None:
    taken = set(pairs.values())
    old = [k for k in range(len(then)) if k not in taken]
    new = [k for k in range(len(now)) if k not in pairs]
    if not old or not new:
        return
    iou = box_iou(_boxes([now[k] for k in new]), _boxes([then[k] for k in old]))
    if with_class:
        categories = np.array([then[k]["category"] for k in old])
        iou[np.array([now[k]["category"] for k in new])[:, None] != categories[None, :]] = 0
    for flat in np.argsort(-iou, axis=None, kind="stable"):
        row, column = divmod(int(flat), len(old))
        if iou[row, column] < _IOU:
            return
        if new[row] not in pairs and old[column] not in taken:
            pairs[new[row]] = old[column]
            taken.add(old[column])


def _boxes(items: Sequence[_Shown]) -> NDArray[np.float64]:
    boxes = [item["box"] if "box" in item else item.get("extent", (0, 0, 0, 0)) for item in items]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)

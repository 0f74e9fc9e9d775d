"""Where an object is: its pixels where both sides know them, else its box; whether it is elsewhere now.

Tools round. labelImg cuts corners to whole pixels (``int()`` in its convertPoints2BndBox), so that every
edge of an untouched prediction may be off by nearly one pixel; CVAT writes two decimals, and so do COCO's own
files. Hence a box has moved where one of its four edges is off by the tolerance **or more**, and the usual
tolerance is one pixel: the smallest step that a person makes with an arrow key is told, what a tool cut away
is not. Outlines of as many points are compared point by point in the same way. All other masks have moved
where a pixel differs. A box beside a mask that has not moved counts only where it is neither what it was nor
what tools derive from the mask.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelkit.derive import mask_box
from labelkit.geometry import rle
from labelkit.geometry.boxes import box_iou
from labelkit.model import Box, Cell, Instance, Object, Polygons, Record
from labelkit.pixels import mask_runs

TOLERANCE = 1.0  # pixels
_DERIVED = 2.0  # extents of vertices and of pixels differ by less; boxes of COCO's crowds are 1 too small
_NOISE = 1e-6  # pixels that float64 loses on the way through percents of an image, and back
Floats = NDArray[np.float64]


def place(record: Record, item: Object) -> Box:
    """The box of an object: the one that is stated, else the extent of its mask.

    Raises ValueError where the mask cannot be decoded.
    """
    if item.kind == "box":
        return item.box
    return item.box or mask_box(record, item) or Box(0.0, 0.0, 0.0, 0.0)


def moved(before: Record, was: Object, after: Record, now: Object, tolerance: float) -> float | None:
    """How much of an object's place is still its place, as IoU, where it is elsewhere now; else None.

    Raises ValueError where a mask cannot be decoded, or two masks are of different sizes.
    """
    old, new = was.box, now.box
    if was.kind == "instance" and now.kind == "instance":
        iou = _moved_mask(before, was, after, now, tolerance)
        if iou is not None or old is None or new is None or old == new or _is_derived(after, now, new):
            return iou
    old, new = old or place(before, was), new or place(after, now)
    if old == new or not apart(np.array([old]), np.array([new]), tolerance)[0, 0]:
        return None
    return float(box_iou([old], [new])[0, 0])


def _is_derived(record: Record, item: Instance, box: Box) -> bool:
    """Whether a box is the extent of its object's mask, as tools make it that know no other."""
    extent = mask_box(record, item)
    return extent is not None and not apart(np.array([extent]), np.array([box]), _DERIVED)[0, 0]


def apart(old: Floats, new: Floats, tolerance: float) -> NDArray[np.bool_]:
    """(N, M) Whether boxes (N, 4) and (M, 4) have an edge that is off by the tolerance or more."""
    edges = [np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) for boxes in (old, new)]
    return ~_is_near(edges[0][:, None, :] - edges[1][None, :, :], tolerance)


def _is_near(differences: Floats, tolerance: float) -> NDArray[np.bool_]:
    """Whether all of the last dimension are below the tolerance, or nothing but noise."""
    near: NDArray[np.bool_] = np.abs(differences).max(axis=-1, initial=0.0) < max(tolerance - _NOISE, _NOISE)
    return near


def _moved_mask(
    before: Record, was: Instance, after: Record, now: Instance, tolerance: float
) -> float | None:
    old, new = was.mask.shape, now.mask.shape
    if old == new and not isinstance(old, Cell):
        return None
    if isinstance(old, Polygons) and isinstance(new, Polygons) and _same_outline(old, new, tolerance):
        return None
    a, b = rle.canonical(mask_runs(before, was.mask)), rle.canonical(mask_runs(after, now.mask))
    if np.array_equal(a, b):
        return None
    both = rle.intersection_area(a, b)
    return both / (rle.area(a) + rle.area(b) - both)


def _same_outline(old: Polygons, new: Polygons, tolerance: float) -> bool:
    """Whether two outlines have as many points, each near its own."""
    if [[len(ring) for ring in part] for part in old.parts] != [
        [len(ring) for ring in part] for part in new.parts
    ]:
        return False
    points = [np.array([n for part in each.parts for ring in part for n in ring]) for each in (old, new)]
    return bool(_is_near(points[0] - points[1], tolerance))

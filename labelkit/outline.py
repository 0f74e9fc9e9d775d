"""The outline of an object, for whoever draws it: the rings that the file says, or the edges of pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry import rle, trace
from labelkit.model import Polygons
from labelkit.pixels import Counts, refuse_huge
from labelkit.table import Table

_MOST_POINTS = 4000  # of an outline; more are more than a picture shows

Outline = tuple[tuple[float, ...], ...]


def outline_of(table: Table, row: int) -> Outline:
    """The rings of an object's mask, to be filled even-odd; none where it has no mask that can be drawn."""
    mask = table.masks[row]
    if mask is None:
        return ()
    try:
        shape = mask.shape
        if isinstance(shape, Polygons):
            rings = [ring for part in shape.parts for ring in part if all(map(math.isfinite, ring))]
        else:
            rings = _edges(table, row)
    except (ValueError, OverflowError):  # another rule's
        return ()
    if sum(map(len, rings)) > 2 * _MOST_POINTS:
        return ()
    return tuple(tuple(map(float, ring)) for ring in rings)


def _edges(table: Table, row: int) -> list[list[float]]:
    """The edges of an object's pixels. Raises ValueError where the image has too many."""
    runs, image = table.pixels(row), table.image_of(row)
    if runs is None or not image.width or not image.height:
        return []
    refuse_huge(image.height, image.width)
    return [ring.ravel().tolist() for part in edges(runs, image.height) for ring in part]


def edges(runs: Counts, height: int, *, step: int = 1) -> list[list[NDArray[np.float64]]]:
    """The edges of a mask's pixels, part by part, each the rings (N, 2) of its outside and of its holes.

    step: of so many pixels one is looked at, along and across; with more than one the rings are coarse, and
    reach up to a step beyond the mask.
    """
    if not rle.area(runs):
        return []
    mask, x, y = rle.window(runs, height)
    corner = np.array([x, y], dtype=np.float64)
    return [[ring * step + corner for ring in part] for part in trace.outlines(mask[::step, ::step])]

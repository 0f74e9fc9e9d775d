"""Boxes and the plain geometry of polygon rings.

A box is x, y, w, h: its top-left corner and its size, in continuous pixels (0, 0, 1, 1 is exactly the first
pixel). A flat ring is x0, y0, x1, y1, ... as COCO writes it; whether the last point repeats the first is of
no account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]


def polygon_extent(rings: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """The smallest box around all points of some flat rings.

    Returns: x, y, w, h; four zeros where there is no point. x and y are untouched numbers of the rings.
    Source: official COCO boxes are the extent of all vertices, rounded to two decimals.
    """
    xs = [x for ring in rings for x in ring[0::2]]
    ys = [y for ring in rings for y in ring[1::2]]
    if not xs or not ys:
        return 0.0, 0.0, 0.0, 0.0
    x, y = min(xs), min(ys)
    return float(x), float(y), float(max(xs) - x), float(max(ys) - y)


def polygon_area(ring: Sequence[float]) -> float:
    """Absolute shoelace area of one flat ring, in square pixels; 0 for fewer than three points.

    Where the ring crosses itself, parts that turn the other way round count against each other.
    Source: official COCO areas are the sum of this over the rings of an object.
    """
    numbers = np.asarray(ring, dtype=np.float64)
    if numbers.size < 6:
        return 0.0
    points = numbers[: numbers.size // 2 * 2].reshape(-1, 2)
    x, y = (points - points[0]).T  # near the origin the products lose fewest digits
    return float(abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2)


def box_iou(a: ArrayLike, b: ArrayLike) -> Floats:
    """Overlap of every box of a with every box of b, from 0 to 1.

    Args: a (N, 4) and b (M, 4): x, y, w, h in pixels. An empty sequence is no boxes.
    Returns: (N, M) float64; 0 where a box has no area.
    Raises: ValueError: the last dimension is not 4.
    Source: pycocotools bbIou with iscrowd = 0; test_geometry.py compares the two.
    """
    first, second = _boxes(a)[:, None, :], _boxes(b)[None, :, :]
    ends = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    sides = ends - np.maximum(first[..., :2], second[..., :2])
    overlap = np.where((sides > 0).all(axis=-1), sides[..., 0] * sides[..., 1], 0.0)
    total = first[..., 2] * first[..., 3] + second[..., 2] * second[..., 3] - overlap
    return np.divide(overlap, total, out=np.zeros_like(overlap), where=overlap > 0)


def _boxes(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0 and array.ndim < 2:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes of shape {array.shape}; expected (N, 4): x, y, w, h")
    return array

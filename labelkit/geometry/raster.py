"""Polygons to run-length masks, by the three rules that matter; they disagree on borders.

coco_polygons: what COCO's own code fills. official_polygon: what the shipped Cityscapes images were painted
with. pillow_polygon: what the installed Pillow fills, hence what the Cityscapes scripts paint today.
Run lengths are as in rle.py; a point outside the image is legal everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry.rle import Counts, canonical, decode_text, encode_window, from_edges

Ints: TypeAlias = NDArray[np.int64]
Points: TypeAlias = Sequence[Sequence[float]] | NDArray[np.float64] | NDArray[np.int64]

_FAR = 2**29  # the C code behind Pillow subtracts 32-bit coordinates; further out it would overflow
_AT_ONCE = 255  # pycocotools puts the number of masks whose areas it is asked for into a byte
_FAR_COCO = 100_000  # COCO's code stores five points for every pixel of border, seen or not


def coco_polygons(rings: Sequence[Sequence[float]], height: int, width: int) -> Counts:
    """Pixels that COCO's own code fills: the union of the rings, each filled even-odd.

    Args: rings: flat, x0, y0, x1, y1, ... A ring of fewer than six numbers is no polygon and covers no pixel
        (pycocotools takes four numbers for a box, or fails). No ring gives an empty mask.
    Raises: ValueError: a coordinate that is not finite.
    A point further out than 100,000 pixels (or four times the image) is moved to there, since the border is
    walked pixel by pixel. Source: rleFrPoly in maskApi.c, called directly.
    """
    rings = [ring for ring in rings if len(ring) >= 6]
    if not rings or not height * width:
        return _nothing(height, width)
    from pycocotools import _mask, mask

    far = max(_FAR_COCO, 4 * height, 4 * width)
    objects = _mask.frPoly([_within(ring, far) for ring in rings], height, width)
    whole = objects[0] if len(objects) == 1 else mask.merge(objects)
    return canonical(decode_text(whole["counts"]))


def coco_areas(shapes: Sequence[Sequence[Sequence[float]]], height: int, width: int) -> NDArray[np.float64]:
    """(N,) How many pixels coco_polygons fills of each of many shapes, counted without their runs.

    Args: shapes: the rings of each. NaN where a coordinate is not finite.
    Source: rleFrPoly and rleArea in maskApi.c, called directly.
    """
    from pycocotools import _mask, mask

    far = max(_FAR_COCO, 4 * height, 4 * width)
    areas = np.zeros(len(shapes))
    rings: list[NDArray[np.float64]] = []
    spans: list[tuple[int, int, int]] = []
    for position, shape in enumerate(shapes):
        try:
            found = [_within(ring, far) for ring in shape if len(ring) >= 6]
        except ValueError:
            areas[position] = np.nan
            continue
        if found:
            spans.append((position, len(rings), len(rings) + len(found)))
            rings += found
    if not rings or not height * width:
        return areas
    painted = _mask.frPoly(rings, height, width)
    whole = [
        painted[first] if last - first == 1 else mask.merge(painted[first:last]) for _, first, last in spans
    ]
    counted = [_mask.area(whole[start : start + _AT_ONCE]) for start in range(0, len(whole), _AT_ONCE)]
    areas[[position for position, _, _ in spans]] = np.concatenate(counted)
    return areas


def official_polygon(points: Points, height: int, width: int) -> Counts:
    """Pixels that the official Cityscapes images have for a polygon, bit for bit.

    Args: points (N, 2): x, y; fractions are cut off towards zero, as in the original. Fewer than two points
        cover no pixel.
    Raises: ValueError: a coordinate that is not finite, or an array that is not (N, 2).
    Rule: row r is cut at y = r + 0.5; crossings, in float32, are sorted and paired; from ceil(xa - 0.5) to
    floor(xb + 0.5) is filled, both included; horizontal edges never count. So the row of the lowest point
    stays clear, and a vertical edge covers the pixel to its right.
    Source: Draw.c of PIL 1.1.7, kept by Pillow up to 2.4.0; measured on shipped images, no pixel differs.
    """
    corners = _integers(points)
    if len(corners) < 2:
        return _nothing(height, width)
    rows, x = _crossings(corners, height)
    x = x.clip(-2, width + 1)  # nothing changes inside the image, and the cast below cannot overflow
    order = np.lexsort((x, rows))
    rows, x = rows[order], x[order].astype(np.float64)
    # Every row meets a closed line an even number of times, for the cut lies between whole coordinates.
    start = np.ceil(x[0::2] - 0.5).astype(np.int64)
    stop = np.floor(x[1::2] + 0.5).astype(np.int64) + 1
    return _from_spans(rows[0::2], start.clip(0, width), stop.clip(0, width), height, width)


def pillow_polygon(points: Points, height: int, width: int) -> Counts:
    """Pixels that ImageDraw.polygon of the installed Pillow fills.

    Args: points (N, 2): x, y; fractions are cut off towards zero. Fewer than two points cover no pixel.
    Raises: ValueError: a coordinate that is not finite, or an array that is not (N, 2).
    """
    corners = _integers(points)
    if len(corners) < 2 or not height * width:
        return _nothing(height, width)
    from PIL import Image, ImageDraw

    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).polygon(corners.ravel().tolist(), fill=1)
    box = image.getbbox()
    if box is None:
        return _nothing(height, width)
    return encode_window(np.asarray(image.crop(box)) != 0, box[1], box[0], height, width)


def _within(ring: Sequence[float], far: int) -> NDArray[np.float64]:
    """Finite numbers, none further out than that."""
    numbers = np.array(ring, dtype=np.float64)
    if np.abs(numbers).max() <= far:  # false for a NaN too
        return numbers
    return _finite(numbers).clip(-far, far)


def _nothing(height: int, width: int) -> Counts:
    return np.array([height * width], dtype=np.int64)


def _finite(numbers: object) -> NDArray[np.float64]:
    array = np.asarray(numbers, dtype=np.float64)
    if not np.isfinite(array).all():
        place = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"coordinate {place} is {array.flat[place]}; expected a finite number")
    return array


def _integers(points: Points) -> Ints:
    """(N, 2) whole coordinates, none so far out that C code would overflow."""
    array = _finite(points)
    if not array.size:
        return np.zeros((0, 2), dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"points of shape {array.shape}; expected (N, 2): x, y")
    return np.trunc(array).clip(-_FAR, _FAR).astype(np.int64)


def _crossings(corners: Ints, height: int) -> tuple[Ints, NDArray[np.float32]]:
    """Where the closed line through the corners meets the middle of each row: rows and x, edge by edge."""
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    first = np.minimum(y0, y1).clip(0, height)
    times = np.maximum(y0, y1).clip(0, height) - first
    slope = (x1 - x0).astype(np.float32) / np.where(y0 == y1, 1, y1 - y0).astype(np.float32)
    edge = np.repeat(np.arange(len(corners)), times)
    rows = np.arange(edge.size) - np.repeat(np.cumsum(times) - times - first, times)
    below = (rows.astype(np.float32) + np.float32(0.5)) - y0.astype(np.float32)[edge]
    return rows, below * slope[edge] + x0.astype(np.float32)[edge]


def _from_spans(rows: Ints, start: Ints, stop: Ints, height: int, width: int) -> Counts:
    """Run lengths of the union of half-open spans, given by rising row and then rising start."""
    filled = stop > start
    base = rows[filled] * (width + 1)  # one more than a row has, so that spans of two rows never touch
    first, last = base + start[filled], base + stop[filled]
    reach = np.maximum.accumulate(last)
    opens = np.append(True, first[1:] > reach[:-1])[: first.size]
    closes = np.append(opens[1:], True)[: first.size]
    ends = np.stack((first[opens], reach[closes]), axis=1).ravel()
    return _from_row_ends(ends // (width + 1), ends % (width + 1), height, width)


def _from_row_ends(rows: Ints, x: Ints, height: int, width: int) -> Counts:
    """Run lengths of the mask whose rows change value at some x, given by row.

    Down a column the value changes between two rows exactly where the spans of the two rows differ. So the
    ends of a row, put together with those of the row above, pair up to the spans of such changes, and the
    work is proportional to what is written, not to the image.
    """
    keys = np.sort(np.concatenate((rows * (width + 1) + x, (rows + 1) * (width + 1) + x)), kind="stable")
    first, last = keys[0::2], keys[1::2]
    times = last - first
    columns = np.arange(times.sum()) + np.repeat(first % (width + 1) - np.cumsum(times) + times, times)
    changes = columns * height + np.repeat(first // (width + 1), times)
    return from_edges(np.sort(changes), height * width)

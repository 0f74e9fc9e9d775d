"""GEO1xx: polygons, and what is stated beside them. Only outlines are looked at here, no pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelkit.geometry.boxes import polygon_area
from labelkit.model import Polygons
from labelkit.rules import Fault, Faults, rule
from labelkit.table import Table, rows_where

Ring = list[float]


def _rings(table: Table) -> Iterator[tuple[int, str, Ring]]:
    """Every ring of every outline: its row, what to call it, its numbers."""
    for row, mask in enumerate(table.masks):
        if mask is None:
            continue
        try:
            shape = mask.shape
        except ValueError:
            continue  # another rule's
        if isinstance(shape, Polygons):
            for number, rings in enumerate(shape.parts, 1):
                for position, ring in enumerate(rings):
                    what = f"part {number}" if position == 0 else f"hole {position} of part {number}"
                    yield row, what if len(shape.parts) > 1 or position else "the polygon", ring


@rule("GEO104")
def ring_too_short(table: Table) -> Faults:
    """A polygon has fewer than three points.

    Why: it covers no pixel, so that rasterising gives an empty mask, and training a NaN loss.
    Fix: remove the ring, or the object if it has no other shape.
    Example: `"segmentation": [[10, 20]]`
    """
    for row, what, ring in _rings(table):
        if len(ring) < 6 and len(ring) % 2 == 0 and len(ring) != 4:
            yield Fault(row, f"{what} has {len(ring) // 2} points; expected 3 or more")


@rule("GEO105")
def odd_count(table: Table) -> Faults:
    """A polygon has an odd number of coordinates.

    Why: one x or y is missing, and every tool pairs the rest in its own way.
    Fix: draw it again; the missing number cannot be known.
    Example: `"segmentation": [[10, 20, 30, 20, 30]]`
    """
    for row, what, ring in _rings(table):
        if len(ring) % 2:
            yield Fault(row, f"{what} has {len(ring)} coordinates; expected an even number")


@rule("GEO106")
def four_number_polygon(table: Table) -> Faults:
    """A polygon has exactly four numbers.

    Why: pycocotools reads a list of four numbers as a box, not as two points: the mask is a rectangle that
    nobody drew, or nothing.
    Fix: write the four corners, or remove the ring.
    Example: `"segmentation": [[10, 20, 30, 40]]`
    """
    for row, what, ring in _rings(table):
        if len(ring) == 4:
            yield Fault(row, f"{what} has four numbers, which tools read as a box; expected 3 points or more")


@rule("GEO108")
def zero_area_ring(table: Table) -> Faults:
    """A polygon encloses nothing: its points are on a line, or come back the way they went.

    Why: it covers no pixel, or a line of them, and its area is 0.
    Fix: draw it again, or remove it.
    Example: `"segmentation": [[10, 20, 30, 20, 20, 20]]`
    """
    for row, what, ring in _rings(table):
        if len(ring) >= 6 and len(ring) % 2 == 0 and polygon_area(ring) == 0:
            yield Fault(row, f"{what} of {len(ring) // 2} points encloses no area")


@rule("GEO113")
def negative_area(table: Table) -> Faults:
    """The stated area is negative.

    Why: COCO's evaluation sorts objects into small, medium and large by it, and finds no place for this one.
    Fix: write the area of the mask, or of the box. A signed area comes from rings that run clockwise.
    Example: `"area": -120.5`
    """
    for row in rows_where(table.area < 0):
        yield Fault(row, f"area {table.area[row]:g}; expected 0 or more")


@rule("GEO119")
def polygon_outside(table: Table, *, tolerance: float = 1.0) -> Faults:
    """A polygon leaves its image by more than a rounding error.

    Why: what is outside is cut off, so that the stated area and box belong to another shape; far outside it
    belongs to another image, or to another size of it.
    Fix: clip it to the image, or find out which image it is of.
    Example: a point at x = 700 in an image that is 640 pixels wide
    Option: tolerance, in pixels.
    """
    for row, what, ring in _rings(table):
        if len(ring) < 6 or len(ring) % 2:
            continue
        width, height = table.size[row]
        points = np.array(ring).reshape(-1, 2)
        low, high = points.min(axis=0), points.max(axis=0)
        beyond = float(np.nanmax([-low[0], -low[1], high[0] - width, high[1] - height, 0]))
        if beyond > tolerance:
            yield Fault(row, f"{what} leaves its image by {beyond:g} pixels")

"""GEO1xx: polygons. Only outlines are looked at, no pixels, and all rings of a table at once."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from labelkit.changes import Change, Fix, Put, Remove
from labelkit.geometry import rle
from labelkit.geometry.rings import Floats, Part, beyond, clipped
from labelkit.model import Mask, Polygons
from labelkit.rules import Fault, Faults, rule
from labelkit.rules.boxes import box_area, overhang
from labelkit.shapes import ABSURD
from labelkit.table import Table, rows_where


@rule("GEO104", fixes="unsafe")
def ring_too_short(table: Table) -> Faults:
    """A polygon has fewer than three points.

    Why: it covers no pixel, so that rasterising gives an empty mask, and training a NaN loss.
    Fix: remove the ring, or the object if it has no other shape.
    Example: `"segmentation": [[10, 20]]`
    """
    shapes = table.drawn
    is_box = (shapes.numbers == 4) & (not table.outlines)  # GEO106 tells that
    for ring in rows_where((shapes.numbers < 6) & (shapes.numbers % 2 == 0) & ~is_box):
        text = f"{shapes.name(ring)} has {shapes.numbers[ring] // 2} points; expected 3 or more"
        yield Fault(int(shapes.row[ring]), text, fix=_without_worthless(table, ring))


@rule("GEO105")
def odd_count(table: Table) -> Faults:
    """A polygon has an odd number of coordinates.

    Why: one x or y is missing, and every tool pairs the rest in its own way.
    Fix: draw it again; the missing number cannot be known.
    Example: `"segmentation": [[10, 20, 30, 20, 30]]`
    """
    shapes = table.drawn
    for ring in rows_where(shapes.numbers % 2 == 1):
        text = f"{shapes.name(ring)} has {shapes.numbers[ring]} coordinates; expected an even number"
        yield Fault(int(shapes.row[ring]), text)


@rule("GEO106", fixes="unsafe")
def four_number_polygon(table: Table) -> Faults:
    """A polygon has exactly four numbers.

    Why: pycocotools reads a list of four numbers as a box, not as two points: the mask is a rectangle that
    nobody drew, or nothing.
    Fix: write the four corners, or remove the ring.
    Example: `"segmentation": [[10, 20, 30, 40]]`
    """
    shapes = table.drawn
    for ring in rows_where((shapes.numbers == 4) & (not table.outlines)):  # which are of points, not numbers
        text = f"{shapes.name(ring)} has four numbers, which tools read as a box; expected 3 points or more"
        yield Fault(int(shapes.row[ring]), text, fix=_without_worthless(table, ring))


@rule("GEO107", "warning")
def self_intersection(table: Table, *, smallest: float = 4.0, share: float = 0.01) -> Faults:
    """A polygon crosses itself, so that a part of it is turned inside out or covered twice.

    Why: tools disagree on what is inside; its area by the shoelace formula counts one lobe against the other.
    It comes from points in the wrong order, or from two outlines strung into one.
    Fix: draw it again, or split it at the crossing.
    Example: `"segmentation": [[0, 0, 10, 10, 10, 0, 0, 10]]`, a bow tie
    Options: smallest, the area in pixels that the smaller lobe must exceed; share, the part of the whole that
    it must exceed too. Outlines of real annotators touch themselves, or cross by a hair: 2 of 830 objects of
    COCO val2014, by less than a billionth of a pixel. So do seams that lead to a hole.
    """
    shapes = table.drawn
    for found in shapes.crossings:
        if found.swallowed > max(smallest, share * found.covered):
            ring = int(shapes.sound[found.ring])
            text = f"{shapes.name(ring)} crosses itself near x={found.x:g}, y={found.y:g}"
            text += f"; {found.swallowed:.0f} of {found.covered:.0f} pixels are turned over or covered twice"
            yield Fault(int(shapes.row[ring]), text)


@rule("GEO108", fixes="unsafe")
def zero_area_ring(table: Table) -> Faults:
    """A polygon encloses nothing: its points are on a line, or come back the way they went.

    Why: it covers no pixel, or a line of them, and its area is 0.
    Fix: draw it again, or remove it.
    Example: `"segmentation": [[10, 20, 30, 20, 20, 20]]`
    """
    shapes = table.drawn
    for number in shapes.empty.tolist():
        ring = int(shapes.sound[number])
        row = int(shapes.row[ring])
        if not _is_seen(table, row):
            text = f"{shapes.name(ring)} of {shapes.rings.sizes[number]} points encloses no area"
            yield Fault(row, text, fix=_without_worthless(table, ring))


def _is_seen(table: Table, row: int) -> bool:
    """Whether what was drawn is painted all the same: Cityscapes draws things that are one pixel wide so."""
    runs = table.drawn_pixels(row) if table.outlines else None
    return runs is not None and rle.area(runs) > 0


@rule("GEO109", "info", fixes="safe")
def repeated_points(table: Table) -> Faults:
    """A polygon has the same point twice in a row.

    Why: it covers the same pixels, but tools that offset, simplify or triangulate it divide by the length of
    an edge that has none. Official COCO and Cityscapes data have such polygons (46 of 830, 84 of 782).
    Fix: leave the second point out. A ring whose last point is its first is closed, and no defect.
    Example: `"segmentation": [[10, 20, 30, 20, 30, 20, 20, 40]]`
    """
    shapes = table.drawn
    times = shapes.rings.count(shapes.rings.repeats)
    times[shapes.empty] = 0
    per_row = np.bincount(shapes.owners, weights=times, minlength=len(table)).astype(np.int64)
    points = np.bincount(shapes.owners, weights=shapes.rings.sizes, minlength=len(table)).astype(np.int64)
    for row in rows_where(per_row > 0):
        number = int(np.searchsorted(shapes.owners, row))
        number += int(np.argmax(times[number:] > 0))
        start, stop = shapes.rings.starts[number : number + 2].tolist()
        x, y = shapes.rings.points[start + int(np.argmax(shapes.rings.repeats[start:stop]))].tolist()
        many = "a point" if per_row[row] == 1 else f"{per_row[row]} points"
        verb = "repeats" if per_row[row] == 1 else "repeat"
        text = f"{many} of {points[row]} {verb} the one before, as at x={x:g}, y={y:g}"
        yield Fault(row, text, fix=_without_repeats(table, row))


@rule("GEO110", "warning", fixes="safe")
def hole_outside(table: Table, *, share: float = 0.01) -> Faults:
    """A hole of a polygon lies outside of the exterior that it is a hole of.

    Why: there is nothing that it could be cut out of; it belongs to another part, or was meant as a part.
    Fix: move it to its part, or remove it.
    Example: `{"parts": [[[0, 0, 9, 0, 9, 9], [20, 20, 25, 20, 25, 25]]]}`
    Option: share, the part of a hole's area that may lie outside, for outlines are rounded.
    """
    shapes = table.drawn
    empty = set(shapes.empty.tolist())
    holes = np.flatnonzero(shapes.place[shapes.sound] > 0)
    exteriors = {
        (int(shapes.row[ring]), int(shapes.part[ring])): number
        for number, ring in enumerate(shapes.sound.tolist())
        if len(holes) and shapes.place[ring] == 0
    }
    for number in holes.tolist():
        ring = int(shapes.sound[number])
        outer = exteriors.get((int(shapes.row[ring]), int(shapes.part[ring])))
        if outer is None or number in empty or outer in empty:
            continue  # another rule's
        outside = beyond(shapes.rings.at(number), shapes.rings.at(outer))
        if outside > share:
            fix = Fix("remove the hole", _without(table, {ring}), is_safe=True) if outside == 1 else None
            text = f"{shapes.name(ring)} lies outside of its exterior by {outside:.0%} of its area"
            yield Fault(int(shapes.row[ring]), f"{text}; expected holes inside", fix=fix)


@rule("GEO119", "warning", fixes="unsafe")
def polygon_outside(table: Table, *, tolerance: float = 1.0) -> Faults:
    """A polygon leaves its image by more than a rounding error.

    Why: what is outside is cut off, so that the stated area and box belong to another shape; far outside it
    belongs to another image, or to another size of it. Where the box leaves as well, the box is told.
    Fix: clip it to the image, or find out which image it is of.
    Example: a point at x = 700 in an image that is 640 pixels wide
    Option: tolerance, in pixels.
    """
    shapes = table.drawn
    is_told = np.any(np.abs(table.box) > ABSURD, axis=1) | (overhang(table) > tolerance)
    out = rings_outside(table)
    for number in rows_where((out > tolerance) & ~is_told[shapes.owners]):
        ring = int(shapes.sound[number])
        row = int(shapes.row[ring])
        text = f"{shapes.name(ring)} leaves its image by {out[number]:g} pixels"
        yield Fault(row, text, fix=_clipped(table, row))
    for ring in shapes.absurd.tolist():
        row = int(shapes.row[ring])
        if not is_told[row]:
            yield Fault(row, f"{shapes.name(ring)} has a point more than {ABSURD:,.0f} pixels out")


def rings_outside(table: Table) -> Floats:
    """(S,) by how many pixels each ring leaves its image; 0 where it does not, or the size is not known."""
    shapes = table.drawn
    left, top, right, bottom = shapes.rings.extents.T
    width, height = table.size[shapes.owners].T
    most: Floats = np.fmax.reduce(
        np.stack([-left, -top, right - width, bottom - height, np.zeros_like(left)])
    )
    return most


def worthless_rows(table: Table) -> set[int]:
    """The rows that have a ring which is no polygon, or encloses nothing; no size of theirs means a thing."""
    shapes = table.drawn
    is_bad = shapes.is_worthless.copy()
    is_bad[np.setdiff1d(np.arange(len(is_bad)), shapes.sound)] = True
    return set(shapes.row[is_bad].tolist())


# --- fixes -------------------------------------------------------------------------------------------------


def _without_worthless(table: Table, ring: int) -> Fix:
    """The outline without the rings that enclose nothing: one change, whichever of them it is a fix for."""
    shapes = table.drawn
    rings = range(*np.searchsorted(shapes.row, [shapes.row[ring], shapes.row[ring] + 1]).tolist())
    change = _without(table, {each for each in rings if shapes.is_worthless[each]})
    summary = "remove the object" if isinstance(change, Remove) else "remove the rings that enclose nothing"
    return Fix(summary, change, is_safe=False)


def _without(table: Table, drop: Collection[int]) -> Change:
    """The outline of a row without some of its rings; an exterior goes with its holes."""
    shapes = table.drawn
    first = next(iter(drop))
    row = int(shapes.row[first])
    ring = int(np.searchsorted(shapes.row, row))
    parts: list[Part] = []
    for rings in _parts(table, row):
        kept = [each for number, each in enumerate(rings, ring) if number not in drop]
        if ring not in drop:
            parts.append(kept)
        ring += len(rings)
    return _put(table, row, parts)


def _put(table: Table, row: int, parts: list[Part]) -> Change:
    """The change to an outline of these parts; an object without any is known by its box, or removed."""
    is_known = bool(parts) or box_area(table, row) is not None
    return Put("mask", Mask.of(Polygons(parts))) if is_known else Remove()


def _without_repeats(table: Table, row: int) -> Fix:
    parts = [[_thinned(ring) for ring in rings] for rings in _parts(table, row)]
    return Fix("leave out the repeated points", Put("mask", Mask.of(Polygons(parts))), is_safe=True)


def _thinned(ring: list[float]) -> list[float]:
    points = list(zip(ring[0::2], ring[1::2], strict=False))
    kept = [point for k, point in enumerate(points) if k == 0 or point != points[k - 1]]
    if len(ring) < 6 or len(ring) % 2 or len(kept) < 3:
        return ring  # no polygon, which another rule tells
    return [number for point in kept for number in point]


def _clipped(table: Table, row: int) -> Fix | None:
    """The outline clipped to the image; no fix where it gets a hole that its format may not know."""
    shapes, (width, height) = table.drawn, table.size[row].tolist()
    if not shapes.is_whole[row] or np.isnan(width) or np.isnan(height):
        return None
    parts = _parts(table, row)
    pieces = [piece for part in parts for piece in clipped(part, width, height)]
    if all(len(part) == 1 for part in parts) and any(len(piece) > 1 for piece in pieces):
        return None
    return Fix("clip the polygon to the image", _put(table, row, pieces), is_safe=False)


def _parts(table: Table, row: int) -> list[Part]:
    mask = table.drawn_mask(row)
    assert mask is not None  # only rows with an outline are asked for it
    shape = mask.shape
    assert isinstance(shape, Polygons)
    return shape.parts

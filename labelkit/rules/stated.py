"""GEO111 to GEO113, GEO121: the box and the area that are stated beside a shape, and the shape itself.

What COCO's own files state (measured on val2014): the box is the extent of all points, the area the sum of
the shoelace areas of the parts. Crowds are RLEs: their box is one less in width and height than their pixels'
extent, and their area is up to 14 % off their number of pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelkit.changes import Fix, Put
from labelkit.geometry import rle
from labelkit.geometry.rings import Floats
from labelkit.model import Box
from labelkit.rules import Fault, Faults, rule
from labelkit.rules._words import bracketed
from labelkit.rules.boxes import box_area, overhang, sane_boxes, show
from labelkit.rules.masks import could_have_specks, specks_of, whole_masks
from labelkit.rules.polygons import rings_outside, worthless_rows
from labelkit.table import Table, rows_where

_BOX_SLACK = 1.0  # pixels by which a box may leave its image before that is what is wrong with it


@rule("GEO111", "warning", fixes="unsafe")
def box_misses_mask(table: Table, *, tolerance: float = 2.0) -> Faults:
    """A mask leaves the box that is stated beside it.

    Why: one of the two is of another object, or of another size of the image; detection is trained with the
    one, segmentation with the other.
    Fix: find out which is right; mostly the box can be drawn anew around the mask.
    Example: `"bbox": [50, 50, 10, 10]` beside a polygon from (10, 10) to (20, 20)
    Option: tolerance, in pixels: boxes are rounded, official crowds are one pixel short. A mask that is a
    cell of a label map has no border of its own and is not compared.
    """
    for row, outside, extent in _misfits(table, tolerance):
        if outside.max() > tolerance:
            text = f"the mask reaches {outside.max():g} pixels out of box {show(table, row)}"
            yield Fault(row, f"{text}; expected {bracketed(extent)}", fix=_redrawn(extent))


@rule("GEO121", "info", fixes="unsafe")
def box_larger_than_mask(table: Table, *, slack: float = 8.0) -> Faults:
    """A box is larger than the mask beside it.

    Why: it may be the box of something else. It is right where boxes are amodal (what is hidden counts too),
    or where masks leave out a border: those of Pascal VOC lie 3 to 6 pixels inside their boxes.
    Fix: look at it; if the mask is whole, draw the box around it.
    Example: `"bbox": [0, 0, 60, 40]` beside a polygon from (10, 10) to (20, 20)
    Option: slack, in pixels.
    """
    for row, outside, extent in _misfits(table, slack):
        if outside.max() <= _TOLERANCE:
            text = f"box {show(table, row)} is up to {-outside.min():g} pixels larger than its mask"
            yield Fault(row, f"{text}, which fills {bracketed(extent)}", fix=_redrawn(extent))


_TOLERANCE = 2.0  # of GEO111, so that a misfit is told once


def _misfits(table: Table, limit: float) -> list[tuple[int, Floats, Floats]]:
    """Rows of whose box a side is further than the limit from the mask's extent.

    Returns: the row; by how much the mask reaches beyond each side, below 0 where the box is larger; and the
    extent. Rows whose box, outline or mask is wrong by itself, which another rule tells, are left out.
    """
    shapes, boxes = table.drawn, sane_boxes(table)
    boxes[(boxes[:, 2:] <= 0).any(axis=1) | (overhang(table) > _BOX_SLACK)] = np.nan
    extents = shapes.extent.copy()
    extents[list(worthless_rows(table))] = np.nan
    extents[shapes.owners[rings_outside(table) > _BOX_SLACK]] = np.nan
    for row in shapes.rles:
        extents[row] = _pixel_extent(table, row)
    outside = _outside(extents, boxes)
    rows = rows_where(np.any(np.abs(outside) > limit, axis=1))
    whole = set(whole_masks(table)) if rows else set()
    found = []
    could_be = set(could_have_specks(table)) if rows else set()
    for row in rows:
        if row in could_be and specks_of(table, row):  # they are told as such, and make the extent larger
            extents[row] = _pixel_extent(table, row, is_clean=True)
            outside[row] = _outside(extents[row : row + 1], boxes[row : row + 1])
        if row not in whole and (np.abs(outside[row]) > limit).any():
            found.append((row, outside[row], extents[row]))
    return found


def _outside(extents: Floats, boxes: Floats) -> Floats:
    """(N, 4) by how much extents reach beyond boxes: left, top, right, bottom."""
    low = boxes[:, :2] - extents[:, :2]
    high = (extents[:, :2] + extents[:, 2:]) - (boxes[:, :2] + boxes[:, 2:])
    return np.concatenate([low, high], axis=1)


def _pixel_extent(table: Table, row: int, *, is_clean: bool = False) -> Floats:
    """The extent of a mask's pixels, of a clean one without specks; NaN where there are none."""
    runs, height = table.pixels(row), table.image_of(row).height
    if is_clean and (found := specks_of(table, row)) is not None:
        runs = found.rest
    if runs is None or not height or not rle.area(runs):
        return np.full(4, np.nan)
    return np.array(rle.extent(runs, height), dtype=np.float64)


def _redrawn(extent: Floats) -> Fix:
    box = Box(*(round(number, 7) for number in extent.tolist()))
    return Fix("draw the box around the mask", Put("box", box), is_safe=False)


@rule("GEO112", "warning", fixes="safe")
def area_differs(table: Table, *, tolerance: float = 0.05, crowds: float = 0.2) -> Faults:
    """The stated area is not that of the shape.

    Why: COCO's evaluation sorts objects into small, medium and large by it, and by nothing else.
    Fix: compute it again: the sum of the shoelace areas of a polygon's parts (what official files state), the
    number of pixels of an RLE, width times height of a box without a mask.
    Example: `"area": 900` beside a polygon that is a triangle in a box of 30 x 30
    Options: tolerance, the part by which it may differ; crowds, the same for crowds, whose official area is
    up to 14 % off. One pixel more is always allowed. Both the shoelace area and the number of pixels of a
    polygon are right, and all between. An object without a mask may have an area below that of its box: that
    of a mask that was left out; but not 0.
    """
    allowed = np.where(table.crowd, crowds, tolerance)
    rows = rows_where(~(_is_close(table.area, table.drawn.area, allowed) | _fits_box(table, tolerance)))
    told = _told_otherwise(table) if rows else set()
    for row in rows:
        known = _areas(table, row)
        if row in told or not any(known.values()):
            continue
        area, least, most = float(table.area[row]), min(known.values()), max(known.values())
        if least * (1 - allowed[row]) - 1 <= area <= most * (1 + allowed[row]) + 1 and (
            area or "box" not in known
        ):
            continue
        box = box_area(table, row)
        is_box = box is not None and abs(area - box) <= 1 + 0.001 * box
        looks = ", which is width times height of its box" if is_box else ""
        words = {f"{value:g}": _WORDS[name] for name, value in reversed(known.items())}
        expected = " or ".join(f"{value} ({words[value]})" for value in reversed(words))
        yield Fault(row, f"area {area:g}{looks}; expected {expected}", fix=_recomputed(table, row))


_WORDS = {"shoelace": "of its polygon", "pixels": "pixels of its mask", "box": "of its box"}


def _is_close(area: Floats, known: Floats, allowed: Floats) -> NDArray[np.bool_]:
    """Whether areas are those that are known, or are not stated, or negative, which another rule tells."""
    close: NDArray[np.bool_] = np.abs(area - known) <= allowed * known + 1
    return close | np.isnan(area) | (area < 0)


def _fits_box(table: Table, tolerance: float) -> NDArray[np.bool_]:
    """Whether objects without a mask have an area that a mask in their box could have.

    Some count a box from its first pixel to its last, which is one more in width and height.
    """
    _, _, width, height = sane_boxes(table).T
    is_known = (width > 0) & (height > 0)
    most = np.where(is_known, (width + 1) * (height + 1) * (1 + tolerance), np.inf)
    fits: NDArray[np.bool_] = (table.area > 0) & (table.area <= most) | ~is_known
    return fits & ~table.drawn.has_mask


def _areas(table: Table, row: int) -> dict[str, float]:
    """What the area of a row could be, by what it is the area of; the official one first."""
    areas: dict[str, float] = {}
    shoelace = float(table.drawn.area[row])
    if shoelace == shoelace:
        areas["shoelace"] = shoelace
    runs = table.pixels(row)
    if runs is not None and (row in table.drawn.rles or areas):
        areas["pixels"] = rle.area(runs)
    box = box_area(table, row)
    if box is not None and not table.drawn.has_mask[row]:
        areas["box"] = box
    return areas


def _told_otherwise(table: Table) -> set[int]:
    """Rows whose shape is wrong by itself, so that another rule tells of it."""
    shapes = table.drawn
    crossed = [shapes.owners[found.ring] for found in shapes.crossings if found.swallowed > 1]
    outside = shapes.owners[rings_outside(table) > _BOX_SLACK]
    return {*worthless_rows(table), *crossed, *outside.tolist(), *whole_masks(table)}


def _recomputed(table: Table, row: int) -> Fix | None:
    """The area by the official formula, where there is something to compute it from."""
    areas = _areas(table, row)
    if not any(areas.values()):
        return None
    value = next(iter(areas.values()))
    area = int(value) if value == int(value) else round(value, 4)
    return Fix("compute the area again", Put("area", area), is_safe=True)


@rule("GEO113", fixes="safe")
def negative_area(table: Table) -> Faults:
    """The stated area is negative.

    Why: COCO's evaluation sorts objects into small, medium and large by it, and finds no place for this one.
    Fix: write the area of the mask, or of the box. A signed area comes from rings that run clockwise.
    Example: `"area": -120.5`
    """
    width, height = sane_boxes(table)[:, 2:].T
    of_box = np.abs(table.area - width * height) <= 1  # of a box of negative width, which is told as such
    for row in rows_where((table.area < 0) & ~of_box):
        yield Fault(row, f"area {table.area[row]:g}; expected 0 or more", fix=_recomputed(table, row))

"""GEO1xx: boxes. Whole columns are compared at once; only what is wrong is looked at singly."""

from __future__ import annotations

import numpy as np

from labelkit.changes import Fix, Put, Remove
from labelkit.geometry.rings import Floats
from labelkit.model import Box
from labelkit.rules import Fault, Faults, rule
from labelkit.rules._words import bracketed
from labelkit.shapes import ABSURD
from labelkit.table import Table, rows_where

ROUNDING = 1e-6  # pixels: sums of exact numbers differ by less; nobody rounds to so many decimals


def sane_boxes(table: Table) -> Floats:
    """(N, 4) the boxes; NaN where none is stated, and where no image could have it."""
    return np.where(np.any(np.abs(table.box) > ABSURD, axis=1, keepdims=True), np.nan, table.box)


def box_area(table: Table, row: int) -> float | None:
    """Width times height of a box; None where none is stated, or it has no area or one that cannot be."""
    numbers = table.box[row].tolist()
    if not all(abs(number) <= ABSURD for number in numbers) or numbers[2] <= 0 or numbers[3] <= 0:
        return None
    return float(numbers[2] * numbers[3])


def overhang(table: Table) -> Floats:
    """(N,) by how many pixels a box that has an area leaves its image; infinite where none of it is inside.

    0 where it does not leave, or where the size of the image or the box is not known.
    """
    x, y, w, h = sane_boxes(table).T
    width, height = table.size.T
    sides = np.stack([-x, -y, x + w - width, y + h - height, np.zeros_like(x)])
    most: Floats = np.fmax.reduce(sides, axis=0)
    outside = (x >= width) | (y >= height) | (x + w <= 0) | (y + h <= 0)
    return np.where((w > 0) & (h > 0), np.where(outside, np.inf, most), 0)


def show(table: Table, row: int) -> str:
    """A box as COCO writes it."""
    return bracketed(table.box[row])


def show_size(table: Table, row: int) -> str:
    """The size of a row's image."""
    image = table.image_of(row)
    return f"{image.width} x {image.height}"


@rule("GEO101")
def absurd_coordinate(table: Table) -> Faults:
    """A box lies further out than any image reaches: more than a million pixels.

    Why: areas and overlaps computed from it overflow, and one such value spoils every average.
    Fix: find out what the number should have been; a missing decimal point or a wrong unit is likely.
    Example: `"bbox": [1e300, 20, 30, 15]`
    """
    for row in rows_where(np.any(np.abs(table.box) > ABSURD, axis=1)):
        yield Fault(row, f"box {show(table, row)}; expected coordinates of less than {ABSURD:,.0f} pixels")


@rule("GEO102", fixes="unsafe")
def empty_box(table: Table) -> Faults:
    """A box has no area, or a negative width or height.

    Why: it matches nothing in evaluation, and many training pipelines divide by its area or crash on it.
    Fix: draw it again, or remove the object. A negative width often means that the corners were swapped.
    Example: `"bbox": [10, 20, 0, 15]`
    """
    _, _, width, height = sane_boxes(table).T
    for row in rows_where((width <= 0) | (height <= 0)):
        text = f"box {show(table, row)} has no area; expected width and height above 0"
        yield Fault(row, text, fix=_drawn_again(table, row))


def _drawn_again(table: Table, row: int) -> Fix:
    """The box of an object's outline, or no object where there is nothing to draw a box around."""
    x, y, w, h = table.shapes.extent[row].tolist() if table.masks[row] is not None else (0.0,) * 4
    if w > 0 and h > 0:
        return Fix("draw the box around the polygon", Put("box", Box(x, y, w, h)), is_safe=False)
    return Fix("remove the object", Remove(), is_safe=False)


@rule("GEO103", fixes="unsafe")
def box_outside_image(table: Table) -> Faults:
    """A box lies wholly outside its image.

    Why: nothing of the object can be seen; the box belongs to another image, or to another size of it.
    Fix: look at which image it belongs to, or remove the object.
    Example: `"bbox": [700, 20, 30, 15]` in an image that is 640 pixels wide
    """
    for row in rows_where(np.isinf(overhang(table))):
        text = f"box {show(table, row)} lies outside its image of {show_size(table, row)}"
        yield Fault(row, text, fix=Fix("remove the object", Remove(), is_safe=False))


@rule("GEO118", "warning", fixes="unsafe")
def box_partly_outside(table: Table, *, tolerance: float = 1.0) -> Faults:
    """A box leaves its image by more than a rounding error.

    Why: evaluation compares with boxes that stay inside, and crops or augmentations fail on it.
    Fix: clip it to the image, if the object was meant to end at the edge.
    Example: `"bbox": [600, 20, 60, 15]` in an image that is 640 pixels wide
    Option: tolerance, in pixels (official boxes are rounded).
    """
    beyond = overhang(table)
    for row in rows_where((beyond > tolerance) & np.isfinite(beyond)):
        text = f"box {show(table, row)} leaves its image of {show_size(table, row)} by {beyond[row]:g} pixels"
        yield Fault(row, text, fix=_clipped(table, row, is_safe=False))


@rule("GEO120", "info", fixes="safe")
def box_rounding(table: Table, *, tolerance: float = 1.0) -> Faults:
    """A box leaves its image by no more than a rounding error.

    Why: strict tools (torchvision's and Albumentations' checks among them) refuse it all the same.
    Fix: clip it to the image; no label changes its meaning by that.
    Example: `"bbox": [600, 20, 40.4, 15]` in an image that is 640 pixels wide
    Option: tolerance, in pixels, up to which it is rounding; what is more is for GEO118, with the same one.
    """
    beyond = overhang(table)
    for row in rows_where((beyond > ROUNDING) & (beyond <= tolerance)):
        text = f"box {show(table, row)} leaves its image of {show_size(table, row)} by {beyond[row]:g} pixels"
        yield Fault(row, f"{text}, as by rounding", fix=_clipped(table, row, is_safe=True))


def _clipped(table: Table, row: int, *, is_safe: bool) -> Fix:
    x, y, w, h = table.box[row].tolist()
    width, height = table.size[row].tolist()
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = np.fmin(x + w, width), np.fmin(y + h, height)
    # Seven decimals keep the sum below ROUNDING, and 640 - 600.3 from being 39.700000000000045.
    box = Box(left, top, round(float(right - left), 7), round(float(bottom - top), 7))
    return Fix("clip the box to the image", Put("box", box), is_safe)


@rule("GEO114", "info")
def extreme_aspect_ratio(table: Table, *, limit: float = 50.0, smallest: float = 2.0) -> Faults:
    """A box is many times as long as it is wide.

    Why: it is often a slip of the mouse, or two corners of which one was not moved.
    Fix: look at it; poles and wires are like that.
    Example: `"bbox": [10, 20, 400, 2]`
    Options: limit, the ratio; smallest, the side in pixels below which a box is any shape.
    """
    _, _, width, height = sane_boxes(table).T
    longer, shorter = np.maximum(width, height), np.minimum(width, height)
    extreme = (shorter > 0) & (longer > limit * shorter) & (longer >= smallest * limit)
    for row in rows_where(extreme):
        ratio = longer[row] / shorter[row]
        yield Fault(row, f"box {show(table, row)} is {ratio:.0f} times as long as wide")

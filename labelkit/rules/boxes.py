"""GEO1xx: boxes. Whole columns are compared at once; only what is wrong is looked at singly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labelkit.rules import Fault, Faults, rule
from labelkit.table import Table, rows_where


def _numbers(table: Table, row: int) -> str:
    return "[" + ", ".join(f"{number:g}" for number in table.box[row]) + "]"


@rule("GEO102")
def empty_box(table: Table) -> Faults:
    """A box has no area, or a negative width or height.

    Why: it matches nothing in evaluation, and many training pipelines divide by its area or crash on it.
    Fix: draw it again, or remove the object. A negative width often means that the corners were swapped.
    Example: `"bbox": [10, 20, 0, 15]`
    """
    width, height = table.box[:, 2], table.box[:, 3]
    for row in rows_where((width <= 0) | (height <= 0)):
        yield Fault(row, f"box {_numbers(table, row)} has no area; expected width and height above 0")


@rule("GEO103")
def box_outside_image(table: Table) -> Faults:
    """A box lies wholly outside its image.

    Why: nothing of the object can be seen; the box belongs to another image, or to another size of it.
    Fix: look at which image it belongs to, or remove the object.
    Example: `"bbox": [700, 20, 30, 15]` in an image that is 640 pixels wide
    """
    x, y, w, h = table.box.T
    width, height = table.size.T
    outside = (x >= width) | (y >= height) | (x + w <= 0) | (y + h <= 0)
    for row in rows_where(outside & (w > 0) & (h > 0)):
        yield Fault(row, f"box {_numbers(table, row)} lies outside its image of {_size(table, row)}")


@rule("GEO118", "warning")
def box_partly_outside(table: Table, *, tolerance: float = 1.0) -> Faults:
    """A box leaves its image by more than a rounding error.

    Why: evaluation compares with boxes that stay inside, and crops or augmentations fail on it.
    Fix: clip it to the image, if the object was meant to end at the edge.
    Example: `"bbox": [600, 20, 60, 15]` in an image that is 640 pixels wide
    Option: tolerance, in pixels (official boxes are rounded).
    """
    x, y, w, h = table.box.T
    width, height = table.size.T
    beyond = np.nanmax(np.stack([-x, -y, x + w - width, y + h - height, np.zeros_like(x)]), axis=0)
    outside = (x >= width) | (y >= height) | (x + w <= 0) | (y + h <= 0)
    for row in rows_where((beyond > tolerance) & ~outside & (w > 0) & (h > 0)):
        yield Fault(
            row,
            f"box {_numbers(table, row)} leaves its image of {_size(table, row)} by {beyond[row]:g} pixels",
        )


@rule("GEO114", "info")
def extreme_aspect_ratio(table: Table, *, limit: float = 50.0, smallest: float = 2.0) -> Faults:
    """A box is many times as long as it is wide.

    Why: it is often a slip of the mouse, or two corners of which one was not moved.
    Fix: look at it; poles and wires are like that.
    Example: `"bbox": [10, 20, 400, 2]`
    Options: limit, the ratio; smallest, the side in pixels below which a box is any shape.
    """
    width, height = table.box[:, 2], table.box[:, 3]
    longer, shorter = np.maximum(width, height), np.minimum(width, height)
    extreme = (shorter > 0) & (longer > limit * shorter) & (longer >= smallest * limit)
    for row in rows_where(extreme):
        ratio = longer[row] / shorter[row]
        yield Fault(row, f"box {_numbers(table, row)} is {ratio:.0f} times as long as wide")


@rule("GEO115", "warning")
def exact_duplicate(table: Table) -> Faults:
    """Two objects of an image are the same in class, box and mask.

    Why: one object counts twice; evaluation expects two detections where there can be one.
    Fix: remove one.
    Example: an annotation that was pasted twice under different ids
    """
    for row, first in _same_boxes(table):
        masks = table.masks[row], table.masks[first]
        texts = [mask.text if mask is not None else None for mask in masks]
        if texts[0] == texts[1] and table.crowd[row] == table.crowd[first]:
            yield Fault(row, "the same class, box and mask as", other=first)


def _same_boxes(table: Table) -> Iterator[tuple[int, int]]:
    """Rows whose image, class and box are an earlier row's, with that row."""
    names = {name: code for code, name in enumerate(dict.fromkeys(table.category))}
    classes = np.array([names[name] for name in table.category], dtype=np.float64)
    keys = np.column_stack([table.image, classes, table.box])
    order = np.lexsort(keys.T[::-1])
    again = (keys[order][1:] == keys[order][:-1]).all(axis=1)  # NaN equals nothing: no box, no duplicate
    first = -1
    for position in np.flatnonzero(again).tolist():
        if position == 0 or not again[position - 1]:
            first = int(order[position])
        yield int(order[position + 1]), first


def _size(table: Table, row: int) -> str:
    image = table.image_of(row)
    return f"{image.width} x {image.height}"

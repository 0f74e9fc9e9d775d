"""MSK1xx: masks of objects. A mask is decoded once, for all rules that need its pixels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.findings import Location
from labelkit.geometry import rle
from labelkit.map_files import MapFile
from labelkit.model import Cell, Png, Record, Rle
from labelkit.pixels import map_pixels
from labelkit.rules import Fault, Faults, rule
from labelkit.table import ImageRow, Table


@rule("MSK101")
def rle_size(table: Table) -> Faults:
    """An RLE is of another size than its image.

    Why: its runs go down columns, so that with another height every pixel is at another place.
    Fix: find out which of the two is right; height comes first in `size`.
    Example: `"size": [640, 480]` in an image that is 640 wide and 480 high
    """
    for row, shape in _rles(table):
        image = table.image_of(row)
        if image.width and image.height and tuple(shape.size) != (image.height, image.width):
            found = f"an RLE of size [{shape.size[0]}, {shape.size[1]}]"
            yield Fault(row, f"{found}; expected [{image.height}, {image.width}], as the image")


@rule("MSK102")
def rle_broken(table: Table) -> Faults:
    """The counts of an RLE cannot be its pixels: they do not add up, are negative, or are no counts.

    Why: pycocotools does not look; it reads memory that is not the mask's, and every number from it is
    noise, or the process ends.
    Fix: make the mask again from its source; nobody can know what it was.
    Example: `"size": [4, 4], "counts": [3, 5]`, which is 8 of 16 pixels
    """
    for row, shape in _rles(table):
        try:
            height, width = shape.size
            runs = rle.decode_text(shape.counts) if isinstance(shape.counts, str) else _listed(shape.counts)
            rle.check(runs, height, width)
        except (ValueError, OverflowError) as error:
            yield Fault(row, f"an RLE that cannot be decoded ({error})")


@rule("MSK104")
def unreadable_mask(table: Table) -> Faults:
    """A mask is neither polygons nor an RLE.

    Why: tools crash on it, or leave the object out and say nothing.
    Fix: write rings of numbers, or an RLE with size and counts.
    Example: `"segmentation": {"counts": "x"}`
    """
    for row, mask in enumerate(table.masks):
        if mask is None:
            continue
        try:
            if isinstance(mask.shape, Cell):
                table.runs(row)
        except ValueError as error:
            yield Fault(row, f"a mask that cannot be read ({error})")


@rule("MSK105", "warning")
def empty_mask(table: Table) -> Faults:
    """A mask covers no pixel.

    Why: the object counts as one that nobody can find, and its loss is NaN.
    Fix: remove the object, or draw it again; it may lie wholly outside its image.
    Example: `"size": [480, 640], "counts": [307200]`
    """
    for row in range(len(table)):
        mask, runs = table.masks[row], table.pixels(row)
        if runs is not None and mask is not None and isinstance(mask.shape, Rle) and not rle.area(runs):
            yield Fault(row, "a mask without a pixel")


@rule("MSK108")
def map_size(labels: Record | MapFile) -> Faults:
    """A label map has another size than its image, or cannot be read.

    Why: every pixel's label belongs to another pixel.
    Fix: export it at the image's size, without smoothing.
    Example: a mask of 500 x 375 for an image of 1000 x 750
    """
    if isinstance(labels, MapFile):
        yield from _sized(Location(labels.name, image=labels.row.path), labels.row, lambda: labels.stored)
        return
    image = labels.image
    row = ImageRow(image.path, image.width, image.height)
    for name, item in labels.maps.items():
        if not isinstance(item.source, Png):  # a PNG is looked at as a file
            where = Location(image.path, element=f"map {name}", image=image.path)
            yield from _sized(where, row, partial(map_pixels, item))


def _sized(where: Location, row: ImageRow, read: Callable[[], NDArray[Any]]) -> Faults:
    try:
        rows, columns = read().shape[:2]
    except ValueError as error:
        yield Fault(where, f"cannot be read ({error})")
        return
    if row.width is not None and row.height is not None and (columns, rows) != (row.width, row.height):
        text = f"{columns} x {rows} pixels; expected {row.width} x {row.height}, as the image"
        yield Fault(where, text)


def _listed(counts: list[int]) -> rle.Counts:
    return np.array(counts, dtype=np.int64)


def _rles(table: Table) -> list[tuple[int, Rle]]:
    found = []
    for row, mask in enumerate(table.masks):
        try:
            if mask is not None and isinstance(mask.shape, Rle):
                found.append((row, mask.shape))
        except ValueError:
            continue
    return found

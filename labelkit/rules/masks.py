"""MSK1xx: masks of objects. A mask is decoded once, for all rules that need its pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.changes import Fix, Put, Remove
from labelkit.errors import LabelkitError
from labelkit.findings import Location
from labelkit.formats import get_format
from labelkit.formats.coco.raw_panoptic import StuffImage
from labelkit.geometry import rle, trace
from labelkit.geometry.rings import Floats
from labelkit.map_files import MapFile
from labelkit.model import Png, Record
from labelkit.pixels import map_pixels, rle_mask, rle_runs
from labelkit.rules import Fault, Faults, rule
from labelkit.rules.duplicates import pairs_in_reach
from labelkit.rules.structure import coded
from labelkit.table import ImageRow, Table, image_row, rows_where


def _image_of(masks: Table | StuffImage, row: int) -> ImageRow:
    return masks.image_of(row) if isinstance(masks, Table) else masks.row


def _place_of(masks: Table | StuffImage, row: int) -> int | Location:
    """The row of an object, or the place of a layer."""
    return row if isinstance(masks, Table) else masks.at[row]


@rule("MSK101")
def rle_size(masks: Table | StuffImage) -> Faults:
    """An RLE is of another size than its image.

    Why: its runs go down columns, so that with another height every pixel is at another place.
    Fix: find out which of the two is right; height comes first in `size`.
    Example: `"size": [640, 480]` in an image that is 640 wide and 480 high
    """
    for row, shape in masks.shapes.rles.items():
        image = _image_of(masks, row)
        if image.width and image.height and tuple(shape.size) != (image.height, image.width):
            found = f"an RLE of size [{shape.size[0]}, {shape.size[1]}]"
            expected = f"[{image.height}, {image.width}], as the image"
            yield Fault(_place_of(masks, row), f"{found}; expected {expected}")


@rule("MSK102")
def rle_broken(masks: Table | StuffImage | LabelkitError) -> Faults:
    """The counts of an RLE cannot be its pixels: they do not add up, are negative, or are no counts.

    Why: pycocotools does not look; it reads memory that is not the mask's, and every number from it is
    noise, or the process ends.
    Fix: make the mask again from its source; nobody can know what it was.
    Example: `"size": [4, 4], "counts": [3, 5]`, which is 8 of 16 pixels
    """
    if isinstance(masks, LabelkitError):
        yield from coded(masks, "MSK102")
        return
    for row, shape in masks.shapes.rles.items():
        try:
            rle_runs(shape)
        except (ValueError, OverflowError) as error:
            yield Fault(_place_of(masks, row), f"an RLE that cannot be decoded ({error})")


@rule("MSK104")
def unreadable_mask(masks: Table | StuffImage) -> Faults:
    """A mask is neither polygons nor an RLE.

    Why: tools crash on it, or leave the object out and say nothing.
    Fix: write rings of numbers, or an RLE with size and counts.
    Example: `"segmentation": {"counts": "x"}`
    """
    wrong = dict(masks.shapes.broken)
    if isinstance(masks, Table):
        wrong |= _unreadable_cells(masks)
    for row, text in sorted(wrong.items()):
        yield Fault(_place_of(masks, row), f"a mask that cannot be read ({text})")


def _unreadable_cells(table: Table) -> dict[int, str]:
    wrong = {}
    for row in table.shapes.cells:
        if table.pixels(row) is not None:  # kept for the rules that look at pixels
            continue
        try:
            table.runs(row)
        except ValueError as error:
            wrong[row] = str(error)
    return wrong


@rule("MSK105", "warning", fixes="unsafe")
def empty_mask(masks: Table | StuffImage) -> Faults:
    """A mask covers no pixel.

    Why: the object counts as one that nobody can find, and its loss is NaN.
    Fix: remove the object, or draw it again; it may lie wholly outside its image.
    Example: `"size": [480, 640], "counts": [307200]`
    """
    shapes = masks.shapes
    pixels = masks.pixels if isinstance(masks, Table) else masks.runs.__getitem__
    empty = [row for row in shapes.rles if (runs := pixels(row)) is not None and not rle.area(runs)]
    fix = Fix("remove the object", Remove(), is_safe=False) if isinstance(masks, Table) else None
    for row in sorted([*empty, *shapes.blank]):
        yield Fault(_place_of(masks, row), "a mask without a pixel", fix=fix)


@rule("MSK106", "warning")
def whole_image_mask(table: Table) -> Faults:
    """A mask covers every pixel of its image.

    Why: it says no more than a label of the image; mostly it is a mask that was inverted, or a default that
    nobody replaced, and it teaches a model that everything is that object.
    Fix: look at it; draw the object, or label the image instead.
    Example: `"size": [480, 640], "counts": [0, 307200]`
    """
    for row in whole_masks(table):
        yield Fault(row, "a mask of all pixels of the image; expected those of an object")


def whole_masks(table: Table) -> list[int]:
    """The rows whose masks cover their images."""
    shapes = table.shapes
    x, y, w, h = shapes.extent.T
    width, height = table.size.T
    # Outlines are rasterised with some rounding; only those that come close are.
    near = (x < 1) & (y < 1) & (x + w > width - 1) & (y + h > height - 1)
    rows = sorted({*rows_where(near), *shapes.rles, *shapes.cells})
    return [row for row in rows if (runs := table.pixels(row)) is not None and not runs[0::2].any()]


@rule("MSK107", "info", fixes="unsafe")
def specks(table: Table, *, smallest: float = 4, times: float = 100) -> Faults:
    """A mask has a few pixels apart from the rest.

    Why: a slip of the brush, or what a threshold left over; the box around the mask grows with it.
    Fix: remove them. A few pixels that another object touches are none: they are what is seen of the one
    behind the other.
    Example: an RLE with one pixel in a corner and 5,000 in the middle
    Options: smallest, the pixels from which a part is no speck; times, how much larger the largest part is.
    """
    for row in could_have_specks(table, smallest):
        found = specks_of(table, row, smallest, times)
        if found is None:
            continue
        many = "1 speck" if found.number == 1 else f"{found.number} specks"
        where = f"at x={found.x}, y={found.y}"
        text = f"{many} of fewer than {smallest:g} pixels, as {where}, beside {found.largest:,} pixels"
        yield Fault(row, f"{text}; expected one part, or large ones", fix=_without_specks(table, row, found))


class Specks(NamedTuple):
    """The specks of a mask. x, y: where the first is. largest: the largest part. rest: the runs without."""

    number: int
    x: int
    y: int
    largest: int
    rest: rle.Counts


def specks_of(table: Table, row: int, smallest: float = 4, times: float = 100) -> Specks | None:
    """The specks of a mask; None where it has none, or cannot be decoded."""
    runs, (width, height) = table.pixels(row), table.size[row].tolist()
    if runs is None or rle.area(runs) < smallest * times or runs.sum() != width * height:
        return None
    if not rle.has_short_run_apart(runs, int(height), smallest):
        return None
    shape, left, top = rle.window(runs, int(height))
    parts = trace.components(shape)
    sizes = [rle.area(part) for part in parts]
    small = [part for part, size in zip(parts, sizes, strict=True) if size < smallest]
    if not small or max(sizes) < smallest * times:
        return None
    beside = _others(table, row, int(height))[
        top : top + shape.shape[0] + 2, left : left + shape.shape[1] + 2
    ]
    small = [part for part in small if not (_grown(rle.decode_mask(part, *shape.shape)) & beside).any()]
    if not small:
        return None
    x, y, _, _ = rle.extent(small[0], shape.shape[0])
    rest = shape & ~rle.decode_mask(rle.union(small), *shape.shape)
    kept = rle.encode_window(rest, top, left, int(height), int(width))
    return Specks(len(small), left + x, top + y, max(sizes), kept)


def _others(table: Table, row: int, height: int) -> rle.Mask:
    """The pixels of all other objects of an image, with a clear frame of one pixel."""
    runs = [table.pixels(each) for each in rows_where(table.image == table.image[row]) if each != row]
    width = int(table.size[row, 0])
    known = [each for each in runs if each is not None and each.sum() == height * width]
    clear = np.zeros((height, width), dtype=bool)
    return np.pad(rle.decode_mask(rle.union(known), height, width) if known else clear, 1)


def _grown(shape: rle.Mask) -> rle.Mask:
    """A mask in a frame of one pixel, and the pixels that touch it."""
    framed = np.pad(shape, 2)
    rows = framed[:-2] | framed[1:-1] | framed[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def could_have_specks(table: Table, smallest: float = 4) -> list[int]:
    """The rows that could have specks: outlines with a small part, and all other masks of one object."""
    shapes = table.shapes
    is_small = np.abs(shapes.rings.signed_areas) < 2 * smallest + 2  # pixels are a little more than the area
    outlines = shapes.owners[is_small & (shapes.place[shapes.sound] == 0)].tolist()
    rows = {*outlines, *shapes.rles, *shapes.cells}
    return sorted(row for row in rows if not table.crowd[row])


def _without_specks(table: Table, row: int, found: Specks) -> Fix | None:
    if row not in table.shapes.rles:
        return None
    width, height = table.size[row].astype(int).tolist()
    return Fix("remove the specks", Put("mask", rle_mask(found.rest, height, width)), is_safe=False)


@rule("MSK118", "warning")
def overlapping_masks(table: Table, *, target: str | None = None) -> Faults:
    """Two objects claim the same pixels, and the format that they are meant for has one owner a pixel.

    Why: in VOC's and Cityscapes' images of objects, the one that is painted later covers the other.
    Fix: draw them apart, or put them in the order in which they are to be painted (`labelkit convert` tells
    what is lost).
    Example: a person and the bicycle under it, with `--target voc`
    Option: target, as the command line says it; nothing is looked at without it.
    """
    if target is None:
        return
    carries = get_format(target).carries
    if "instances" not in carries or "instances.overlap" in carries:
        return
    for first, second, pixels in _overlaps(table):
        text = f"{pixels:,} pixels that another object claims too, which {target} cannot hold:"
        yield Fault(second, text, other=first)


def _overlaps(table: Table) -> Iterator[tuple[int, int, int]]:
    """Pairs of rows that share pixels, and how many."""
    cells = set(table.shapes.cells)
    for a, b in sorted(_touching(table)):
        first, second = table.pixels(a), table.pixels(b)
        if first is None or second is None or (a in cells and b in cells) or first.sum() != second.sum():
            continue
        pixels = rle.intersection_area(first, second)
        if pixels:
            yield a, b, pixels


def _touching(table: Table) -> set[tuple[int, int]]:
    """Pairs of rows, the earlier first, whose masks are in boxes that overlap."""
    extents = _pixel_extents(table)
    rows = np.flatnonzero(extents[:, 2] > 0)
    start, size = extents[rows, :2], extents[rows, 2:]
    found: set[tuple[int, int]] = set()
    for one, other in pairs_in_reach(table.image[rows], start, size):
        ends = np.minimum(start[one] + size[one], start[other] + size[other])
        meet = np.all(ends > np.maximum(start[one], start[other]), axis=1)
        a, b = rows[one[meet]], rows[other[meet]]
        found.update(zip(np.minimum(a, b).tolist(), np.maximum(a, b).tolist(), strict=True))
    return found


def _pixel_extents(table: Table) -> Floats:
    """(N, 4) boxes that no pixel of a mask is outside of; NaN where there is none."""
    shapes = table.shapes
    extents: Floats = shapes.extent + np.array([-1, -1, 2, 2])  # an outline fills pixels that it only touches
    for row in (*shapes.rles, *shapes.cells):
        runs, height = table.pixels(row), table.image_of(row).height
        if runs is not None and height:
            extents[row] = rle.extent(runs, height)
    return extents


@rule("MSK108")
def map_size(labels: Record | MapFile) -> Faults:
    """A label map has another size than its image, or cannot be read.

    Why: every pixel's label belongs to another pixel.
    Fix: export it at the image's size, without smoothing.
    Example: a mask of 500 x 375 for an image of 1000 x 750
    """
    if isinstance(labels, MapFile):
        yield from _sized(labels.at, labels.row, lambda: labels.stored)
        return
    image = labels.image
    row = image_row(labels)
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

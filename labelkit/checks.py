"""What every record is checked for on its way through a conversion, whatever its format.

What cannot be represented (a mask that does not decode, or of another size) is an error of the record.
What is legal but should not be is a finding: it is converted as it is, and never in silence.
"""

from __future__ import annotations

from collections.abc import Iterator

from labelkit.errors import RecordError
from labelkit.findings import Finding
from labelkit.formats._files import brief
from labelkit.model import Box, Cell, Polygons, Record, Rle
from labelkit.pixels import SIDE_LIMIT, map_pixels, shape_runs

_TOLERANCE = 0.5  # pixels that a box may leave its image by: official boxes are rounded


def check_pixels(record: Record, place: str) -> None:
    """Decode what says which pixels: masks, and the sizes of images and maps.

    Raises RecordError where a mask is malformed, or its size or its map's is not the image's.
    """
    width, height = record.image.width, record.image.height
    for name, side in (("width", width), ("height", height)):
        if side is not None and side >= SIDE_LIMIT:
            raise RecordError(place, f"a {name} of {brief(side)}", f"less than {SIDE_LIMIT}")
    for position, item in enumerate(record.objects, 1):
        if item.kind != "instance":
            continue
        try:
            shape = item.mask.shape
            if isinstance(shape, Rle):
                shape_runs(item.mask, height or shape.size[0], width or shape.size[1])
            elif isinstance(shape, Cell) and shape.map not in record.maps:
                raise ValueError(f"a mask in map {shape.map!r}, which the record has not")
        except ValueError as error:
            raise RecordError(f"{place}:object {position}", f"mask: {error}", "a valid mask") from None
    for name, pixels in record.maps.items():
        try:
            pixels_height, pixels_width = map_pixels(pixels).shape
        except ValueError as error:
            raise RecordError(f"{place}:map {name}", str(error), "a valid map") from None
        if width is not None and height is not None and (pixels_width, pixels_height) != (width, height):
            raise RecordError(
                f"{place}:map {name}",
                f"{pixels_width} x {pixels_height} pixels",
                f"{width} x {height}, as the image",
            )


def oddities(record: Record) -> Iterator[Finding]:
    """What is legal but wrong in boxes and in outlines. Call after check_pixels."""
    for position, item in enumerate(record.objects, 1):
        place = f"{record.image.path}:object {position}"
        if item.box is not None:
            yield from _box_oddities(record, item.box, place)
        if item.kind == "instance" and isinstance(item.mask.shape, Polygons):
            for rings in item.mask.shape.parts:
                for ring in rings:
                    if len(ring) < 6 or len(ring) % 2:
                        yield Finding("ODD003", place, f"a ring of {len(ring)} numbers")


def unchecked(record: Record) -> Iterator[Finding]:
    """What of a record nobody has decoded. Call when all that is wanted of it has been."""
    count = sum(item.kind == "instance" and not item.mask.is_decoded for item in record.objects)
    if count:
        text = "masks that were not asked for were neither decoded nor checked"
        yield Finding("NOTE02", record.image.path, text, count=count)


def _box_oddities(record: Record, box: Box, place: str) -> Iterator[Finding]:
    width, height = record.image.width, record.image.height
    if box.w <= 0 or box.h <= 0:
        yield Finding("ODD001", place, f"box [{_numbers(box)}] has no area")
    elif width is not None and height is not None:
        beyond = max(-box.x, -box.y, box.x + box.w - width, box.y + box.h - height)
        if beyond > _TOLERANCE:
            yield Finding("ODD002", place, f"box [{_numbers(box)}] leaves the image of {width} x {height}")


def _numbers(box: Box) -> str:
    return ", ".join(f"{number:g}" for number in box)

"""The bytes of a polygons.json that change an object.

Where a PNG is made from the polygons there are no edits: it would have to be painted again, and nobody would
have looked at what it shows then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import msgspec

from labelkit.changes import Change, Edit, Put, Remove
from labelkit.formats.cityscapes.raw_document import RawObject, RawPolygons
from labelkit.model import Mask, Polygons


def object_edits(document: RawPolygons, item: RawObject, change: Change) -> Iterable[Edit]:
    """The edits that give an object a change; none where a polygon cannot say it."""
    if isinstance(change, Remove):
        yield _edit(document, item.raw, None)
        return
    points = _points(change)
    said = msgspec.json.decode(item.raw, type=dict[str, msgspec.Raw]).get("polygon")
    if points is not None and said is not None:
        yield _edit(document, said, _laid_out(points, bytes(said)))


def _edit(document: RawPolygons, raw: msgspec.Raw, text: bytes | None) -> Edit:
    return Edit(document.path, *document.span(raw), text)


def _points(change: Put) -> list[list[int | float]] | None:
    """The points of an outline that is one ring; whole numbers as such, which official files have alone."""
    shape = change.value.shape if isinstance(change.value, Mask) else None
    if not isinstance(shape, Polygons) or [len(part) for part in shape.parts] != [1]:
        return None
    numbers = [int(number) if number.is_integer() else number for number in shape.parts[0][0]]
    return [[x, y] for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


# The spaces within a list of points: before the first, within one, after its comma and its end, between two.
_LAYOUT = re.compile(rb"\[(\s*)\[(\s*)[^,\]\s]+\s*,(\s*)[^,\]\s]+(\s*)\](?:\s*,(\s*)\[)?")


def _laid_out(points: list[list[int | float]], said: bytes) -> bytes:
    """Points as text, with the spaces and lines of the text that they take the place of."""
    layout = _LAYOUT.match(said)
    if layout is None:
        return json.dumps(points).encode()
    before, start, comma, end, between = (each or b"" for each in layout.groups())
    numbers = [[json.dumps(number).encode() for number in point] for point in points]
    texts = [b"[%b%b,%b%b%b]" % (start, x, comma, y, end) for x, y in numbers]
    close = said[:-1].rstrip()
    return b"[%b%b%b]" % (before, (b"," + between).join(texts), said[len(close) : -1])

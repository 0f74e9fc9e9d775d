"""The bytes of a polygons.json that change an object.

Where a PNG is made from the polygons there are no edits: it would have to be painted again, and nobody would
have looked at what it shows then.
"""

from __future__ import annotations

import json
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
        yield _edit(document, said, json.dumps(points).encode())


def _edit(document: RawPolygons, raw: msgspec.Raw, text: bytes | None) -> Edit:
    return Edit(document.path, *document.span(raw), text)


def _points(change: Put) -> list[list[int | float]] | None:
    """The points of an outline that is one ring; whole numbers as such, which official files have alone."""
    shape = change.value.shape if isinstance(change.value, Mask) else None
    if not isinstance(shape, Polygons) or [len(part) for part in shape.parts] != [1]:
        return None
    numbers = [int(number) if number.is_integer() else number for number in shape.parts[0][0]]
    return [[x, y] for x, y in zip(numbers[::2], numbers[1::2], strict=True)]

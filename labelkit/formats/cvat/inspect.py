"""A CVAT data set for rules: every flaw of its images, each at its place, and what mends an object.

What has a flaw is left out of its record, and the rest of the image is judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from labelkit import changes
from labelkit.changes import Change, Put
from labelkit.errors import FormatError, RecordError
from labelkit.findings import Location
from labelkit.formats import Parcel, Part, total_of
from labelkit.formats._inspect import box_at, image_file_of
from labelkit.formats._raw import Flaws, Kind, Told
from labelkit.formats._xml import XmlError, parse
from labelkit.formats.cvat.document import Span
from labelkit.formats.cvat.image import Place, Said, read_image
from labelkit.formats.cvat.patch import object_edits
from labelkit.formats.cvat.read import CvatReader, image_bytes
from labelkit.model import Box, Instance, Object, Record
from labelkit.table import table_of

# What rules ask raw documents for, by the code of the rule that tells it; other errors they are told as such.
_KINDS: dict[str, Kind] = {
    "STR102": "repeated key",
    "STR103": "not finite",
    "STR104": "missing",
    "STR105": "type",
    "REF105": "unknown category",
    "REF109": "repeated image",
}


class _Image(NamedTuple):
    """An image of a part."""

    place: Place
    said: Said

    def at(self, record: Record, position: int) -> Location:
        """Where an object stands."""
        found = self.said.objects[position]
        at = self.place.at(found.element, found.path, record.image.path)
        return replace(at, object=position + 1, box=box_at(record, position))


def inspect(path: Path, *, images_dir: Path | None = None) -> Iterator[object]:
    """All that a data set is made of."""
    try:
        reader = CvatReader(path, images_dir)
    except FormatError as error:
        yield error
        return
    parts = reader.parts()
    yield from total_of(parts)
    yield reader.header
    for part in parts:
        yield Parcel(_part, (reader, part))


def _part(reader: CvatReader, part: Part) -> Iterator[object]:
    images: dict[int, _Image] = {}
    records: list[Record] = []
    with reader.file.open("rb") as stream:
        for span in part.key:
            errors: list[RecordError] = []
            found = _record(reader, stream, span, errors)
            yield from _told(errors)
            if found is not None:
                record, images[id(record)] = found
                records.append(record)
                yield record
                yield from image_file_of(reader, record, reader.path)

    def locate(record: Record, position: int) -> Location:
        return images[id(record)].at(record, position)

    def edits(record: Record, position: int, change: Change) -> list[changes.Edit]:
        return _edits(reader.file, images[id(record)], record, position, change)

    yield table_of(records, locate, edits)


def _record(
    reader: CvatReader, stream: BinaryIO, span: Span, errors: list[RecordError]
) -> tuple[Record, _Image] | None:
    """The record of an image, as far as it goes; None where it has no path. errors: takes its flaws."""
    gap, data = image_bytes(stream, span)
    place = reader.place(span, data)
    try:
        said = read_image(parse(data), place, reader.known, errors.append)
    except RecordError as error:
        errors.append(error)
        return None
    except XmlError as error:  # the file changed since it was looked through
        errors.append(RecordError(f"{place.file}:{place.line}", str(error), "an <image>", code=error.code))
        return None
    if span.twice:
        errors.append(place.repeated(said.path))
    return reader.record_of(said, gap, data), _Image(place, said)


def _told(errors: list[RecordError]) -> Iterator[Flaws | RecordError]:
    flaws: list[tuple[Kind, Told]] = []
    for error in errors:
        if error.code in _KINDS and error.at is not None:
            text = f"{error.found}; expected {error.expected}"
            flaws.append((_KINDS[error.code], Told(error.at, text)))
        else:
            yield error
    if flaws:
        yield Flaws(flaws)


def _edits(file: Path, image: _Image, record: Record, position: int, change: Change) -> list[changes.Edit]:
    """The bytes of one element, anew; none where CVAT cannot say the change."""
    item = _changed(record.objects[position], change) if isinstance(change, Put) else None
    if isinstance(change, Put) and item is None:
        return []
    found = object_edits(image.place.data, image.said, record, position, item)
    shift = image.place.start
    return [changes.Edit(file, shift + start, shift + end, text) for start, end, text in found]


def _changed(item: Object, change: Put) -> Object | None:
    if change.field == "box" and item.kind == "box":
        return item.model_copy(update={"box": Box(*map(float, change.value))})
    if change.field == "mask" and isinstance(item, Instance):
        return item.model_copy(update={"mask": change.value})
    return None

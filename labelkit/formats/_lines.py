"""A file of records, one a line, for rules: what is wrong with each line, and where its objects stand.

A line that is no record is judged as far as it goes: every fault that its schema finds is told, and its image
is an image of the data set all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import msgspec
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from labelkit.canonical import decode_record, encode_record, fault_text
from labelkit.changes import Change, Edit, Put
from labelkit.errors import RecordError
from labelkit.findings import Location
from labelkit.formats import Parcel, Part, Reader, total_of
from labelkit.formats._files import BOM, safe_path
from labelkit.formats._inspect import box_at, image_file_of, map_files_of, of_image
from labelkit.formats._json import repeated_keys
from labelkit.formats._raw import Flaws, Kind, RawDocument, Told, unmarked
from labelkit.model import Box, Image, Record, SemanticMap
from labelkit.table import table_of

_EXPECTED = "a record (schemas/record.schema.json)"
_PATH = re.compile(rb'"image"\s*:\s*\{[^{}]*?"path"\s*:\s*("(?:[^"\\]|\\.)*")')


class LineReader(Reader, Protocol):
    """A reader of such a file. lines: number from 1 and byte offset of each record's; names: the classes."""

    path: Path
    file: Path

    @property
    def lines(self) -> Sequence[tuple[int, int]]: ...
    @property
    def names(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class _Line:
    """A line of a file. name: the file's."""

    name: str
    number: int
    offset: int
    data: bytes

    def at(self, element: str | None = None, image: str | None = None) -> Location:
        return Location(self.name, line=self.number, offset=self.offset, element=element, image=image)


def inspect_lines(reader: LineReader) -> Iterator[object]:
    """All that a file of records is made of."""
    parts = reader.parts()
    yield from total_of(parts)
    yield reader.header
    yield Records(reader)
    for part in parts:
        yield Parcel(_part, (reader, part))


class _ImagePath(msgspec.Struct):
    path: str


class _ImageOnly(msgspec.Struct):
    image: _ImagePath


class Records(RawDocument):
    """The whole file, for what only several lines show."""

    def __init__(self, reader: LineReader) -> None:
        self.reader = reader

    def told(self, kind: Kind) -> Iterator[Told]:
        """Images that stand in two lines, and what comes before the first."""
        if kind == "byte order mark":
            yield from _mark(self.reader.file)
        if kind != "repeated image":
            return
        decoder = msgspec.json.Decoder(_ImageOnly)
        first: dict[str, int] = {}
        for line in _lines(self.reader, self.reader.lines):
            try:
                path = decoder.decode(line.data).image.path
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # told when the line is read
                continue
            if path in first:
                text = f"{path!r} once more (as in line {first[path]}); expected each image once"
                yield Told(line.at("image.path", path), text)
            first.setdefault(path, line.number)


def _mark(file: Path) -> Iterator[Told]:
    with file.open("rb") as stream:
        has_mark = stream.read(len(BOM)) == BOM
    if has_mark:
        yield Told(Location(file.name, offset=0), "a byte order mark; expected none", unmarked(file))


def unknown_categories(record: Record, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The classes of a record that its header has not, and what names them."""
    for position, item in enumerate(record.objects, 1):
        if item.category not in known:
            yield f"object {position}", item.category
    for label in record.labels:
        if label.category not in known:
            yield "a label", label.category
    for name, pixels in record.maps.items():
        for category in pixels.classes.values() if isinstance(pixels, SemanticMap) else ():
            if category not in known:
                yield f"map {name}", category


def _lines(reader: LineReader, places: Sequence[tuple[int, int]]) -> Iterator[_Line]:
    with reader.file.open("rb") as stream:
        for number, offset in places:
            stream.seek(offset)
            yield _Line(reader.file.name, number, offset, stream.readline().rstrip(b"\r\n"))


def _part(reader: LineReader, part: Part) -> Iterator[object]:
    records: list[Record] = []
    lines: dict[int, _Line] = {}
    for line in _lines(reader, part.key):
        record, items = _record(reader, line)
        for item in items:
            if isinstance(item, RecordError) and record is not None:
                item = of_image(item, record, reader.path)
            yield item
        if record is None:
            continue
        records.append(record)
        lines[id(record)] = line
        yield from map_files_of(record, reader.path)
        yield from image_file_of(reader, record, reader.path)

    def locate(record: Record, position: int) -> Location:
        line = lines[id(record)]
        box = box_at(record, position)
        image = record.image.path
        element = f"objects[{position}]"
        return Location(line.name, line.number, line.offset, element, image, position + 1, box=box)

    def edits(record: Record, position: int, change: Change) -> list[Edit]:
        return _edits(reader.file, lines[id(record)], record, position, change)

    table = table_of(records, locate, edits)
    yield replace(table, category=[name if name in reader.names else None for name in table.category])


def _record(reader: LineReader, line: _Line) -> tuple[Record | None, list[object]]:
    """The record of a line, or its image alone, or None; and what there is to look at, or to tell."""
    place = f"{reader.file}:{line.number}"
    try:
        line.data.decode()
        record = decode_record(line.data)
    except UnicodeDecodeError as error:
        at = replace(line.at(), offset=line.offset + error.start)
        return _saved(line.data), [RecordError(place, "not UTF-8", "UTF-8 text", code="STR111", at=at)]
    except ValidationError as error:
        details = error.errors(include_url=False)
        return _saved(line.data), [_error(place, line, detail) for detail in details]
    except ValueError as error:
        return _saved(line.data), [RecordError(place, str(error), _EXPECTED, at=line.at())]
    try:
        safe_path(record.image.path)
    except ValueError as error:
        at = line.at("image.path")
        return None, [RecordError(place, str(error), "a path inside the data set", code="STR108", at=at)]
    where = line.at(image=record.image.path)
    flaws: list[tuple[Kind, Told]] = [
        ("repeated key", Told(where, f"the key {key!r} twice; expected keys once each"))
        for key in repeated_keys(line.data)
    ]
    for owner, name in unknown_categories(record, reader.names):
        text = f"category {name!r} of {owner}; expected one of the header"
        flaws.append(("unknown category", Told(where, text)))
    return record, [record, Flaws(flaws)] if flaws else [record]


def _error(place: str, line: _Line, detail: ErrorDetails) -> RecordError:
    steps = [*detail["loc"]]
    if steps[:1] == ["objects"]:
        del steps[2:3]  # which kind of object it was taken for
    element = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    code = "STR103" if detail["type"] == "finite_number" else ""
    at = line.at(element.removeprefix(".") or None)
    return RecordError(place, fault_text(detail), _EXPECTED, code=code, at=at)


def _saved(data: bytes) -> Record | None:
    """The image of a line that is no record, so that its file is none that nobody knows."""
    found = _PATH.search(data)
    try:
        return Record(image=Image(path=safe_path(json.loads(found[1])))) if found else None
    except ValueError:
        return None


def _edits(file: Path, line: _Line, record: Record, position: int, change: Change) -> list[Edit]:
    """The line with the change, in the canonical form; none where a record cannot say it."""
    objects = [*record.objects]
    if not isinstance(change, Put):
        del objects[position]
    elif change.field == "box":
        box = Box(*map(float, change.value))
        objects[position] = objects[position].model_copy(update={"box": box})
    elif change.field == "mask" and objects[position].kind == "instance":
        objects[position] = objects[position].model_copy(update={"mask": change.value})
    else:
        return []
    text = encode_record(record.model_copy(update={"objects": tuple(objects)}))
    return [Edit(file, line.offset, line.offset + len(line.data), text)]

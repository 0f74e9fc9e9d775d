"""labelkit's own canonical form: one JSON record a line, the header first. It carries everything.

A data set is one file, or a folder with ``records.jsonl`` and ``images/``. The first line is
``{"labelkit": 1, "header": {…}}``; each further line is a ``Record`` as ``schemas/record.schema.json`` says.
Pixel maps that lie in files are written as layers, so that the file needs nothing beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from labelkit.canonical import decode_record, encode_record, fault
from labelkit.errors import FormatError, RecordError
from labelkit.findings import Finding, Tell
from labelkit.formats import FEATURES, Evidence, Format, Part, Target
from labelkit.formats._files import BOM, image_inside, is_file, regular, safe_path
from labelkit.formats._json import json_fault
from labelkit.formats._lines import inspect_lines, unknown_categories
from labelkit.model import Header, Record

VERSION = 1
_NAME = "records.jsonl"
PART = 1000


def detect(path: Path) -> Evidence:
    """A first line that says ``"labelkit"`` and ``"header"``."""
    file = path / _NAME if path.is_dir() else path
    if not is_file(file):
        return Evidence(0, f"has no {_NAME}" if path.is_dir() else "is no file")
    try:
        with file.open("rb") as stream:
            start = stream.readline(200)
    except OSError as error:
        return Evidence(0, f"{file.name} cannot be read ({error.strerror})")
    if not start.removeprefix(BOM).lstrip().startswith(b'{"labelkit":'):
        return Evidence(0, 'the first line does not start with {"labelkit":')
    return Evidence(2, f"{file.name} starts with a labelkit header")


class JsonlReader:
    """An open file of records; parts are spans of lines."""

    def __init__(self, path: Path, images_dir: Path | None) -> None:
        self.path = path
        self.file = path / _NAME if path.is_dir() else path
        self.images_dir = images_dir
        self.notes: Sequence[Finding] = ()
        self.header = self._read_header()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.images_dir)

    def _read_header(self) -> Header:
        try:
            with regular(self.file).open("rb") as stream:
                first = msgspec.json.decode(stream.readline().removeprefix(BOM), type=dict[str, msgspec.Raw])
            version = msgspec.json.decode(first["labelkit"])
            if version != VERSION:
                raise FormatError(f"{self.file}:1", f"version {version}", f"version {VERSION}")
            header = Header.model_validate_json(bytes(first["header"]))
        except OSError as error:
            raise FormatError(str(self.file), f"cannot be read ({error.strerror})") from None
        except ValidationError as error:
            code = "CAT102" if _has_empty_name(error) else ""
            raise FormatError(f"{self.file}:1", fault(error), "a header", code=code) from None
        except (msgspec.DecodeError, KeyError, UnicodeDecodeError, RecursionError) as error:
            raise FormatError(
                f"{self.file}:1", f"no header ({json_fault(error)})", '{"labelkit": 1, "header": …}'
            ) from None
        names: set[str] = set()
        for category in header.categories:
            if category.name in names:
                found = f"category {category.name!r} twice"
                raise FormatError(f"{self.file}:1", found, "names once each", code="CAT101")
            names.add(category.name)
        return header

    @cached_property
    def lines(self) -> list[tuple[int, int]]:
        """The number of every record's line, from 1, and its byte offset."""
        found = []
        with self.file.open("rb") as stream:
            offset = len(stream.readline())
            for number, line in enumerate(stream, 2):
                if line.strip():
                    found.append((number, offset))
                offset += len(line)
        return found

    @cached_property
    def names(self) -> frozenset[str]:
        """The classes of the header."""
        return frozenset(category.name for category in self.header.categories)

    def parts(self) -> list[Part]:
        pieces = (self.lines[start : start + PART] for start in range(0, len(self.lines), PART))
        return [Part(lines, number * PART, len(lines)) for number, lines in enumerate(pieces)]

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        with self.file.open("rb") as stream:
            for number, offset in part.key:
                stream.seek(offset)
                place = f"{self.file}:{number}"
                try:
                    record = decode_record(stream.readline())
                    safe_path(record.image.path)
                    _check_categories(record, self.names)
                    yield record
                except ValidationError as error:
                    yield RecordError(place, fault(error), "a record (schemas/record.schema.json)")
                except ValueError as error:
                    yield RecordError(place, str(error), "a record (schemas/record.schema.json)")

    def image_file(self, record: Record) -> Path | None:
        root = self.path if self.path.is_dir() else self.path.parent
        for folder in [self.images_dir] if self.images_dir else [root / "images", root]:
            if found := image_inside(folder, record.image.path, self.images_dir):
                return found
        return None


def _has_empty_name(error: ValidationError) -> bool:
    """Whether the first fault of a header, which is the one that is told, is a category without a name."""
    first = error.errors(include_url=False)[0]
    return first["loc"][:1] == ("categories",) and first["loc"][-1] == "name" and first["input"] == ""


def _check_categories(record: Record, known: frozenset[str]) -> None:
    """Raise ValueError where a record names a class that the header has not."""
    for place, category in unknown_categories(record, known):
        raise ValueError(f"{place}: category {category!r} is not in the header")


class JsonlWriter:
    """Writes a piece a part, joined in order by ``finish``."""

    def __init__(self, root: Path, header: Header) -> None:
        self.is_file = root.suffix == ".jsonl"
        self.file = root if self.is_file else root / _NAME
        self.pieces = self.file.parent / ".pieces"
        self.header = header

    def image_path(self, record: Record) -> str | None:
        return f"images/{record.image.path}"

    def write(self, part: int, records: Iterable[Record]) -> None:
        self.pieces.mkdir(parents=True, exist_ok=True)
        with (self.pieces / f"{part:08}.jsonl").open("wb") as stream:
            for record in records:
                stream.write(encode_record(record))
                stream.write(b"\n")

    def finish(self) -> None:
        self.pieces.mkdir(parents=True, exist_ok=True)
        with self.file.open("wb") as stream:
            header = self.header.model_dump_json(exclude_none=True).encode()
            stream.write(b'{"labelkit":%d,"header":%b}\n' % (VERSION, header))
            for piece in sorted(self.pieces.iterdir()):
                with piece.open("rb") as source:
                    shutil.copyfileobj(source, stream)
        shutil.rmtree(self.pieces)


def _open(path: Path, *, images_dir: Path | None = None) -> JsonlReader:
    return JsonlReader(path, images_dir)


def _inspect(path: Path, *, images_dir: Path | None = None) -> Iterator[object]:
    """All that a file of records is made of."""
    try:
        reader = JsonlReader(path, images_dir)
    except FormatError as error:
        yield error
        return
    yield from inspect_lines(reader)


def _adjust(record: Record, target: Target, ordinal: int, tell: Tell) -> Record:
    return record


def _adjust_header(header: Header, options: Mapping[str, Any], tell: Tell) -> Header:
    return header


FORMAT = Format(
    name="jsonl",
    title="labelkit's canonical JSON, one record a line",
    carries=frozenset(FEATURES),
    detect=detect,
    open=_open,
    create=JsonlWriter,
    adjust=_adjust,
    adjust_header=_adjust_header,
    file_suffix=".jsonl",
    inspect=_inspect,
)

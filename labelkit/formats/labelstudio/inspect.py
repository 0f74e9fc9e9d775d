"""All that a list of tasks is made of, for rules: what is wrong with each task, and where its objects stand.

A task that is no record is judged as far as it goes, and its image is one of the data set all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from labelkit.errors import FormatError, RecordError
from labelkit.findings import Location
from labelkit.formats import Parcel, Part, total_of
from labelkit.formats._files import BOM, map_bytes
from labelkit.formats._inspect import box_at, image_file_of
from labelkit.formats._json import repeated_keys
from labelkit.formats._raw import Flaws, Kind, RawDocument, Told, unmarked
from labelkit.formats.labelstudio.frame import frame_of
from labelkit.formats.labelstudio.native import OBJECT, at_of, own_raw
from labelkit.formats.labelstudio.read import LabelStudioReader
from labelkit.formats.labelstudio.scene import image_of
from labelkit.formats.labelstudio.task import marks, open_task
from labelkit.model import Image, Record
from labelkit.table import table_of

_KINDS: dict[str, Kind] = {"STR104": "missing", "STR105": "type", "REF105": "unknown category"}


def inspect(
    path: Path, *, images_dir: Path | None = None, config: Path | None = None, image_key: str | None = None
) -> Iterator[object]:
    """All that a data set is made of."""
    try:
        reader = LabelStudioReader(path, images_dir, config, image_key)
    except FormatError as error:
        yield error
        return
    parts = reader.parts()
    yield from total_of(parts)
    yield reader.header
    yield TaskList(reader)
    for part in parts:
        yield Parcel(_part, (reader, part))


class TaskList(RawDocument):
    """The whole list, for what only several tasks show."""

    def __init__(self, reader: LabelStudioReader) -> None:
        self.reader = reader

    def told(self, kind: Kind) -> Iterator[Told]:
        """Images that have two tasks, and what comes before the first."""
        name = self.reader.name
        if kind == "byte order mark" and bytes(map_bytes(self.reader.file)[: len(BOM)]) == BOM:
            where = Location(name, offset=0)
            yield Told(where, "a byte order mark; expected none", unmarked(self.reader.file))
        if kind != "repeated image":
            return
        for number, first in self.reader.repeated.items():
            path = self.reader.path_of(number)
            text = f"{path!r} once more (as in [{first}]); expected one task an image"
            yield Told(Location(name, element=f"[{number}].data", image=path), text)


def _part(reader: LabelStudioReader, part: Part) -> Iterator[object]:
    records: list[Record] = []
    numbers: dict[int, int] = {}
    for number in range(*part.key):
        if number >= reader.count:
            break
        found = list(reader.read_task(number))
        record = next((item for item in found if isinstance(item, Record)), None)
        shown = record or _image_alone(reader, number)
        image = shown.image.path if shown else None
        yield from _flaws(reader, number, image)
        for item in found:
            yield _judged(reader, item, image) if isinstance(item, RecordError) else item
        if record is None and shown is not None:
            yield shown
        if shown is not None:
            yield from image_file_of(reader, shown, reader.file.parent)
        if record is not None:
            records.append(record)
            numbers[id(record)] = number
    yield table_of(records, lambda record, position: _place(reader, numbers[id(record)], record, position))


def _image_alone(reader: LabelStudioReader, number: int) -> Record | None:
    """The image of a task, whatever else is wrong with it."""
    text = bytes(reader.task(number)).decode(errors="replace")
    try:
        said, _ = image_of(open_task(text), reader.key)
        return Record(image=Image(path=said.path or "", width=said.width, height=said.height))
    except ValueError:
        return None


def _flaws(reader: LabelStudioReader, number: int, image: str | None) -> Iterator[Flaws]:
    """Keys that stand twice in a task."""
    where = Location(reader.name, element=f"[{number}]", image=image)
    found: list[tuple[Kind, Told]] = [
        ("repeated key", Told(where, f"the key {key!r} twice; expected keys once each"))
        for key in repeated_keys(bytes(reader.task(number)))
    ]
    if found:
        yield Flaws(found)


def _judged(reader: LabelStudioReader, error: RecordError, image: str | None) -> object:
    """An error of a task as a flaw of the kind that a rule tells, or as itself with its place."""
    element = error.place.removeprefix(f"{reader.file}:")
    at = Location(reader.name, element=element, image=image)
    if error.code in _KINDS:
        text = f"{error.found}; expected {error.expected}" if error.expected else error.found
        return Flaws([(_KINDS[error.code], Told(at, text))])
    return RecordError(*error.args, code=error.code, at=at)


def _place(reader: LabelStudioReader, number: int, record: Record, position: int) -> Location:
    """Where an object stands: its region in the result that it is of."""
    at = at_of(own_raw(record.objects[position].raw))
    before = [at_of(own_raw(item.raw)) for item in record.objects[:position]]
    frame = frame_of(record)
    element = f"[{number}]"
    if at is not None and at in frame.by_place:
        places = [k for k, mark in enumerate(marks(frame.by_place[at].results)) if mark == OBJECT]
        element += f".{at[0]}[{at[1]}].result[{places[before.count(at)]}]"
    where = Location(reader.name, element=element, image=record.image.path, object=position + 1)
    return replace(where, box=box_at(record, position))

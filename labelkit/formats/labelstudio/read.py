"""Reading Label Studio: a list of tasks and its configuration; parts are spans of tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from labelkit.errors import FormatError, RecordError
from labelkit.findings import Finding, Location
from labelkit.formats import Part
from labelkit.formats._files import image_inside
from labelkit.formats.labelstudio import images
from labelkit.formats.labelstudio.config import Config
from labelkit.formats.labelstudio.index import CONFIG, TaskIndex, read_config, tasks_file
from labelkit.formats.labelstudio.native import NAME
from labelkit.formats.labelstudio.scene import image_of, read_task
from labelkit.formats.labelstudio.task import open_task
from labelkit.model import Category, Header, Record

PART = 50  # tasks of a part


class LabelStudioReader:
    """An open list of tasks. repeated: which tasks have the path of one before them, and of which."""

    def __init__(
        self, path: Path, images_dir: Path | None, config: Path | None, image_key: str | None
    ) -> None:
        self.path = path
        self.images_dir = images_dir
        file, why = tasks_file(path)
        if file is None:
            raise FormatError(str(path), why, "a JSON list of Label Studio's tasks")
        self.file = file
        said = read_config(self._index, config)
        self.key = image_key or said.key
        self.header = _header(said)
        no_config = f"no {CONFIG}; classes are those that regions name, in that order"
        self.notes: Sequence[Finding] = (
            () if said.text is not None else (Finding("NOTE01", str(file), no_config),)
        )
        self.repeated = self._repeated()
        self._values = {category.name: value for value, category in enumerate(self.header.categories, 1)}

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_index"}

    @cached_property
    def _index(self) -> TaskIndex:
        return TaskIndex(self.file)

    @property
    def name(self) -> str:
        """The name of the list of tasks."""
        return self.file.name

    @property
    def count(self) -> int:
        """How many tasks there are."""
        return len(self._index.tasks)

    def task(self, number: int) -> msgspec.Raw:
        """The native text of a task."""
        return self._index.tasks[number]

    def parts(self) -> list[Part]:
        count = self.count
        return [Part((k, k + PART), k, min(PART, count - k)) for k in range(0, count, PART)]

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        first, last = part.key
        for number in range(first, min(last, self.count)):
            if number in self.repeated:
                yield self._once_more(number)
            else:
                yield from self.read_task(number)

    def path_of(self, number: int) -> str | None:
        """The path of a task's image, whatever else is wrong with the task; None where it has none."""
        text = bytes(self.task(number)).decode(errors="replace")
        try:
            return image_of(open_task(text), self.key)[0].path
        except ValueError:
            return None

    def _repeated(self) -> dict[int, int]:
        first: dict[str, int] = {}
        found: dict[int, int] = {}
        for number in range(self.count):
            path = self.path_of(number)
            if path is not None and first.setdefault(path, number) != number:
                found[number] = first[path]
        return found

    def _once_more(self, number: int) -> RecordError:
        """What is told of a task whose image has one already: a path is an image's identity."""
        path = self.path_of(number)
        found = f"{path!r} once more (as in [{self.repeated[number]}])"
        at = Location(self.name, element=f"[{number}].data", image=path)
        place, expected = f"{self._index.place(number)}.data", "one task an image"
        return RecordError(place, found, expected, "join or remove one", code="REF109", at=at)

    def read_task(self, number: int) -> Iterator[Record | RecordError | Finding]:
        """The record of a task, what is wrong with it, and what was assumed, also of a repeated image."""
        yield from read_task(self.task(number), self._index.place(number), self._values, self.key)

    def image_file(self, record: Record) -> Path | None:
        """Where the image of a record lies. Raises ValueError where a link leads out of its folder."""
        root = self.file.parent
        for folder in [self.images_dir] if self.images_dir else [root / "images", root]:
            for path in images.candidates(record.image.path):
                if found := image_inside(folder, path, self.images_dir):
                    return found
        return None


def _header(said: Config) -> Header:
    categories = tuple(Category(name=name, colour=colour) for name, colour in said.classes)
    kept: dict[str, Any]
    if said.text is not None:
        kept = {"config": said.text}
    else:
        controls = [[control.kind, control.name, control.to_name] for control in said.controls]
        kept = {"controls": controls, "image": said.image, "key": said.key}
    return Header(categories=categories, raw={NAME: kept})

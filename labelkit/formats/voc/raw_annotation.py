"""An annotation for rules: everything in it that can be judged, and where each element stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from labelkit.errors import RecordError
from labelkit.findings import Location
from labelkit.formats._corners import Base
from labelkit.formats._raw import Kind, RawDocument, Told
from labelkit.formats._xml import Element, line_of
from labelkit.formats.voc.annotation import SaidObject, children, read_object, side
from labelkit.formats.voc.flaws import SIDES, Flaw, flaws_of

_NUMBER = re.compile(r"object\[([0-9]+)\]")


@dataclass(frozen=True, eq=False)
class VocAnnotation(RawDocument):
    """The XML file of one image, parsed.

    name: its path below the data set; path: its own. id: the image's. image: its path, as records have it.
    data: the bytes that root's offsets are of. base: where boxes start. classes: their indices. parts: of the
    classes of labelmap.txt, where there is one, the names that parts may have.
    """

    name: str
    path: Path
    id: str
    image: str
    data: bytes
    root: Element
    base: Base
    classes: Mapping[str, int]
    parts: Mapping[str, frozenset[str]] | None

    @cached_property
    def flaws(self) -> list[Flaw]:
        """What is wrong with its elements."""
        return list(flaws_of(self.root, self.classes))

    def told(self, kind: Kind) -> Iterator[Told]:
        """The flaws of one kind."""
        for flaw in self.flaws:
            if flaw.kind == kind:
                yield Told(self.at(flaw.path, flaw.element), flaw.message)

    def at(self, path: str, element: Element, **more: Any) -> Location:
        """Where an element stands. path: of the element; more: fields of the location."""
        number = _NUMBER.match(path)
        return Location(
            self.name,
            line=line_of(self.data, element.start),
            offset=element.start,
            element=path,
            image=self.image,
            object=int(number[1]) if number else None,
            **more,
        )

    @cached_property
    def objects(self) -> list[Element]:
        """The elements of its objects, sound or not."""
        return children(self.root, "object")

    def sound_objects(self) -> Iterator[tuple[int, SaidObject]]:
        """The objects that can be read, with their numbers from 1."""
        for number, element in enumerate(self.objects, 1):
            try:
                yield number, read_object(element, self.base, "")
            except RecordError:
                continue

    def size(self) -> tuple[int | None, int | None]:
        """Width and height, None where they cannot be read."""
        sides: list[int | None] = []
        for tag in SIDES:
            try:
                sides.append(side(self.root.find("size"), tag, ""))
            except RecordError:
                sides.append(None)
        return sides[0], sides[1]

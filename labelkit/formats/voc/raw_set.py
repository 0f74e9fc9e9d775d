"""A whole VOC data set for rules: its lists beside its annotations, and what speaks for a base."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from labelkit.errors import FormatError, RecordError
from labelkit.findings import Location
from labelkit.formats import _files
from labelkit.formats._inspect import placed
from labelkit.formats._raw import Told
from labelkit.formats._xml import Element, line_of, parse
from labelkit.formats.voc.annotation import children, corner_texts, float_of
from labelkit.formats.voc.corners import CORNERS
from labelkit.formats.voc.layout import inside_folder
from labelkit.formats.voc.raw_maps import class_map
from labelkit.formats.voc.read import VocReader
from labelkit.formats.voc.sets import Line, implied_by
from labelkit.table import ImageRow


@dataclass
class Implied:
    """What an annotation says of its lists and its base.

    name: its path below the data set. values: of class lists, by class. doubtful: whether an object has no
    class, or one that nobody knows, so that it may be of any. zero: the first corner from 0 up to 1. one:
    whether a corner is 1 and none is 0. full: the first box that reaches from 1 to the image's end, or one
    pixel beyond it.
    """

    name: str
    values: dict[str, int] = field(default_factory=dict)
    doubtful: bool = False
    zero: Location | None = None
    one: bool = False
    full: Location | None = None


@dataclass(frozen=True, eq=False)
class VocSet:
    """All lists and annotations of a data set."""

    reader: VocReader

    @cached_property
    def annotations(self) -> dict[str, Implied]:
        """What each annotation that can be parsed says, by id, in order."""
        found: dict[str, Implied] = {}
        for id_ in sorted(self.reader.stems):
            try:
                file = inside_folder(self.reader.layout.annotations, f"{id_}.xml")
                if file is not None:
                    data = _files.read_bytes(file)
                    name = _files.relative(file, self.reader.path)
                    found[id_] = _implied(parse(data), data, name, self.reader.numbers)
            except (RecordError, FormatError, ValueError):  # told where it is read
                continue
        return found

    @property
    def has_lists(self) -> bool:
        """Whether any list names an image, and all of them can be read."""
        return bool(self.reader.sets.lines) and not self.reader.facts.broken

    def lines(self, id_: str) -> list[Line]:
        """The lines of lists that name an image."""
        return self.reader.sets.lines.get(id_, [])

    def unfounded(self) -> Iterator[str]:
        """The ids of lists that have no annotation, no PNG and no image."""
        return (id_ for id_ in self.reader.sets.lines if self.reader.is_unfounded(id_))

    def contradictions(self) -> Iterator[Told]:
        """What class lists say of an image, and its XML or another list says otherwise."""
        sets = self.reader.sets
        for id_ in sets.lines:
            implied, fault = self.annotations.get(id_), sets.faults.get(id_)
            told = [*self._against_xml(id_, implied)] if implied is not None else []
            if fault is not None and fault.code == "LBL101" and not told:
                at = placed(fault, self.reader.path).at
                assert at is not None
                told.append(Told(at, f"{fault.found}; expected {fault.expected}"))
            yield from told

    def _against_xml(self, id_: str, implied: Implied) -> Iterator[Told]:
        said = {found.name: (found.category, value) for found, value in self.reader.sets.values.get(id_, ())}
        for line in self.lines(id_):
            if line.list not in said:
                continue
            category, value = said.pop(line.list)
            expected = implied.values.get(category, -1)
            if value != expected and not self._says_more(id_, implied, category, value):
                text = f"{value} for {category!r}; expected {expected}, for {_REASONS[expected]}"
                yield Told(self.reader.at(id_, line), text)

    def _says_more(self, id_: str, implied: Implied, category: str, value: int) -> bool:
        """Whether a class list says what XML cannot: that a class is uncertain, or one of a label map."""
        if implied.doubtful and value > implied.values.get(category, -1):
            return True  # it may be of an object that has no class here
        if category in implied.values:
            return False
        if value == 0:
            return True
        file = class_map(self.reader, id_, ImageRow(id_, None, None))
        labels = file.labels if file is not None else None
        return labels is not None and bool((labels == self.reader.numbers.get(category)).any())


_REASONS = {
    1: "the XML has such an object",
    0: "all such objects of the XML are difficult",
    -1: "the XML has no such object",
}


def _implied(root: Element, data: bytes, name: str, known: Collection[str]) -> Implied:
    said = Implied(name)
    size = root.find("size")
    ends = [float_of(size.value(tag)) if size else None for tag in ("width", "height")]
    objects = children(root, "object")
    said.values = implied_by((item.word("name"), item.word("difficult") == "1") for item in objects)
    said.doubtful = not said.values.keys() <= set(known)
    for number, element in enumerate(objects, 1):
        box = element.find("bndbox")
        if box is None:
            continue
        corners = [float_of(text) for text in corner_texts(box)]
        for axis, first in enumerate(corners[:2]):
            if first is None:
                continue
            if 0 <= first < 1 and said.zero is None:
                corner = box.find(CORNERS[axis]) or box
                said.zero = _at(data, name, corner, f"object[{number}]/bndbox/{CORNERS[axis]}")
            last, end = corners[axis + 2], ends[axis]
            said.one |= first == 1
            if said.full is None and last is not None and end and (first == 1, last) in _full(end):
                said.full = _at(data, name, box, f"object[{number}]/bndbox")
    said.one &= said.zero is None
    return said


def _full(end: float) -> tuple[tuple[bool, float], ...]:
    """Whether a box starts at 1, and where it ends, if it counts from 1."""
    return (True, end), (True, end + 1), (False, end + 1)


def _at(data: bytes, name: str, element: Element, path: str) -> Location:
    return Location(name, line=line_of(data, element.start), offset=element.start, element=path)

"""The bytes that change an object of an annotation, and what else names objects by their number.

A box is changed in place. An object that is taken out shifts the numbers of those behind it, so that
SegmentationObject is renumbered; and class lists that were right stay right. Where nobody can say what else
would have to change there are no edits: the object has pixels of its own, or a list of Layout or Action has
the image, for these name objects by number.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from labelkit.changes import Change, Edit, Put, Remove
from labelkit.formats._corners import box_texts, decimal_of
from labelkit.formats._xml import Element, removed, replaced
from labelkit.formats.voc.annotation import children
from labelkit.formats.voc.corners import CORNERS
from labelkit.formats.voc.layout import SETS, id_of
from labelkit.formats.voc.places import number_of, parsed
from labelkit.formats.voc.raw_maps import object_map
from labelkit.formats.voc.read import VocReader
from labelkit.formats.voc.sets import implied_by, usual
from labelkit.map_files import with_values
from labelkit.model import Box, Cell, Record
from labelkit.table import ImageRow


def edits_of(record: Record, position: int, change: Change, *, reader: VocReader) -> list[Edit]:
    """The edits that give an object a change; none where VOC cannot say it."""
    data, root = parsed(record)
    if data is None or root is None:
        return []
    id_, number = id_of(record.image.path), number_of(record, position)
    file = reader.layout.annotations / f"{id_}.xml"
    element = children(root, "object")[number - 1]
    if isinstance(change, Put):
        if change.field != "box":
            return []
        box = Box(*map(float, change.value))  # of whatever kind of number the rule computed it
        return [Edit(file, *edit) for edit in _box_edits(data, element, box, reader)]
    assert isinstance(change, Remove)
    if any(line.list.startswith(("Layout/", "Action/")) for line in reader.sets.lines.get(id_, ())):
        return []
    pixels = _renumbered(record, number, id_, reader)
    if pixels is None:
        return []
    lists = _list_edits(id_, children(root, "object"), number, reader)
    return [Edit(file, *removed(data, element)), *pixels, *lists]


def _box_edits(
    data: bytes, element: Element, box: Box, reader: VocReader
) -> Iterator[tuple[int, int, bytes]]:
    """The corners that change; those of the same number keep their text."""
    bndbox = element.find("bndbox")
    if bndbox is None:
        return
    for tag, text in zip(CORNERS, box_texts(box, reader.facts.base), strict=True):
        corner = bndbox.find(tag)
        if corner is not None and decimal_of(corner.text.strip()) != Decimal(text):
            yield replaced(data, corner, text)


def _renumbered(record: Record, number: int, id_: str, reader: VocReader) -> list[Edit] | None:
    """The edit of SegmentationObject that an object less makes; None where it cannot be made."""
    file = object_map(reader, id_, ImageRow(record.image.path, None, None))
    if file is None:
        return []
    labels = file.labels
    if labels is None or file.header.mode != "P":
        return None
    owners = {
        item.mask.shape.value: number_of(record, position)
        for position, item in enumerate(record.objects)
        if item.kind == "instance" and isinstance(item.mask.shape, Cell)
    }
    numbers = {value: owners.get(value, value) for value in file.counts if value not in (0, file.void)}
    if number in numbers.values():
        return None
    moved = {value: owner - (owner > number) for value, owner in numbers.items()}
    return [] if all(value == new for value, new in moved.items()) else [with_values(file.path, moved)]


def _list_edits(id_: str, objects: list[Element], number: int, reader: VocReader) -> Iterator[Edit]:
    """The edits of class lists that said what the objects implied, and must say what the others imply."""
    category = objects[number - 1].word("name")
    before = _implied(objects, category)
    after = _implied([*objects[: number - 1], *objects[number:]], category)
    if before == after:
        return
    values = {found.name: value for found, value in reader.sets.values.get(id_, ())}
    for line in reader.sets.lines.get(id_, ()):
        found = reader.sets.classes.get(line.list)
        if found is not None and found.category == category and values.get(line.list) == before:
            file = reader.layout.root / SETS / f"{line.list}.txt"
            yield _line_edit(file, line.number, id_, before, after)


def _implied(objects: list[Element], category: str) -> int:
    """What objects imply for the class list of a class."""
    pairs = ((element.word("name"), element.word("difficult") == "1") for element in objects)
    return implied_by(pairs).get(category, -1)


def _line_edit(file: Path, number: int, id_: str, before: int, after: int) -> Edit:
    """The edit that writes another value at the end of a line; one of the usual form stays so."""
    lines = file.read_bytes().split(b"\n")
    start = sum(len(line) + 1 for line in lines[: number - 1])
    said = lines[number - 1].rstrip()
    old = usual(id_, before).encode()
    if said.endswith(old):
        return Edit(file, start + len(said) - len(old), start + len(said), usual(id_, after).encode())
    word = said.split()[-1]
    return Edit(file, start + len(said) - len(word), start + len(said), str(after).encode())

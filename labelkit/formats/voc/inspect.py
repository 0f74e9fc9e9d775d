"""A VOC data set for rules: its annotations, objects, images and PNGs, and its lists.

What the reader refuses whole is looked at piece by piece: an annotation tells its own flaws, and what is
sound in it stands in the table all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from labelkit.errors import FormatError, LabelkitError, RecordError
from labelkit.findings import Finding
from labelkit.formats import Parcel, Part, _files, total_of
from labelkit.formats._inspect import image_file_of, of_image
from labelkit.formats._xml import shared_tree
from labelkit.formats.voc.annotation import suffix_of
from labelkit.formats.voc.edits import edits_of
from labelkit.formats.voc.layout import inside_folder
from labelkit.formats.voc.names import OFFICIAL, native_labelmap
from labelkit.formats.voc.places import locate, number_of
from labelkit.formats.voc.raw_annotation import VocAnnotation
from labelkit.formats.voc.raw_maps import VocMaps, class_map, object_map
from labelkit.formats.voc.raw_set import VocSet
from labelkit.formats.voc.read import VocReader, object_of
from labelkit.model import BoundingBox, Category, Cell, Header, Image, Object, Record
from labelkit.table import ImageRow, Table, image_row, table_of

Parts = Mapping[str, frozenset[str]]  # the parts that objects of a class may have


def inspect(
    path: Path, *, images_dir: Path | None = None, base: Literal["auto", "1", "0"] = "auto"
) -> Iterator[object]:
    """All that a VOC data set is made of."""
    try:
        reader = _officially_numbered(VocReader(path, images_dir, base))
    except FormatError as error:
        yield error
        return
    parts = reader.parts()
    yield from total_of(parts)
    yield from reader.facts.broken
    yield reader.header
    yield Parcel(_whole, (reader,))
    for part in parts:
        yield Parcel(_part, (reader, part))


def _officially_numbered(reader: VocReader) -> VocReader:
    """The reader with VOC's own 20 classes, where the PNGs have indices that only these explain.

    Without labelmap.txt one misspelt name makes all names of the set the class list, and so another class of
    every index. Then the name is wrong, and not all the PNGs.
    """
    names = {category.name for category in reader.header.categories}
    official = names.intersection(OFFICIAL)
    has_labelmap = native_labelmap(reader.header) is not None
    if has_labelmap or len(official) == len(names) or 2 * len(official) < len(names):
        return reader
    for id_ in sorted(reader.stems):
        file = class_map(reader, id_, ImageRow(id_, None, None))
        labels = file.labels if file is not None else None
        if labels is not None and ((labels > len(names)) & (labels <= len(OFFICIAL))).any():
            header = Header(categories=tuple(Category(name=name) for name in OFFICIAL), raw=reader.header.raw)
            return VocReader(
                reader.path, reader.images_dir, reader.base, replace(reader.facts, header=header)
            )
    return reader


def _whole(reader: VocReader) -> Iterator[object]:
    yield VocSet(reader)


def _part(reader: VocReader, part: Part) -> Iterator[object]:
    if part.start == 0:
        yield from reader.sets.strays
    parts = _allowed_parts(reader.header)
    records = []
    for id_ in part.key:
        if reader.is_unfounded(id_):  # a rule over the lists tells it
            if id_ in reader.sets.faults:
                yield reader.sets.faults[id_]
            continue
        record, items = _image(reader, id_, parts)
        records.append(record)
        yield from items
    yield _table(reader, records)


def _allowed_parts(header: Header) -> Parts | None:
    """The parts that a labelmap.txt names for its classes, where there is one."""
    native = native_labelmap(header)
    if native is None:
        return None
    names = {entry.name: entry.rest.partition(":")[0].split(",") for entry in native[1]}
    return {name: frozenset(part.strip() for part in parts if part.strip()) for name, parts in names.items()}


def _table(reader: VocReader, records: list[Record]) -> Table:
    folder = _files.relative(reader.layout.annotations, reader.path)
    folder = "" if folder == "." else f"{folder}/"
    table = table_of(records, partial(locate, folder=folder), partial(edits_of, reader=reader))
    return replace(table, category=[name if name in reader.numbers else None for name in table.category])


def _image(reader: VocReader, id_: str, parts: Parts | None) -> tuple[Record, list[object]]:
    """The record of an image, or what can be saved of it, and all that it is made of."""
    items: list[object] = [item for item in reader.read_one(id_) if not isinstance(item, Finding)]
    record = next((item for item in items if isinstance(item, Record)), None)
    annotation = _annotation(reader, id_, record, parts)
    shown = record
    if shown is None:
        items += _more_errors(reader, id_, {str(item) for item in items})
        shown = _saved(reader, id_, annotation)
        items = [
            of_image(item, shown, reader.path) if isinstance(item, LabelkitError) else item for item in items
        ]
        for suffix in reader.images.suffixes(id_):  # of two images neither is a stranger
            image = shown.image.model_copy(update={"path": id_ + suffix})
            items += image_file_of(reader, shown.model_copy(update={"image": image}), reader.path)
    else:
        items += image_file_of(reader, shown, reader.path)
    if annotation is not None:
        items.append(annotation)
    row = image_row(shown)
    classes, objects = class_map(reader, id_, row), object_map(reader, id_, row)
    items += [item for item in (classes, objects) if item is not None]
    if classes is not None and objects is not None:
        values = _values(shown)
        items.append(
            VocMaps(
                classes,
                objects,
                categories={value: item.category for value, (_, item) in values.items()},
                count=None if annotation is None else len(annotation.objects),
                moved={value: number for value, (number, _) in values.items() if number != value},
                indices=reader.numbers,
            )
        )
    return shown, items


def _annotation(
    reader: VocReader, id_: str, record: Record | None, parts: Parts | None
) -> VocAnnotation | None:
    """The annotation, where there is one that can be parsed: the reader says why it cannot."""
    try:
        file = inside_folder(reader.layout.annotations, f"{id_}.xml")
        if file is None:
            return None
        data = _files.read_bytes(file)
        root = shared_tree(data)
    except (RecordError, FormatError, ValueError):
        return None
    if root.tag != "annotation":
        return None
    path = record.image.path if record else _path(reader, id_, suffix_of(root.value("filename")))
    name, base = _files.relative(file, reader.path), reader.facts.base
    return VocAnnotation(name, file, id_, path, data, root, base, reader.numbers, parts)


def _path(reader: VocReader, id_: str, suffix: str | None) -> str:
    """The path of an image whose record cannot be read."""
    if reader.images.is_name(id_):
        return id_
    present = reader.images.suffixes(id_)
    return id_ + (suffix if suffix in present else [*present, suffix or ".jpg"][0])


def _more_errors(reader: VocReader, id_: str, told: set[str]) -> Iterator[RecordError | FormatError]:
    """What else is wrong with an image, beside the one thing that its reader stopped at."""
    for look in (reader.annotation, reader.maps):
        try:
            look(id_)
        except (RecordError, FormatError) as error:
            if str(error) not in told:
                yield error
    fault = reader.sets.faults.get(id_)
    if fault is not None and str(fault) not in told:
        yield fault


def _saved(reader: VocReader, id_: str, annotation: VocAnnotation | None) -> Record:
    """What can be saved of a record that cannot be read: its image, and the boxes that are sound."""
    splits = reader.sets.splits(id_)
    if annotation is None:
        return Record(image=Image(path=_path(reader, id_, None)), splits=splits)
    width, height = annotation.size()
    objects: list[Object] = []
    for number, item in annotation.sound_objects():
        made = object_of(item, number, None)
        assert isinstance(made, BoundingBox)
        objects.append(made)
    raw: dict[str, Any] = {"voc": {"xml": annotation.data.decode()}}
    image = Image(path=annotation.image, width=width, height=height)
    return Record(image=image, splits=splits, objects=tuple(objects), raw=raw)


def _values(record: Record) -> dict[int, tuple[int, Object]]:
    """The objects by the value of their pixels, with their numbers; by number where they have none."""
    found: dict[int, tuple[int, Object]] = {}
    for position, item in enumerate(record.objects):
        number = number_of(record, position)
        if item.kind == "box":
            found.setdefault(number, (number, item))
        elif isinstance(item.mask.shape, Cell):
            found[item.mask.shape.value] = (number, item)
    return found

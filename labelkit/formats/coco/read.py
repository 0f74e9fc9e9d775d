"""Reading COCO: a file or a folder of documents, joined by image.

Documents that describe one image are joined by split and file name; every value remembers where it was said
(native.py). Instance and keypoint annotations of equal id, class and box are one object. Annotations that are
no object (captions, keypoints without a box) stay in the raw of their record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from labelkit.errors import FormatError, RecordError, UsageError
from labelkit.findings import Finding
from labelkit.formats import Part
from labelkit.formats._files import brief, inside, safe_path
from labelkit.formats.coco.documents import Index, category_list, json_files, recognise
from labelkit.formats.coco.native import (
    KINDS,
    NAME,
    Annotation,
    CategoryEntry,
    Document,
    Entry,
    ImageEntry,
    Segment,
    annotation_decoder,
    annotation_entry,
    attributes_of,
    box_of,
    category_fields,
    crowd_of,
    is_empty,
    is_key,
    map_values,
    score_of,
)
from labelkit.model import (
    BoundingBox,
    Category,
    Cell,
    Header,
    Image,
    ImageLabel,
    Instance,
    Layer,
    Layers,
    Mask,
    Object,
    PixelMap,
    Png,
    Record,
    SemanticMap,
)
from labelkit.pixels import SIDE_LIMIT

PART = 1000


@dataclass
class Row:
    """One image of the data set: where documents speak of it.

    spots: document, and the position of the image in it. error: why there is no record for it.
    """

    file_name: str
    key: Any
    width: int | None
    height: int | None
    splits: list[str | None]
    spots: list[tuple[int, int]]
    path: str = ""
    prefix: str | None = None
    error: RecordError | None = None


@dataclass
class _Catalogue:
    documents: list[Document]
    indexes: list[Index]
    rows: list[Row]
    names: list[dict[Any, str]]  # per document: category id -> name
    groups: list[Any]  # per document: ordinals and starts, as Index.group gives them
    listed: int  # documents whose images are native entries (results have none)
    notes: list[Finding] = field(default_factory=list)
    categories: tuple[Category, ...] = ()


class CocoReader:
    """An open COCO data set; parts are a thousand images."""

    def __init__(self, path: Path, images_dir: Path | None, gt: Path | None, roles: str | None) -> None:
        self.path = Path(path)
        self.images_dir = images_dir
        self.gt = gt
        self.roles = roles
        catalogue = self._catalogue
        self.notes: Sequence[Finding] = tuple(catalogue.notes)
        raw = {NAME: {"documents": [document.as_json() for document in catalogue.documents]}}
        self.header = Header(categories=catalogue.categories, raw=raw)

    def __getstate__(self) -> dict[str, Any]:
        lazy = ("_catalogue", "_values", "_folders")
        return {key: value for key, value in self.__dict__.items() if key not in lazy}

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        if self.path.is_dir():
            return self.path
        return self.path.parent.parent if self.path.parent.name == "annotations" else self.path.parent

    @cached_property
    def _catalogue(self) -> _Catalogue:
        return _catalogue(self)

    @cached_property
    def _values(self) -> dict[str, int]:
        return map_values(self.header.categories)

    def parts(self) -> list[Part]:
        count = max(len(self._catalogue.rows), 1)
        return [
            Part((start, start + PART), start, min(PART, count - start)) for start in range(0, count, PART)
        ]

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        catalogue = self._catalogue
        first, last = part.key
        for row in catalogue.rows[first:last]:
            if row.error is not None:
                yield row.error
            else:
                yield from _read_row(self, catalogue, row)
        if last >= len(catalogue.rows):
            yield from _orphans(catalogue)

    def image_file(self, record: Record) -> Path | None:
        raw = record.raw.get(NAME)
        prefix = raw.get("prefix") if isinstance(raw, dict) else None
        return self.find(record.image.path, record.splits or (None,), prefix)

    def find(self, path: str, splits: Sequence[str | None], prefix: str | None = None) -> Path | None:
        """Where an image lies. Raises ValueError where a link leads out of its folder."""
        names = [path]
        if prefix is not None and path.startswith(f"{prefix}/"):
            names = [path[len(prefix) + 1 :], path]
        for name in names:
            for split in splits:
                for folder in self._image_folders(split):
                    if found := inside(folder, name):
                        return found
        return None

    def _image_folders(self, split: str | None) -> list[Path]:
        known: dict[str | None, list[Path]] = self.__dict__.setdefault("_folders", {})
        if split not in known:
            known[split] = [folder for folder in self._possible_folders(split) if folder.is_dir()]
        return known[split]

    def _possible_folders(self, split: str | None) -> Iterator[Path]:
        roots = [self.images_dir] if self.images_dir else [self.root, *([self.gt.parent] if self.gt else [])]
        for root in roots:
            for base in (root, root / "images"):
                if split is not None:
                    yield base / split
                    yield from sorted(base.glob(f"{_escaped(split)}20[0-9][0-9]"))
            yield from (root / "images", root)
        if not self.images_dir:
            yield from dict.fromkeys(index.path.parent for index in self._catalogue.indexes)
            if self.path.is_file():
                yield self.root.parent / "images"

    def png_file(self, index: Index, document: Document, name: str) -> Path | None:
        """Where the PNG of a panoptic annotation lies."""
        beside = index.path.parent
        folders = [beside / index.path.stem, beside, self.root / index.path.stem, self.root]
        if document.split is not None:
            folders += [beside / f"panoptic_{document.split}", self.root / f"panoptic_{document.split}"]
        if self.images_dir:
            folders.append(self.images_dir)
        return next((found for folder in folders if (found := inside(folder, name))), None)


def _escaped(text: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


# --- the catalogue ---------------------------------------------------------------------------------------


def _catalogue(reader: CocoReader) -> _Catalogue:
    found, notes = _documents(reader)
    truth = _truth(reader, [document for document, _ in found])
    if not truth:
        found = [(document, index) for document, index in found if document.role != "results"]
    documents, indexes = [d for d, _ in found], [i for _, i in found]
    catalogue = _Catalogue(documents, indexes, [], [], [], 0 if truth else len(documents), notes)
    reader.__dict__["_catalogue"] = catalogue  # finding images, to tell equal names apart, needs it
    sources = truth or found
    categories, names = _categories([index for _, index in sources], native=not truth)
    catalogue.categories = categories
    catalogue.names = names if not truth else names * len(documents)
    rows = _Rows(reader, catalogue)
    positions = [rows.add(number, document, index) for number, (document, index) in enumerate(sources)]
    rows.name()
    if truth:
        for row in catalogue.rows:
            row.spots = [(number, spot) for number in range(len(documents)) for _, spot in row.spots]
        positions = positions * len(documents)
    catalogue.groups = [index.group(ids) for index, ids in zip(indexes, positions, strict=True)]
    for index in indexes:
        index.forget()
    return catalogue


def _documents(reader: CocoReader) -> tuple[list[tuple[Document, Index]], list[Finding]]:
    files = json_files(reader.path)
    if not files:
        raise FormatError(str(reader.path), "no JSON file", "annotations/*.json, or one JSON file")
    roles = _wanted_roles(reader.roles)
    found, notes = [], []
    for file in files:
        index = Index(file)
        if not index.is_coco:
            if len(files) == 1:
                raise FormatError(str(file), "neither images nor annotations", "a JSON document of COCO")
            notes.append(
                Finding("NOTE01", str(file), "no COCO document (neither images nor annotations), skipped")
            )
            continue
        document = recognise(index, reader.root)
        if roles and document.role not in roles:
            continue
        if document.role == "results" and reader.gt is None:
            if len(files) == 1:
                raise FormatError(
                    str(file),
                    "a list of results, which does not say its images",
                    "the file they were predicted for",
                    "give it with --coco-gt FILE",
                )
            notes.append(
                Finding("NOTE01", str(file), "a list of results, skipped (read it with --coco-gt FILE)")
            )
            continue
        if document.role != "results" and reader.gt is not None:
            if len(files) == 1:
                raise UsageError("--coco-gt", f"{file} is no list of results", "a results file to read")
            continue
        found.append((document, index))
    if not found:
        raise FormatError(str(reader.path), "no COCO document", "a JSON file with images and annotations")
    return found, notes


def _wanted_roles(text: str | None) -> set[str]:
    roles = {"keypoints" if role == "person_keypoints" else role for role in (text or "").split(",") if role}
    strange = sorted(roles - set(KINDS))
    if strange:
        raise UsageError("--coco-roles", f"no role {strange[0]!r}", f"some of {', '.join(KINDS)}")
    return roles


def _truth(reader: CocoReader, documents: Sequence[Document]) -> list[tuple[Document, Index]]:
    """The document that results were predicted for, if results are read."""
    if reader.gt is None or not any(document.role == "results" for document in documents):
        return []
    index = Index(Path(reader.gt))
    if not index.is_coco or index.is_results:
        raise FormatError(
            str(reader.gt), "no COCO document with images", "the file that results were predicted for"
        )
    return [(recognise(index, Path(reader.gt).parent), index)]


def _categories(
    indexes: Sequence[Index], *, native: bool
) -> tuple[tuple[Category, ...], list[dict[Any, str]]]:
    said: dict[str, list[CategoryEntry]] = {}
    entries: dict[str, list[Entry]] = {}
    names: list[dict[Any, str]] = []
    for number, index in enumerate(indexes):
        names.append({})
        for ordinal, (entry, text) in enumerate(category_list(index, index.categories)):
            names[-1][entry.id] = entry.name
            said.setdefault(entry.name, []).append(entry)
            entries.setdefault(entry.name, []).append([number, ordinal, text])
    categories = tuple(
        Category(
            name=name,
            **category_fields(known),
            raw={NAME: {"id": known[0].id, "entries": entries[name] if native else []}},
        )
        for name, known in said.items()
    )
    return categories, names


class _Rows:
    """Joins the images of documents to rows."""

    def __init__(self, reader: CocoReader, catalogue: _Catalogue) -> None:
        self.reader = reader
        self.rows = catalogue.rows
        self.documents = catalogue.documents
        self.by_name: dict[str, list[Row]] = {}

    def add(self, number: int, document: Document, index: Index) -> dict[Any, int]:
        """Add a document's images. Returns: the position of every image id in the document.

        Raises FormatError where two images have one id.
        """
        positions: dict[Any, int] = {}
        for spot, entry in enumerate(index.image_entries):
            place = f"{index.path}:images[{spot}]"
            if entry is not None and is_key(entry.id):
                if entry.id in positions:
                    raise FormatError(
                        place,
                        f"image id {entry.id!r} once more (as in images[{positions[entry.id]}])",
                        "ids once each",
                    )
                positions[entry.id] = spot
            try:
                row = _row(entry, document.split, (number, spot))
                self._join(row, index)
            except ValueError as error:
                found, expected = (*error.args, "")[:2]
                self._refuse(RecordError(place, found, expected), (number, spot))
        return positions

    def _refuse(self, error: RecordError, spot: tuple[int, int]) -> None:
        self.rows.append(Row("", None, None, None, [], [spot], error=error))

    def _join(self, new: Row, index: Index) -> None:
        known = self.by_name.setdefault(new.file_name, [])
        for row in known:
            if new.splits[0] in row.splits:
                return self._merge(row, new, index)
        for row in known:
            if self._same_image(row, new):
                return self._merge(row, new, index)
        known.append(new)
        self.rows.append(new)
        return None

    def _same_image(self, row: Row, new: Row) -> bool:
        a = self.reader.find(row.file_name, row.splits)
        b = self.reader.find(new.file_name, new.splits)
        if a is not None and b is not None:
            return a.resolve() == b.resolve()
        return (row.key, row.width, row.height) == (new.key, new.width, new.height)

    def _merge(self, row: Row, new: Row, index: Index) -> None:
        document, other = new.spots[0][0], self.documents[row.spots[0][0]].name
        if any(number == document for number, _ in row.spots):
            raise ValueError(f"file name {new.file_name!r} twice", "file names once each")
        if new.key != row.key and new.splits[0] in row.splits:
            raise ValueError(f"{new.file_name!r} has id {new.key!r}", f"id {row.key!r}, as in {other}")
        for mine, theirs, word in ((new.width, row.width, "width"), (new.height, row.height, "height")):
            if mine is not None and theirs is not None and mine != theirs:
                raise ValueError(f"{new.file_name!r} has {word} {mine}", f"{word} {theirs}, as in {other}")
        row.width, row.height = row.width or new.width, row.height or new.height
        row.spots += new.spots
        row.splits += [split for split in new.splits if split not in row.splits]

    def name(self) -> None:
        """Give every row its path; different images of one name get their split before it."""
        taken: set[str] = set()
        for row in self.rows:
            if row.error is not None:
                continue
            split = row.splits[0]
            if len(self.by_name[row.file_name]) > 1 and split is not None:
                row.prefix = split
            row.path = f"{row.prefix}/{row.file_name}" if row.prefix is not None else row.file_name
            if row.path in taken:
                place = f"{self.documents[row.spots[0][0]].name}:images[{row.spots[0][1]}]"
                row.error = RecordError(place, f"{row.path!r} is another image's path too", "paths once each")
            taken.add(row.path)


def _row(entry: ImageEntry | None, split: str | None, spot: tuple[int, int]) -> Row:
    if entry is None:
        raise ValueError("no JSON object, or a number out of range", "an image with id and file_name")
    if not is_key(entry.id):
        raise ValueError(f"id {entry.id!r}", "a number or a text")
    if not isinstance(entry.file_name, str):
        raise ValueError(f"file_name {entry.file_name!r}", "a text")
    safe_path(entry.file_name)
    if split is not None:
        safe_path(f"{split}/{entry.file_name}")
    width, height = _size(entry.width, "width"), _size(entry.height, "height")
    return Row(entry.file_name, entry.id, width, height, [split], [spot])


def _size(value: Any, key: str) -> int | None:
    if value is None:
        return None
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if 1 <= number < SIDE_LIMIT and number == int(number):
        return int(number)
    raise ValueError(f"{key} {brief(value)}", "a whole number of pixels, at least 1")


def _orphans(catalogue: _Catalogue) -> Iterator[RecordError]:
    """Annotations of images that are not there."""
    for index, (order, starts) in zip(catalogue.indexes, catalogue.groups, strict=True):
        for ordinal in order[starts[-2] :]:
            try:
                key = msgspec.json.decode(index.annotations[ordinal], type=Annotation).image_id
                found = f"image_id {key!r} is no image" + ("" if index.is_results else " of this document")
                yield RecordError(index.place(int(ordinal)), found, "the id of an image")
            except msgspec.DecodeError as error:
                yield RecordError(index.place(int(ordinal)), str(error), "an annotation")


# --- one record --------------------------------------------------------------------------------------------


@dataclass
class _Scene:
    """What is gathered of one image."""

    row: Row
    objects: list[Object] = field(default_factory=list)
    labels: list[ImageLabel] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    stuff: dict[int, str] = field(default_factory=dict)
    stuff_entries: list[list[Entry]] = field(default_factory=list)
    panoptic: SemanticMap | None = None
    segments: list[Object] = field(default_factory=list)
    others: list[Entry] = field(default_factory=list)
    joinable: dict[Any, list[int]] = field(default_factory=dict)


def _read_row(
    reader: CocoReader, catalogue: _Catalogue, row: Row
) -> Iterator[Record | RecordError | Finding]:
    scene = _Scene(row)
    errors = 0
    for number, spot in row.spots:
        index = catalogue.indexes[number]
        order, starts = catalogue.groups[number]
        for ordinal in order[starts[spot] : starts[spot + 1]].tolist():
            yield from _id_oddities(index, ordinal, row)
            try:
                _add(reader, catalogue, scene, number, ordinal)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                errors += 1
                yield RecordError(index.place(ordinal), f"{first['loc'][0]}: {first['msg'].lower()}")
            except (ValueError, TypeError) as error:
                found, expected = (*error.args, "", "")[:2]
                errors += 1
                yield RecordError(index.place(ordinal), str(found), str(expected))
    if not errors:
        yield _record(reader, catalogue, scene)


def _id_oddities(index: Index, ordinal: int, row: Row) -> Iterator[Finding]:
    key = index.annotation_ids[ordinal]
    if key == 0 and not isinstance(key, str):
        message = "annotation id 0, which COCO's evaluation scores as unmatched"
        yield Finding("ODD005", f"{row.path}:annotations[{ordinal}]", message)
    if ordinal in index.repeated:
        yield Finding("ODD004", f"{row.path}:annotations[{ordinal}]", f"annotation id {key!r} once more")


def _add(reader: CocoReader, catalogue: _Catalogue, scene: _Scene, number: int, ordinal: int) -> None:
    """Add an annotation to its scene. Raises ValueError(found, expected)."""
    raw = catalogue.indexes[number].annotations[ordinal]
    data = bytes(raw)
    said = annotation_decoder.decode(raw)
    document = catalogue.documents[number]
    if len(said.segments_info):
        _add_panoptic(reader, catalogue, scene, number, ordinal, said, data)
    elif not len(said.bbox) and not len(said.segmentation) and (len(said.caption) or len(said.keypoints)):
        scene.others.append([number, ordinal, data.decode()])
    else:
        name = catalogue.names[number].get(said.category_id) if is_key(said.category_id) else None
        if name is None:
            raise ValueError(
                f"category_id {said.category_id!r} is no category", "the id of a category of this document"
            )
        entry = annotation_entry(number, ordinal, data, said.segmentation)
        if not len(said.bbox) and not len(said.segmentation):
            label = ImageLabel(category=name, score=score_of(said.score), raw={NAME: [entry]})
            _add_label(scene, label)
        elif document.role == "stuff" and not is_empty(said.segmentation):
            _add_stuff(reader, scene, name, said, entry)
        else:
            _add_object(scene, _object(name, said, entry), said, entry)


def _object(name: str, said: Annotation, entry: Entry) -> Object:
    fields: dict[str, Any] = {
        "category": name,
        "crowd": crowd_of(said.iscrowd),
        "score": score_of(said.score),
        "attributes": attributes_of(said.attributes),
        "raw": {NAME: [entry]},
    }
    try:
        box = box_of(said.bbox)
    except ValueError as error:
        raise ValueError(str(error), "four finite numbers [x, y, w, h]") from None
    if not is_empty(said.segmentation):
        return Instance(mask=_mask(said), box=box, **fields)
    if box is None:
        raise ValueError("neither bbox nor segmentation", "at least one of them")
    return BoundingBox(box=box, **fields)


def _mask(said: Annotation) -> Mask:
    text = bytes(said.segmentation)
    if text[:1] not in b"[{" or (text[:1] == b"{" and b'"counts"' not in text):
        shown = text.decode("utf-8", "replace")
        raise ValueError(f"segmentation {shown[:60]}", "a list of polygons, or an RLE with size and counts")
    return Mask(text)


def _add_object(scene: _Scene, item: Object, said: Annotation, entry: Entry) -> None:
    """Add an object, or join it with the same one of an earlier document."""
    key = (said.id, item.category, item.box) if is_key(said.id) else None
    for position in scene.joinable.get(key, []):
        known = scene.objects[position]
        entries = known.raw[NAME]
        if all(other[0] != entry[0] for other in entries) and _compatible(known, item):
            scene.objects[position] = _joined(known, item, entry)
            return
    scene.objects.append(item)
    if key is not None:
        scene.joinable.setdefault(key, []).append(len(scene.objects) - 1)


def _compatible(known: Object, item: Object) -> bool:
    if known.kind == "instance" and item.kind == "instance":
        return known.mask.text == item.mask.text
    return True


def _joined(known: Object, item: Object, entry: Entry) -> Object:
    fields: dict[str, Any] = {
        name: getattr(known, name) if getattr(known, name) is not None else getattr(item, name)
        for name in ("crowd", "score", "attributes")
    }
    fields["raw"] = {NAME: [*known.raw[NAME], entry]}
    if known.kind == "box" and item.kind == "instance":
        return item.model_copy(update=fields)
    return known.model_copy(update=fields)


def _add_label(scene: _Scene, label: ImageLabel) -> None:
    """Add a label; the same label in the document of another split is one label."""
    (entry,) = label.raw[NAME]
    for position, known in enumerate(scene.labels):
        entries = known.raw[NAME]
        alike = (known.category, known.score) == (label.category, label.score)
        if alike and all(other[0] != entry[0] for other in entries):
            scene.labels[position] = known.model_copy(update={"raw": {NAME: [*entries, entry]}})
            return
    scene.labels.append(label)


def _add_stuff(reader: CocoReader, scene: _Scene, name: str, said: Annotation, entry: Entry) -> None:
    """Add a layer of stuff; the same one in the document of another split is one layer."""
    value = reader._values[name]
    mask = _mask(said)
    for layer, entries in zip(scene.layers, scene.stuff_entries, strict=True):
        alike = layer.value == value and layer.mask.text == mask.text
        if alike and all(other[0] != entry[0] for other in entries):
            entries.append(entry)
            return
    scene.layers.append(Layer(value=value, mask=mask))
    scene.stuff[value] = name
    scene.stuff_entries.append([entry])


def _add_panoptic(
    reader: CocoReader,
    catalogue: _Catalogue,
    scene: _Scene,
    number: int,
    ordinal: int,
    said: Annotation,
    data: bytes,
) -> None:
    entry: Entry = [number, ordinal, data.decode()]
    if scene.panoptic is not None:
        scene.others.append(entry)
        return
    names = catalogue.names[number]
    file_name = msgspec.json.decode(data, type=ImageEntry).file_name
    if not isinstance(file_name, str):
        raise ValueError(f"file_name {file_name!r}", "the name of a PNG")
    png = reader.png_file(catalogue.indexes[number], catalogue.documents[number], safe_path(file_name))
    if png is None:
        folder = catalogue.indexes[number].path.with_suffix("")
        raise ValueError(f"its PNG {file_name} is not there", f"{folder}/{file_name}")
    classes: dict[int, str] = {}
    for segment in msgspec.json.decode(said.segments_info, type=list[Segment]):
        if not is_key(segment.category_id) or segment.category_id not in names:
            raise ValueError(f"segment {segment.id}: category_id {segment.category_id!r} is no category")
        if segment.id in classes or not 0 < segment.id < 2**24:
            raise ValueError(f"segment id {segment.id}", "ids once each, from 1 to 16777215")
        classes[segment.id] = names[segment.category_id]
    scene.panoptic = SemanticMap(
        source=Png(path=str(png.absolute()), encoding="rgb24"), classes=classes, raw={NAME: [entry]}
    )
    scene.segments = segment_objects(scene.panoptic, catalogue.categories)


def segment_objects(panoptic: SemanticMap, categories: Sequence[Category]) -> list[Object]:
    """The things of a panoptic map as objects (all of its segments, where no category says isthing).

    Raises ValueError where a box or iscrowd is malformed.
    """
    known = {category.name: category.thing for category in categories}
    anything = all(thing is None for thing in known.values())
    text = panoptic.raw[NAME][0][2]
    listed = msgspec.json.decode(text, type=Annotation).segments_info
    things = [
        segment
        for segment in msgspec.json.decode(listed, type=list[Segment])
        if (name := panoptic.classes.get(segment.id)) is not None and (anything or known.get(name))
    ]
    return [
        Instance(
            category=panoptic.classes[segment.id],
            mask=Mask.of(Cell("panoptic", segment.id)),
            box=box_of(segment.bbox),
            crowd=crowd_of(segment.iscrowd),
            raw={NAME: {"segment": True}},
        )
        for segment in things
    ]


def _record(reader: CocoReader, catalogue: _Catalogue, scene: _Scene) -> Record | RecordError:
    row = scene.row
    place = f"{catalogue.indexes[row.spots[0][0]].path}:images[{row.spots[0][1]}] ({row.path})"
    try:
        maps: dict[str, PixelMap] = {}
        if scene.layers:
            maps["semantic"] = _stuff_map(scene)
        if scene.panoptic is not None:
            maps["panoptic"] = scene.panoptic
        listed = any(
            catalogue.documents[number].role in ("instances", "keypoints") for number, _ in row.spots
        )
        return Record(
            image=Image(path=row.path, width=row.width, height=row.height),
            splits=tuple(sorted({split for split in row.splits if split is not None})),
            labels=tuple(scene.labels),
            objects=tuple(scene.objects if listed else scene.objects + scene.segments),
            maps=maps,
            raw={NAME: _record_raw(catalogue, scene)},
        )
    except ValueError as error:
        return RecordError(place, str(error))


def _stuff_map(scene: _Scene) -> SemanticMap:
    height, width = scene.row.height, scene.row.width
    if height is None or width is None:
        shape = scene.layers[0].mask.shape
        size = getattr(shape, "size", None)
        if size is None:
            raise ValueError("polygons of stuff, in an image of no size")
        height, width = size
    source = Layers(height=height, width=width, layers=tuple(scene.layers))
    return SemanticMap(source=source, classes=scene.stuff, raw={NAME: {"layers": scene.stuff_entries}})


def _record_raw(catalogue: _Catalogue, scene: _Scene) -> dict[str, Any]:
    row = scene.row
    raw: dict[str, Any] = {"id": row.key}
    if catalogue.listed:
        raw["images"] = [
            [number, spot, bytes(catalogue.indexes[number].images[spot]).decode()]
            for number, spot in row.spots
        ]
    if scene.others:
        raw["annotations"] = scene.others
    if row.prefix is not None:
        raw["prefix"] = row.prefix
    return raw

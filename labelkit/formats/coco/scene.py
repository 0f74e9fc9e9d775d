"""One image: its annotations gathered from all documents, and made a record.

Nothing is merged that a document says twice; what several documents say of one thing is one thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from labelkit.errors import RecordError
from labelkit.findings import Finding
from labelkit.formats.coco.catalogue import Catalogue
from labelkit.formats.coco.index import Index
from labelkit.formats.coco.native import (
    NAME,
    Annotation,
    Entry,
    annotation_decoder,
    annotation_entry,
    attributes_of,
    box_of,
    crowd_of,
    is_empty,
    is_key,
    score_of,
)
from labelkit.formats.coco.panoptic import panoptic_map, png_name, segment_objects
from labelkit.formats.coco.rows import Row
from labelkit.model import (
    BoundingBox,
    Image,
    ImageLabel,
    Instance,
    Layer,
    Layers,
    Mask,
    Object,
    PixelMap,
    Record,
    SemanticMap,
)


def read_row(
    catalogue: Catalogue, values: Mapping[str, int], row: Row
) -> Iterator[Record | RecordError | Finding]:
    """The record of an image, or the errors of its annotations; values: of the classes in a map."""
    scene = _Scene(catalogue, values, row)
    errors = 0
    for number, spot in row.spots:
        index, repeated = catalogue.indexes[number], catalogue.indexes[number].repeated
        for ordinal in catalogue.groups[number].of(spot):
            if ordinal in repeated or not index.annotation_keys.numbers[ordinal]:
                yield from _id_oddities(index, ordinal, row)
            try:
                scene.add(number, ordinal)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                errors += 1
                yield RecordError(index.place(ordinal), f"{first['loc'][0]}: {first['msg'].lower()}")
            except (ValueError, TypeError) as error:
                found, expected = (*error.args, "", "")[:2]
                errors += 1
                yield RecordError(index.place(ordinal), str(found), str(expected))
    if errors:
        return
    try:
        yield scene.record()
    except ValueError as error:
        number, spot = row.spots[0]
        place = f"{catalogue.indexes[number].path}:images[{spot}] ({row.path})"
        yield RecordError(place, str(error))


def _id_oddities(index: Index, ordinal: int, row: Row) -> Iterator[Finding]:
    key = index.annotation_id(ordinal)
    if key == 0:
        message = "annotation id 0, which COCO's evaluation scores as unmatched"
        yield Finding("ODD005", f"{row.path}:annotations[{ordinal}]", message)
    if ordinal in index.repeated:
        yield Finding("ODD004", f"{row.path}:annotations[{ordinal}]", f"annotation id {key!r} once more")


@dataclass
class _Scene:
    """What is gathered of one image."""

    catalogue: Catalogue
    values: Mapping[str, int]
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

    def add(self, number: int, ordinal: int) -> None:
        """Add an annotation of a document. Raises ValueError(found, expected)."""
        raw = self.catalogue.indexes[number].annotations[ordinal]
        data = bytes(raw)
        said = annotation_decoder.decode(raw)
        shapeless = not len(said.bbox) and not len(said.segmentation)
        if len(said.segments_info):
            self._add_panoptic(said, [number, ordinal, data.decode()])
        elif shapeless and (len(said.caption) or len(said.keypoints)):
            self.others.append([number, ordinal, data.decode()])
        else:
            name = self._category(number, said)
            entry = annotation_entry(number, ordinal, data, said.segmentation)
            if shapeless:
                self._add_label(name, score_of(said.score), entry)
            elif self.catalogue.documents[number].role == "stuff" and not is_empty(said.segmentation):
                self._add_stuff(name, _mask(said), entry)
            else:
                self._add_object(_object(name, said, entry), said, entry)

    def _category(self, number: int, said: Annotation) -> str:
        name = self.catalogue.names[number].get(said.category_id) if is_key(said.category_id) else None
        if name is None:
            raise ValueError(
                f"category_id {said.category_id!r} is no category", "the id of a category of this document"
            )
        return name

    def _add_object(self, item: Object, said: Annotation, entry: Entry) -> None:
        """Add an object, or join it with the same one of an earlier document."""
        key = (said.id, item.category, item.box) if is_key(said.id) else None
        for position in self.joinable.get(key, []):
            known = self.objects[position]
            if _from_elsewhere(known.raw[NAME], entry) and _compatible(known, item):
                self.objects[position] = _joined(known, item, entry)
                return
        self.objects.append(item)
        if key is not None:
            self.joinable.setdefault(key, []).append(len(self.objects) - 1)

    def _add_label(self, name: str, score: float | None, entry: Entry) -> None:
        """Add a label; the same label in the document of another split is one label."""
        for position, known in enumerate(self.labels):
            entries = known.raw[NAME]
            if (known.category, known.score) == (name, score) and _from_elsewhere(entries, entry):
                self.labels[position] = known.model_copy(update={"raw": {NAME: [*entries, entry]}})
                return
        self.labels.append(ImageLabel(category=name, score=score, raw={NAME: [entry]}))

    def _add_stuff(self, name: str, mask: Mask, entry: Entry) -> None:
        """Add a layer of stuff; the same one in the document of another split is one layer."""
        value = self.values[name]
        for layer, entries in zip(self.layers, self.stuff_entries, strict=True):
            alike = layer.value == value and layer.mask.text == mask.text
            if alike and _from_elsewhere(entries, entry):
                entries.append(entry)
                return
        self.layers.append(Layer(value=value, mask=mask))
        self.stuff[value] = name
        self.stuff_entries.append([entry])

    def _add_panoptic(self, said: Annotation, entry: Entry) -> None:
        """Add the panoptic map; a second one stays text."""
        if self.panoptic is not None:
            self.others.append(entry)
            return
        catalogue, number = self.catalogue, entry[0]
        name, file = png_name(entry[2].encode()), catalogue.indexes[number].path
        png = catalogue.places.png(file, catalogue.documents[number], name)
        if png is None:
            raise ValueError(f"its PNG {name} is not there", f"{file.with_suffix('')}/{name}")
        self.panoptic = panoptic_map(entry, said, png, catalogue.names[number])
        self.segments = segment_objects(self.panoptic, catalogue.categories)

    def record(self) -> Record:
        """The record of the image. Raises ValueError where there can be none."""
        row, documents = self.row, self.catalogue.documents
        maps: dict[str, PixelMap] = {}
        if self.layers:
            maps["semantic"] = self._stuff_map()
        if self.panoptic is not None:
            maps["panoptic"] = self.panoptic
        listed = any(documents[number].role in ("instances", "keypoints") for number, _ in row.spots)
        return Record(
            image=Image(path=row.path, width=row.width, height=row.height),
            splits=tuple(sorted({split for split in row.splits if split is not None})),
            labels=tuple(self.labels),
            objects=tuple(self.objects if listed else self.objects + self.segments),
            maps=maps,
            raw={NAME: self._raw()},
        )

    def _stuff_map(self) -> SemanticMap:
        height, width = self.row.height, self.row.width
        if height is None or width is None:
            size = getattr(self.layers[0].mask.shape, "size", None)
            if size is None:
                raise ValueError("polygons of stuff, in an image of no size")
            height, width = size
        source = Layers(height=height, width=width, layers=tuple(self.layers))
        return SemanticMap(source=source, classes=self.stuff, raw={NAME: {"layers": self.stuff_entries}})

    def _raw(self) -> dict[str, Any]:
        row = self.row
        raw: dict[str, Any] = {"id": row.key}
        if self.catalogue.lists_images:
            indexes = self.catalogue.indexes
            raw["images"] = [
                [number, spot, bytes(indexes[number].images[spot]).decode()] for number, spot in row.spots
            ]
        if self.others:
            raw["annotations"] = self.others
        if row.prefix is not None:
            raw["prefix"] = row.prefix
        return raw


# --- objects ---------------------------------------------------------------------------------------------


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
        return Instance.trusted({"mask": _mask(said), "box": box, **fields})
    if box is None:
        raise ValueError("neither bbox nor segmentation", "at least one of them")
    return BoundingBox.trusted({"box": box, **fields})


def _mask(said: Annotation) -> Mask:
    text = bytes(said.segmentation)
    if text[:1] not in b"[{" or (text[:1] == b"{" and b'"counts"' not in text):
        shown = text.decode("utf-8", "replace")
        raise ValueError(f"segmentation {shown[:60]}", "a list of polygons, or an RLE with size and counts")
    return Mask(text)


def _from_elsewhere(entries: list[Entry], entry: Entry) -> bool:
    """Whether a new entry is of a document that none of the known ones is of."""
    return all(known[0] != entry[0] for known in entries)


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

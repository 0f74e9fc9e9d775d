"""One record as texts of a piece: native ones as they stand in their documents, new ones after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from labelkit.errors import FormatError
from labelkit.formats.coco.homes import Homes, Spot
from labelkit.formats.coco.native import (
    NAME,
    annotation_decoder,
    covering,
    entries_of,
    image_decoder,
    layer_entries,
    object_tail,
    patched,
    record_entries,
)
from labelkit.formats.coco.panoptic import is_all_segments, panoptic_text, png_name, write_png
from labelkit.formats.coco.pieces import ANNOTATION, IMAGE, NEW_ANNOTATION, NEW_IMAGE, POOL_IMAGE, Piece
from labelkit.formats.coco.state import annotation_changes, annotation_text, new_annotation
from labelkit.model import Mask, Png, Record, SemanticMap


class RecordWriter:
    """Writes one record into a piece."""

    def __init__(self, homes: Homes, root: Path, piece: Piece, record: Record, number: int) -> None:
        self.homes = homes
        self.root = root
        self.piece = piece
        self.record = record
        self.number = number
        self.splits: list[str | None] = [*record.splits] or [None]
        self.listed: dict[Spot, None] = {}
        self.needed: dict[Spot, None] = {}

    def write(self) -> None:
        record, documents = self.record, self.homes.documents
        images, unlisted = covering(record_entries(record.raw, "images"), documents, record.splits)
        for document, ordinal, text in images:
            self.piece.put(document, IMAGE, ordinal, self._image_text(text), self.number)
            self.listed[document] = None
        others, _ = covering(record_entries(record.raw, "annotations"), documents, record.splits)
        for entry in others:
            self._put_other(entry)
        for item in record.objects if not self._segments_only() else ():
            self._put(item, "instances")
        for label in record.labels:
            self._put(label, "labels")
        semantic = record.maps.get("semantic")
        if isinstance(semantic, SemanticMap):
            self._put_stuff(semantic)
        panoptic = record.maps.get("panoptic")
        if isinstance(panoptic, SemanticMap):
            self._put_panoptic(panoptic)
        self._list_image(unlisted, foreign=not images)

    def _segments_only(self) -> bool:
        """Whether the objects are said by the panoptic map; if they are not, a list of objects says so."""
        panoptic = self.record.maps.get("panoptic")
        if not isinstance(panoptic, SemanticMap) or not entries_of(panoptic.raw):
            return False
        if is_all_segments(self.record, panoptic, self.homes.header):
            return True
        for split in self.splits:
            self.needed[self.homes.spot("instances", split)] = None
        return False

    def _image_text(self, text: str) -> str:
        image, said = self.record.image, image_decoder.decode(text.encode())
        raw = self.record.raw[NAME]
        prefix = raw.get("prefix")
        changes: dict[str, bytes | None] = {}
        if image.path not in (said.file_name, f"{prefix}/{said.file_name}" if prefix else None):
            changes["file_name"] = msgspec.json.encode(image.path)
        natives = [
            image_decoder.decode(entry[2].encode()) for entry in record_entries(self.record.raw, "images")
        ]
        for key, value in (("width", image.width), ("height", image.height)):
            if next((n for entry in natives if (n := getattr(entry, key)) is not None), None) != value:
                changes[key] = msgspec.json.encode(value) if value is not None else None
        return patched(text, changes) if changes else text

    def _list_image(self, unlisted: Sequence[str | None], *, foreign: bool) -> None:
        image = self.record.image
        values: dict[str, Any] = {"file_name": image.path, "width": image.width, "height": image.height}
        text = object_tail({key: value for key, value in values.items() if value is not None})
        for split in unlisted:
            if not any(self.homes.split_of(spot) == split for spot in self.needed):
                self.needed[self.homes.spot("instances", split)] = None
        for spot in self.needed:
            if spot not in self.listed and not self.homes.is_results(spot):
                self.piece.put(spot, NEW_IMAGE, 0, text, self.number)
        if foreign:
            for split in self.splits:
                self.piece.put(("", split), POOL_IMAGE, 0, text, self.number)

    def _put_other(self, entry: list[Any]) -> None:
        text = str(entry[2])
        said = annotation_decoder.decode(text.encode())
        wanted = said.category_id is None or len(said.segments_info)
        if wanted or self.homes.has_category_id(entry[0], said.category_id):
            self._put_text(entry, text, said.id)

    def _put_text(self, entry: list[Any], text: str, key: Any) -> None:
        if isinstance(key, int | float):
            self.piece.summary.highest = max(self.piece.summary.highest, int(key))
        self.piece.put(entry[0], ANNOTATION, entry[1], text, self.number)

    def _put(self, item: Any, role: str) -> None:
        """Write an object, a label or a layer: as it stands in its documents, or as a new annotation."""
        kept, missing = covering(entries_of(item.raw), self.homes.documents, self.record.splits)
        if kept:
            changes = annotation_changes(item, kept)
            for entry in kept:
                category_id = self._used_id(entry[0], item.category)
                change = changes[entry[0], entry[1]]
                key, text = annotation_text(item, entry, change, category_id, self.record)
                self._put_text(entry, text, key)
        if missing:
            self._put_new(item, role, missing)

    def _put_new(self, item: Any, role: str, splits: Sequence[str | None]) -> None:
        serial = self.piece.serial(role)
        written: dict[Spot, None] = {}
        for split in splits:
            spot = self.homes.spot(role, split)
            if spot in written:
                continue
            written[spot] = self.needed[spot] = None
            if isinstance(spot, int):
                self.piece.used[spot, item.category] = None
            key = self.homes.category_id(spot, item.category)
            values = new_annotation(item, key, self.record, results=self.homes.is_results(spot))
            self.piece.put(spot, NEW_ANNOTATION, serial, object_tail(values), self.number)

    def _put_stuff(self, item: SemanticMap) -> None:
        source = item.source
        if isinstance(source, Png):
            raise FormatError(self.record.image.path, "a semantic map that was not fitted to COCO")
        entries = layer_entries(item.raw)
        parallel = len(entries) == len(source.layers)
        for position, layer in enumerate(source.layers):
            name = item.classes.get(layer.value)
            if name is not None:
                raw = {NAME: entries[position]} if parallel else {}
                self._put(_Stuff(name, layer.mask, raw, (source.height, source.width)), "stuff")

    def _put_panoptic(self, item: SemanticMap) -> None:
        kept, _ = covering(entries_of(item.raw), self.homes.documents, self.record.splits)
        for document, ordinal, native in kept:
            text, whole = panoptic_text(str(native), item, partial(self._used_id, document))
            folder = (self.root / self.homes.documents[document].name).with_suffix("")
            write_png(item, folder / png_name(text.encode()), whole=whole)
            self.piece.put(document, ANNOTATION, ordinal, text, self.number)

    def _used_id(self, document: int, name: str) -> Any:
        """The id of a category that an annotation of a document there is mentions."""
        self.piece.used[document, name] = None
        return self.homes.category_id(document, name)


@dataclass(frozen=True)
class _Stuff:
    """A layer of a semantic map as what ``_put`` writes."""

    category: str
    mask: Mask
    raw: dict[str, Any]
    size: tuple[int, int]
    kind: str = "stuff"

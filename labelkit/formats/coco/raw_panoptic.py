"""Panoptic annotations and layers of stuff for rules: what the JSON says of pixels, and where it says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from labelkit.errors import RecordError
from labelkit.findings import Location
from labelkit.formats._files import brief, relative, safe_path
from labelkit.formats._raw import Kind, RawDocument, Told
from labelkit.formats.coco.columns import NOWHERE
from labelkit.formats.coco.flaws import SEGMENT_KEYS, SEGMENT_TYPES, flaws_of
from labelkit.formats.coco.native import annotation_decoder, category_decoder, image_decoder, is_key
from labelkit.formats.coco.panoptic import IDS
from labelkit.formats.coco.places import Places
from labelkit.formats.coco.raw_document import CocoDocument
from labelkit.map_files import MapFile
from labelkit.model import Mask
from labelkit.pixels import Counts, shape_runs
from labelkit.shapes import Shapes, shapes_of
from labelkit.table import ImageRow

_MODES = ("RGB", "RGBA")  # rgb2id of panopticapi takes the first three channels
_FEW = 10  # one in as many layers


@dataclass(frozen=True)
class CategoryKind:
    """A category of a panoptic document. is_thing: None where it does not say."""

    name: str
    is_thing: bool | None


@dataclass(frozen=True)
class RawSegment:
    """An entry of segments_info, as far as it can be read.

    id, area and box are None where they are missing or malformed. kind: of its category, None if unknown.
    """

    at: Location
    id: int | None
    area: float | None
    box: tuple[float, float, float, float] | None
    kind: CategoryKind | None


class PanopticImage(RawDocument):
    """An annotation of a panoptic document: its segments, and the PNG that shows them.

    at: the annotation. png: None where there is none. errors: what is wrong with its file.
    """

    def __init__(self, at: Location, segments: Sequence[RawSegment]) -> None:
        self.at = at
        self.segments = segments
        self.png: MapFile | None = None
        self.errors: list[RecordError] = []
        self.flaws: list[tuple[Kind, Told]] = []

    def told(self, kind: Kind) -> Iterator[Told]:
        """The flaws of its segments, of one kind."""
        for known, flaw in self.flaws:
            if known == kind:
                yield flaw

    @property
    def has_sound_ids(self) -> bool:
        """Whether its segments can be told apart; a record can hold no others."""
        ids = [segment.id for segment in self.segments]
        return all(id_ is not None and 0 < id_ < IDS for id_ in ids) and len(set(ids)) == len(ids)


def panoptic_images(
    document: CocoDocument, places: Places, root: Path
) -> Iterator[tuple[int, PanopticImage]]:
    """The annotations of a panoptic document by their ordinals, as far as they have segments."""
    kinds = _kinds(document)
    for ordinal, raw in enumerate(document.index.annotations):
        try:
            listed = annotation_decoder.decode(raw).segments_info
            entries = msgspec.json.decode(listed, type=list[msgspec.Raw]) if len(listed) else None
        except msgspec.DecodeError:
            continue  # which the document tells
        if entries is None:
            continue
        found: list[tuple[Kind, Told]] = []
        segments = [_segment(document, ordinal, k, entry, kinds, found) for k, entry in enumerate(entries)]
        image = PanopticImage(document.at(ordinal), segments)
        image.flaws = found
        _find_png(image, document, ordinal, places, root)
        yield ordinal, image


def _kinds(document: CocoDocument) -> dict[Any, CategoryKind]:
    kinds: dict[Any, CategoryKind] = {}
    for entry in document.categories:
        if is_key(entry.id):
            said = category_decoder.decode(document.index.categories[entry.ordinal]).isthing
            is_thing = bool(said) if said in (0, 1) else None
            kinds.setdefault(entry.id, CategoryKind(entry.name or "", is_thing))
    return kinds


def _segment(
    document: CocoDocument,
    ordinal: int,
    position: int,
    raw: msgspec.Raw,
    kinds: Mapping[Any, CategoryKind],
    found: list[tuple[Kind, Told]],
) -> RawSegment:
    where = f"segments_info[{position}]"
    at = document.at_inside(ordinal, where, raw)
    try:
        said = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        shown = brief(bytes(raw).decode("utf-8", "replace"))
        found.append(("type", Told(at, f"{shown}; expected an object")))
        return RawSegment(at, None, None, None, None)
    bad = set()
    for flaw in flaws_of(said, SEGMENT_TYPES, *SEGMENT_KEYS):
        bad.add(flaw.key)
        place = document.at_inside(ordinal, f"{where}.{flaw.key}", raw)
        found.append((flaw.kind, Told(place, flaw.message)))
    key = said.get("category_id")
    kind = kinds.get(key) if is_key(key) else None
    if kind is None and "category_id" not in bad:
        place = document.at_inside(ordinal, f"{where}.category_id", raw)
        found.append(
            ("unknown category", Told(place, f"category_id {brief(key)}; expected the id of a category"))
        )
    box = said["bbox"] if "bbox" not in bad else None
    return RawSegment(
        at,
        said["id"] if "id" not in bad else None,
        float(said["area"]) if "area" not in bad else None,
        (float(box[0]), float(box[1]), float(box[2]), float(box[3])) if box is not None else None,
        kind,
    )


def _find_png(image: PanopticImage, document: CocoDocument, ordinal: int, places: Places, root: Path) -> None:
    name = image_decoder.decode(document.index.annotations[ordinal]).file_name
    if not isinstance(name, str) or not name:
        return  # which the document tells
    place = document.at(ordinal, "file_name")
    try:
        file = places.png(document.index.path, document.native, safe_path(name))
    except ValueError as error:
        image.errors.append(RecordError(str(place), str(error), code="STR108", at=place))
        return
    if file is None:
        expected = f"it in {document.index.path.stem}/"
        image.errors.append(RecordError(str(place), f"no PNG {name!r}", expected, code="STR106", at=place))
        return
    spot = document.columns.image[ordinal]
    entry = document.images[spot] if spot != NOWHERE else None
    path = document.path_of(entry) if entry is not None else None
    width, height = (entry.width, entry.height) if entry is not None else (None, None)
    row = ImageRow(path or name, width, height, document.splits)
    image.png = MapFile(row, file, relative(file, root), _MODES)


# --- stuff -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class StuffImage:
    """The layers of stuff of an image. row: the image. at: where each layer stands. masks: their pixels.

    things: the names of categories that are things, by the position of their layer.
    """

    row: ImageRow
    at: Sequence[Location]
    masks: Sequence[Mask]
    things: Mapping[int, str]

    @cached_property
    def shapes(self) -> Shapes:
        """The layers, decoded without their pixels."""
        return shapes_of(self.masks)

    @cached_property
    def runs(self) -> Sequence[Counts | None]:
        """The pixels of each layer; None where it is malformed, or the size of the image is not known."""
        return [self._runs(mask) for mask in self.masks]

    def _runs(self, mask: Mask) -> Counts | None:
        height, width = self.row.height, self.row.width
        if height is None or width is None:
            return None
        try:
            return shape_runs(mask, height, width)
        except ValueError:
            return None


def stuff_images(document: CocoDocument, rows: Sequence[ImageRow]) -> Iterator[StuffImage]:
    """The images of a stuff document that have layers. rows: of its images."""
    kinds, ids = _kinds(document), [entry.id for entry in document.categories]
    layers: dict[int, list[int]] = {}
    for ordinal, spot in enumerate(document.columns.image):
        if spot != NOWHERE:
            layers.setdefault(spot, []).append(ordinal)
    things = _few_things(document, kinds, ids)
    for spot, ordinals in layers.items():
        known = [(ordinal, mask) for ordinal in ordinals if (mask := document.mask(ordinal)) is not None]
        yield StuffImage(
            rows[spot],
            [document.at(ordinal) for ordinal, _ in known],
            [mask for _, mask in known],
            {k: things[ordinal] for k, (ordinal, _) in enumerate(known) if ordinal in things},
        )


def _few_things(
    document: CocoDocument, kinds: Mapping[Any, CategoryKind], ids: Sequence[Any]
) -> dict[int, str]:
    """The layers (by ordinal) whose category is a thing, if these are few: else it is not meant as stuff."""
    things = {}
    for ordinal, category in enumerate(document.columns.category):
        kind = kinds.get(ids[category]) if category != NOWHERE and is_key(ids[category]) else None
        if kind is not None and kind.is_thing:
            things[ordinal] = kind.name
    return things if len(things) * _FEW <= len(document.columns.category) else {}

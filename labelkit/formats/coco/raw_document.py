"""A COCO document for rules: everything in it that can be judged, however broken its neighbours are.

The reader stops at what no record can hold; here each value is judged by itself. One pass reads the columns
of a document; only annotations that are not as nearly all are, are looked at key by key.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from labelkit.findings import Location
from labelkit.formats._files import BOM, brief, repeated_keys
from labelkit.formats._raw import Kind, RawDocument, Told
from labelkit.formats.coco.documents import recognise
from labelkit.formats.coco.flaws import (
    ANNOTATION_KEYS,
    ANNOTATION_TYPES,
    CATEGORY_TYPES,
    IMAGE_TYPES,
    Expected,
    Flaw,
    flaws_of,
    is_box,
    is_flag,
    is_number,
    is_side,
)
from labelkit.formats.coco.index import Index
from labelkit.formats.coco.native import NOTHING, is_key
from labelkit.model import Mask

OBJECT_ROLES = ("instances", "keypoints", "results")  # their annotations are objects
NOWHERE = -1  # the position of an image or a category that is not there
_NAN4 = (np.nan,) * 4


class _Object(msgspec.Struct, gc=False):
    """An annotation that is an object, as nearly all are."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: int
    segmentation: msgspec.Raw = NOTHING


class _Shape(msgspec.Struct, gc=False):
    segmentation: msgspec.Raw = NOTHING


_NO_RINGS = msgspec.Raw(b"[]")
_COLON = b'":'
_SPACES = (b" ", b"\t", b"\n", b"\r")
_SPACED = re.compile(rb'"\s+:')  # a key whose colon stands apart
_USUAL = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation")


class _Usual(msgspec.Struct, gc=False):
    """The keys that nearly all annotations have, and no others."""

    id: msgspec.Raw
    image_id: msgspec.Raw
    category_id: msgspec.Raw
    bbox: msgspec.Raw
    area: msgspec.Raw
    iscrowd: msgspec.Raw
    segmentation: msgspec.Raw


_usual_decoder = msgspec.json.Decoder(_Usual)
_raws_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_object_decoder = msgspec.json.Decoder(_Object)
_shape_decoder = msgspec.json.Decoder(_Shape)
_values_decoder = msgspec.json.Decoder(dict[str, Any])


@dataclass
class Columns:
    """The annotations of a document, one after the other.

    image, category: positions in the document's lists, or NOWHERE. box: four numbers each, NaN where there
    is none. area: NaN where there is none. orphans: annotations whose image_id is no image of the document,
    with that id; classless: the same for category_id. repeated: those whose id an earlier one has.
    zero: those of id 0.
    """

    ids: list[Any] = field(default_factory=list)
    image: array[int] = field(default_factory=lambda: array("q"))
    category: array[int] = field(default_factory=lambda: array("q"))
    box: array[float] = field(default_factory=lambda: array("d"))
    area: array[float] = field(default_factory=lambda: array("d"))
    crowd: array[int] = field(default_factory=lambda: array("b"))
    has_shape: array[int] = field(default_factory=lambda: array("b"))
    orphans: list[tuple[int, Any]] = field(default_factory=list)
    classless: list[tuple[int, Any]] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    zero: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class CocoImage:
    """An entry of images, as far as it can be read. path: as records name it; None without a file name."""

    ordinal: int
    id: Any
    file_name: str | None
    width: int | None
    height: int | None


@dataclass(frozen=True)
class CocoCategory:
    """An entry of categories, as far as it can be read."""

    ordinal: int
    id: Any
    name: str | None


class CocoDocument(RawDocument):
    """One JSON file of a COCO data set.

    name: its path below the data set. truth: the document that lists its images and categories: itself, or
    for results the one that they were predicted for, None if that is not known. prefix: the split, where
    images of several splits are told apart by it. flaws: with what they are flaws of: a list and an ordinal.
    """

    def __init__(self, index: Index, root: Path, truth: CocoDocument | None = None) -> None:
        document = recognise(index, root)
        self.index = index
        self.name = document.name
        self.role = document.role
        self.split = document.split
        self.truth = truth if self.role == "results" else self
        self.prefix: str | None = None
        self.flaws: list[tuple[str, int, Flaw]] = []
        with index.path.open("rb") as stream:
            self.starts_with_bom = stream.read(len(BOM)) == BOM

    @cached_property
    def images(self) -> list[CocoImage]:
        """The images."""
        entries = []
        for ordinal, said in self._entries("images", self.index.images, IMAGE_TYPES, ("id", "file_name")):
            name = said.get("file_name")
            sides = (said.get(key) for key in ("width", "height"))
            width, height = (side if is_side(side) else None for side in sides)
            text = name if isinstance(name, str) and name else None
            entries.append(CocoImage(ordinal, said.get("id"), text, width, height))
        return entries

    @cached_property
    def categories(self) -> list[CocoCategory]:
        """The categories."""
        entries = []
        for ordinal, said in self._entries(
            "categories", self.index.categories, CATEGORY_TYPES, ("id", "name")
        ):
            name = said.get("name")
            entries.append(CocoCategory(ordinal, said.get("id"), name if isinstance(name, str) else None))
        return entries

    def _entries(
        self, name: str, entries: Sequence[msgspec.Raw], types: dict[str, Expected], needed: tuple[str, ...]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        wanted = ("width", "height") if name == "images" else ()
        for ordinal, raw in enumerate(entries):
            said = self._values(name, ordinal, raw)
            if said is not None:
                self.flaws += [(name, ordinal, flaw) for flaw in flaws_of(said, types, needed, wanted)]
                yield ordinal, said

    def _values(self, name: str, ordinal: int, raw: msgspec.Raw) -> dict[str, Any] | None:
        try:
            return _values_decoder.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            found = brief(bytes(raw).decode("utf-8", "replace"))
            self.flaws.append((name, ordinal, Flaw("type", "", f"{found}; expected an object")))
            return None

    @cached_property
    def columns(self) -> Columns:
        """The annotations."""
        columns, seen = Columns(), set()
        images = _positions(self.truth.images if self.truth else ())
        categories = _positions(self.truth.categories if self.truth else ())
        for ordinal, raw in enumerate(self.index.annotations):
            item = self._object(raw, ordinal)
            key, image, category = item.id, item.image_id, item.category_id
            where = images.get(image, NOWHERE) if is_key(image) else NOWHERE
            what = categories.get(category, NOWHERE) if is_key(category) else NOWHERE
            if self.truth and where == NOWHERE and image is not None:
                columns.orphans.append((ordinal, image))
            if self.truth and what == NOWHERE and category is not None:
                columns.classless.append((ordinal, category))
            columns.ids.append(key)
            columns.image.append(where)
            columns.category.append(what)
            columns.box.extend(item.bbox)
            columns.area.append(item.area)
            columns.crowd.append(item.iscrowd)
            columns.has_shape.append(len(item.segmentation) > 0 and item.segmentation != _NO_RINGS)
            if is_key(key):
                if key in seen:
                    columns.repeated.append(ordinal)
                elif key == 0:
                    columns.zero.append(ordinal)
                seen.add(key)
        return columns

    def _object(self, raw: msgspec.Raw, ordinal: int) -> _Object:
        if self.role in ("instances", "keypoints"):
            try:
                item = _object_decoder.decode(raw)
                if item.iscrowd in (0, 1) and (len(item.segmentation) or self.role == "keypoints"):
                    return item
            except msgspec.DecodeError:
                pass
        return self._salvaged(raw, ordinal)

    def _salvaged(self, raw: msgspec.Raw, ordinal: int) -> _Object:
        """What can be used of an annotation; the rest is a flaw."""
        said = self._values("annotations", ordinal, raw)
        if said is None:
            return _Object(None, None, None, _NAN4, np.nan, 0)  # type: ignore[arg-type]
        flaws = list(flaws_of(said, ANNOTATION_TYPES, *ANNOTATION_KEYS[self.role]))
        if self.role in OBJECT_ROLES and not {"bbox", "segmentation", "keypoints"} & said.keys():
            flaws.append(Flaw("missing", "", "neither bbox nor segmentation"))
        self.flaws += [("annotations", ordinal, flaw) for flaw in flaws]
        box, area, crowd = said.get("bbox"), said.get("area"), said.get("iscrowd")
        x, y, w, h = map(float, box) if is_box(box) else _NAN4  # type: ignore[arg-type]
        return _Object(
            said.get("id"),  # type: ignore[arg-type]
            said.get("image_id"),  # type: ignore[arg-type]
            said.get("category_id"),  # type: ignore[arg-type]
            (x, y, w, h),
            float(area) if is_number(area) else np.nan,  # type: ignore[arg-type]
            crowd if is_flag(crowd) else 0,  # type: ignore[arg-type]
            _shape_decoder.decode(raw).segmentation,
        )

    def mask(self, ordinal: int) -> Mask | None:
        """The mask of an annotation, taken from its bytes; None where it has none."""
        if not self.columns.has_shape[ordinal]:
            return None
        return Mask(bytes(_shape_decoder.decode(self.index.annotations[ordinal]).segmentation))

    def told(self, kind: Kind) -> Iterator[Told]:
        """The flaws of one kind; keys that stand twice are looked for only when someone asks."""
        if kind == "repeated key":
            for place, key in self.repeated_keys():
                yield Told(place, f"the key {key!r} twice; expected keys once each")
        elif kind == "repeated image":
            yield from self._repeated_images()
        elif kind == "unknown category":
            for ordinal, key in self.columns.classless:
                text = f"category_id {brief(key)}; expected the id of a category"
                yield Told(self.at(ordinal, "category_id"), text)
        for name, ordinal, flaw in self.flaws:
            if flaw.kind == kind:
                yield Told(self.at_flaw(name, ordinal, flaw), flaw.message)

    def _repeated_images(self) -> Iterator[Told]:
        first: dict[str, int] = {}
        for entry in self.images:
            if entry.file_name is None:
                continue
            if entry.file_name in first:
                text = f"{entry.file_name!r} once more (as images[{first[entry.file_name]}])"
                yield Told(self.at_image(entry, "file_name"), f"{text}; expected each file once")
            first.setdefault(entry.file_name, entry.ordinal)

    def repeated_keys(self) -> Iterator[tuple[Location, str]]:
        """Every key that stands twice in one object, where it stands.

        Decoders keep the last of the two. Counting ``":`` tells objects without such keys from the few that
        must be looked at closely, for a value may hold these two characters too.
        """
        data = self.index.data
        spaced = any(space + b":" in data for space in _SPACES) and _SPACED.search(data) is not None
        if not self.index.is_results:
            top = _raws_decoder.decode(data)
            spans = [(_address(raw) - _address(data), len(raw)) for raw in top.values()]
            inside = sum(data.count(_COLON, start, start + length) for start, length in spans)
            if spaced or data.count(_COLON) - inside != len(top):
                yield from ((Location(self.name), key) for key in repeated_keys(data, outermost=True))
        for name in ("images", "annotations", "categories"):
            for ordinal, raw in enumerate(getattr(self.index, name)):
                if not spaced and _is_plain(raw):
                    continue
                for key in repeated_keys(bytes(raw)):
                    place = Flaw("type", key, "")
                    yield self.at_flaw(name, ordinal, place), key

    def settle(self) -> None:
        """Read everything, so that ``flaws`` is complete."""
        _ = self.images, self.categories, self.columns

    # --- places ------------------------------------------------------------------------------------------

    def at(self, ordinal: int, key: str = "") -> Location:
        """Where an annotation stands, or one of its keys."""
        columns = self.columns
        image = columns.image[ordinal]
        x, y, w, h = columns.box[4 * ordinal : 4 * ordinal + 4]
        return Location(
            self.name,
            offset=self._offset(self.index.annotations[ordinal]),
            element=_element("annotations", ordinal, key),
            image=self.path_of(self.truth.images[image]) if self.truth and image != NOWHERE else None,
            id=_id(columns.ids[ordinal]),
            box=None if x != x else (x, y, w, h),
        )

    def at_image(self, entry: CocoImage, key: str = "") -> Location:
        """Where an image's entry stands, or one of its keys."""
        return Location(
            self.name,
            offset=self._offset(self.index.images[entry.ordinal]),
            element=_element("images", entry.ordinal, key),
            image=self.path_of(entry),
            id=_id(entry.id),
        )

    def at_category(self, entry: CocoCategory, key: str = "") -> Location:
        """Where a category's entry stands, or one of its keys."""
        return Location(
            self.name,
            offset=self._offset(self.index.categories[entry.ordinal]),
            element=_element("categories", entry.ordinal, key),
            id=_id(entry.id),
        )

    def at_flaw(self, name: str, ordinal: int, flaw: Flaw) -> Location:
        """Where a flaw stands."""
        if name == "annotations":
            return self.at(ordinal, flaw.key)
        entries = self.index.images if name == "images" else self.index.categories
        return Location(
            self.name, offset=self._offset(entries[ordinal]), element=_element(name, ordinal, flaw.key)
        )

    def path_of(self, entry: CocoImage) -> str | None:
        """The path of an image as records name it."""
        prefix = (self.truth or self).prefix
        if entry.file_name is None or not prefix or entry.file_name.startswith(f"{prefix}/"):
            return entry.file_name
        return f"{prefix}/{entry.file_name}"

    def _offset(self, raw: msgspec.Raw) -> int | None:
        """The byte of the file at which a piece of it starts."""
        start = _address(raw) - _address(self.index.data)
        return start + len(BOM) * self.starts_with_bom if 0 <= start < len(self.index.data) else None


def _is_plain(raw: msgspec.Raw) -> bool:
    """Whether an object has as many keys as it has colons after quotes, so that none stands twice."""
    colons = bytes(raw).count(_COLON)
    if colons == len(_USUAL):
        try:
            _usual_decoder.decode(raw)
            return True
        except msgspec.DecodeError:
            pass
    try:
        return colons == len(_raws_decoder.decode(raw))
    except msgspec.DecodeError:
        return True  # no object, which is told as such


def _positions(entries: Sequence[CocoImage | CocoCategory]) -> dict[Any, int]:
    return {entry.id: position for position, entry in enumerate(entries) if is_key(entry.id)}


def _element(name: str, ordinal: int, key: str) -> str:
    return f"{name}[{ordinal}].{key}" if key else f"{name}[{ordinal}]"


def _id(value: Any) -> int | str | None:
    return value if isinstance(value, int | str) else None


def _address(data: bytes | msgspec.Raw) -> int:
    address: int = np.frombuffer(data, dtype=np.uint8).__array_interface__["data"][0]
    return address


@dataclass(frozen=True)
class CocoSet:
    """All documents of a data set, for what only several of them show."""

    documents: Sequence[CocoDocument]

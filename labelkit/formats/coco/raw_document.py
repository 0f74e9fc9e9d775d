"""A COCO document for rules: everything in it that can be judged, however broken its neighbours are.

The reader stops at what no record can hold; here each value is judged by itself. One pass reads the columns
of a document; only annotations that are not as nearly all are, are looked at key by key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from labelkit.findings import Location
from labelkit.formats._files import brief
from labelkit.formats._json import repeated_keys
from labelkit.formats._raw import Kind, RawDocument, Told, unmarked
from labelkit.formats.coco.columns import NOWHERE, Columns, Placed, columns_of, segmentation_of, values_of
from labelkit.formats.coco.documents import recognise
from labelkit.formats.coco.flaws import CATEGORY_TYPES, IMAGE_TYPES, Expected, Flaw, flaws_of, is_side
from labelkit.formats.coco.index import LISTS, Index
from labelkit.formats.coco.mends import mended, removed
from labelkit.formats.coco.native import is_key
from labelkit.formats.coco.repeats import colons, is_plain
from labelkit.model import Mask
from labelkit.pixels import SIDE_LIMIT

_Side = Annotated[int, msgspec.Meta(gt=0, lt=SIDE_LIMIT)]


class _UsualImage(msgspec.Struct, gc=False):
    """An image, as nearly all are."""

    id: int
    file_name: Annotated[str, msgspec.Meta(min_length=1)]
    width: _Side
    height: _Side


_image_decoder = msgspec.json.Decoder(_UsualImage)


class CocoImage(NamedTuple):
    """An entry of images, as far as it can be read. path: as records name it; None without a file name."""

    ordinal: int
    id: Any
    file_name: str | None
    width: int | None
    height: int | None


class CocoCategory(NamedTuple):
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
        self.native = document
        self.index = index
        self.name = document.name
        self.role = document.role
        self.split = document.split
        self.truth = truth if self.role == "results" else self
        self.prefix: str | None = None
        self._flaws: list[Placed] = []

    @property
    def starts_with_bom(self) -> bool:
        """Whether the file has a byte order mark."""
        return self.index.starts_with_bom

    @property
    def splits(self) -> tuple[str, ...]:
        """The split of its images, or none."""
        return (self.split,) if self.split else ()

    @property
    def flaws(self) -> Sequence[Placed]:
        """What is wrong with which entry: a list, an ordinal, a flaw."""
        _ = self.images, self.categories
        return [*self._flaws, *self.columns.flaws]

    @cached_property
    def images(self) -> list[CocoImage]:
        """The images."""
        entries = (self._image(ordinal, raw) for ordinal, raw in enumerate(self.index.images))
        return [entry for entry in entries if entry is not None]

    def _image(self, ordinal: int, raw: memoryview) -> CocoImage | None:
        try:
            usual = _image_decoder.decode(raw)
            return CocoImage(ordinal, usual.id, usual.file_name, usual.width, usual.height)
        except msgspec.DecodeError:
            said = self._said("images", ordinal, raw, IMAGE_TYPES, ("id", "file_name"), ("width", "height"))
        if said is None:
            return None
        name = said.get("file_name")
        text = name if isinstance(name, str) and name else None
        width, height = (side if is_side(side) else None for side in map(said.get, ("width", "height")))
        return CocoImage(ordinal, said.get("id"), text, width, height)

    @cached_property
    def categories(self) -> list[CocoCategory]:
        """The categories."""
        entries, wanted = [], ("isthing",) if self.role == "panoptic" else ()
        for ordinal, raw in enumerate(self.index.categories):
            said = self._said("categories", ordinal, raw, CATEGORY_TYPES, ("id", "name"), wanted)
            if said is not None:
                name = said.get("name")
                entries.append(CocoCategory(ordinal, said.get("id"), name if isinstance(name, str) else None))
        return entries

    def _said(
        self,
        name: str,
        ordinal: int,
        raw: memoryview | msgspec.Raw,
        types: Mapping[str, Expected],
        needed: tuple[str, ...],
        wanted: tuple[str, ...] = (),
    ) -> dict[str, Any] | None:
        """The values of an entry, whose flaws are noted; None where it is no object."""
        said = values_of(raw)
        if isinstance(said, str):
            self._flaws.append((name, ordinal, Flaw("type", "", f"{said}; expected an object")))
            return None
        self._flaws += [(name, ordinal, flaw) for flaw in flaws_of(said, types, needed, wanted)]
        return said

    @cached_property
    def columns(self) -> Columns:
        """The annotations."""
        images = _positions(self.truth.images) if self.truth else None
        categories = _positions(self.truth.categories) if self.truth else None
        return columns_of(self.index.annotations, self.role, images, categories)

    @cached_property
    def highest_id(self) -> int:
        """The highest id of an annotation that is a whole number; 0 where there is none."""
        return max((key for key in self.columns.ids if type(key) is int), default=0)

    def mask(self, ordinal: int) -> Mask | None:
        """The mask of an annotation, taken from its bytes; None where it has none."""
        if not self.columns.has_shape[ordinal]:
            return None
        return Mask(bytes(segmentation_of(self.index.annotations[ordinal])))

    def told(self, kind: Kind) -> Iterator[Told]:
        """The flaws of one kind; keys that stand twice are looked for only when someone asks."""
        if kind == "repeated key":
            for place, key in self.repeated_keys():
                yield Told(place, f"the key {key!r} twice; expected keys once each")
        elif kind == "repeated image":
            yield from self._repeated_images()
        elif kind == "byte order mark" and self.starts_with_bom:
            where = Location(self.name, offset=0)
            yield Told(where, "a byte order mark; expected none", unmarked(self.index.path))
        elif kind == "unknown category":
            for ordinal, key in self.columns.classless:
                text = f"category_id {brief(key)}; expected the id of a category"
                yield Told(self.at(ordinal, "category_id"), text, removed(self, ordinal))
        for name, ordinal, flaw in self.flaws:
            if flaw.kind == kind:
                yield Told(self.at_flaw(name, ordinal, flaw), flaw.message, mended(self, name, ordinal, flaw))

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
        """Every key that stands twice in one object, where it stands."""
        if self.index.has_repeated_keys:
            whole = bytes(self.index.data)
            yield from ((Location(self.name), key) for key in repeated_keys(whole, outermost=True))
        for name in LISTS:
            if name == "annotations" and self._annotations_are_plain():
                continue
            for ordinal, raw in enumerate(getattr(self.index, name)):
                if not is_plain(bytes(raw)):
                    for key in repeated_keys(bytes(raw)):
                        yield self.at_flaw(name, ordinal, Flaw("type", key, "")), key

    def _annotations_are_plain(self) -> bool:
        """Whether all annotations have the usual keys, and together no more colons than these."""
        entries = self.index.annotations
        if not entries or self.columns.unusual:
            return not entries
        start, last = self.index.start(entries[0]), self.index.start(entries[-1])
        return colons(self.index.data, start, last + len(entries[-1])) == self.columns.colons

    # --- places ------------------------------------------------------------------------------------------

    def at(self, ordinal: int, key: str = "") -> Location:
        """Where an annotation stands, or one of its keys."""
        columns = self.columns
        image = columns.image[ordinal]
        x, y, w, h = columns.box[4 * ordinal : 4 * ordinal + 4]
        return Location(
            self.name,
            offset=self.index.offset(self.index.annotations[ordinal]),
            element=_element("annotations", ordinal, key),
            image=self.path_of(self.truth.images[image]) if self.truth and image != NOWHERE else None,
            id=_id(columns.ids[ordinal]),
            box=None if x != x else (x, y, w, h),
        )

    def at_inside(self, ordinal: int, key: str, raw: msgspec.Raw) -> Location:
        """Where a piece of an annotation stands."""
        return replace(self.at(ordinal, key), offset=self.index.offset(raw))

    def at_image(self, entry: CocoImage, key: str = "") -> Location:
        """Where an image's entry stands, or one of its keys."""
        return Location(
            self.name,
            offset=self.index.offset(self.index.images[entry.ordinal]),
            element=_element("images", entry.ordinal, key),
            image=self.path_of(entry),
            id=_id(entry.id),
        )

    def at_category(self, entry: CocoCategory, key: str = "") -> Location:
        """Where a category's entry stands, or one of its keys."""
        return Location(
            self.name,
            offset=self.index.offset(self.index.categories[entry.ordinal]),
            element=_element("categories", entry.ordinal, key),
            id=_id(entry.id),
        )

    def at_flaw(self, name: str, ordinal: int, flaw: Flaw) -> Location:
        """Where a flaw stands."""
        if name == "annotations":
            return self.at(ordinal, flaw.key)
        entries = self.index.images if name == "images" else self.index.categories
        return Location(
            self.name, offset=self.index.offset(entries[ordinal]), element=_element(name, ordinal, flaw.key)
        )

    def path_of(self, entry: CocoImage) -> str | None:
        """The path of an image as records name it."""
        prefix = (self.truth or self).prefix
        if entry.file_name is None or not prefix or entry.file_name.startswith(f"{prefix}/"):
            return entry.file_name
        return f"{prefix}/{entry.file_name}"


def _positions(entries: Sequence[CocoImage | CocoCategory]) -> dict[Any, int]:
    return {entry.id: position for position, entry in enumerate(entries) if is_key(entry.id)}


def _element(name: str, ordinal: int, key: str) -> str:
    return f"{name}[{ordinal}].{key}" if key else f"{name}[{ordinal}]"


def _id(value: Any) -> int | str | None:
    return value if is_key(value) and not isinstance(value, float) else None


@dataclass(frozen=True)
class CocoSet:
    """All documents of a data set, for what only several of them show."""

    documents: Sequence[CocoDocument]

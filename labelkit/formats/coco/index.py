"""One JSON file by the bytes of its images, annotations and categories: it is indexed, not parsed.

An annotation stays the bytes that it is until its image is read. What is known of all annotations is in
columns that lie in files without a name, so that they cost page cache and no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from labelkit.errors import FormatError
from labelkit.formats._files import BOM, map_bytes
from labelkit.formats._json import address, json_fault, refusal_of
from labelkit.formats.coco.keys import SORTED, Column, KeyColumn, Keys, Ordinals, Spots, repeated_ordinals
from labelkit.formats.coco.native import ImageEntry, image_decoder
from labelkit.formats.coco.scan import Elements, windows

LISTS = ("images", "annotations", "categories")


_HEAD = 4096  # bytes in which the first character that is no space must be
_PIECE = 1 << 20  # bytes that are checked at a time
_NO_ASCII = np.uint64(0x8080808080808080)


class _Ids(msgspec.Struct, gc=False):
    id: Any = None
    image_id: Any = None


_ids_decoder = msgspec.json.Decoder(_Ids)


@dataclass(frozen=True)
class Groups:
    """The annotations of every image.

    order: ordinals by image, those of one image in the order of the file. starts: where each image's begin;
    the last group is of annotations that belong to no image.
    """

    order: Ordinals
    starts: Ordinals

    def of(self, spot: int) -> list[int]:
        """The ordinals of the annotations of the image at a position."""
        found: list[int] = self.order[self.starts[spot] : self.starts[spot + 1]].tolist()
        return found

    def orphans(self) -> list[int]:
        """The ordinals of the annotations that belong to no image."""
        return self.of(-2)


class Index:
    """One JSON file by the bytes of its images, annotations and categories. It pickles without these.

    Raises FormatError where the file is no JSON, or not what COCO calls a document.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map()
        self._check_utf8()
        self.is_results = bytes(self.data[:_HEAD]).lstrip()[:1] == b"["
        said = self._results() if self.is_results else self._decode(self.data, dict[str, msgspec.Raw])
        lists = {name: said[name] for name in LISTS if name in said}
        for name, raw in lists.items():
            if bytes(memoryview(raw)[:1]) != b"[":
                self._decode(raw, list[msgspec.Raw], name)  # says what it is
        self._spans = {name: (self.start(raw), self.start(raw) + len(raw)) for name, raw in lists.items()}
        self._frame = b"" if self.is_results else self._without()
        self.keys = self._keys()
        self.is_coco = self.is_results or "images" in lists or "annotations" in lists
        self.declared = self._declared()

    def __getstate__(self) -> dict[str, Any]:
        _ = self.repeated  # looked for once, for all processes
        state = {key: value for key, value in self.__dict__.items() if key not in ("data", "_address")}
        return {key: value.spans if isinstance(value, Elements) else value for key, value in state.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        before = state["stamp"]
        self.path = state["path"]
        self._map()
        if self.stamp != before:
            raise FormatError(str(self.path), "has changed", "the file that was indexed", "start again")
        for name in LISTS:
            if name in state:
                state[name] = Elements(self.data, state[name])
        self.__dict__.update(state)

    def _map(self) -> None:
        data = map_bytes(self.path)
        said = self.path.stat()
        self.stamp = said.st_size, said.st_mtime_ns
        self.starts_with_bom = bytes(data[: len(BOM)]) == BOM
        self.data = data[len(BOM) :] if self.starts_with_bom else data
        self._address = address(self.data) if len(self.data) else 0

    def _results(self) -> dict[str, msgspec.Raw]:
        return {"annotations": self._decode(self.data, msgspec.Raw)}

    def _without(self) -> bytes:
        """The text of the file with its lists empty."""
        spans = sorted(self._spans.values())
        starts = [0, *(stop - 1 for _, stop in spans)]
        stops = [*(start + 1 for start, _ in spans), len(self.data)]
        return b"".join(self.data[start:stop] for start, stop in zip(starts, stops, strict=True))

    def _keys(self) -> list[tuple[str, str | None]]:
        """The outermost keys with their native text, None for the lists."""
        if self.is_results:
            return []
        said = msgspec.json.decode(self._frame, type=dict[str, msgspec.Raw])
        return [(key, None if key in LISTS else bytes(raw).decode()) for key, raw in said.items()]

    @property
    def has_repeated_keys(self) -> bool:
        """Whether the outermost keys may stand twice; decoders keep the last of two."""
        texts = (text for _, text in self.keys if text is not None)
        return self._frame.count(b":") != len(self.keys) + sum(text.count(":") for text in texts)

    def _decode(self, data: memoryview | msgspec.Raw, type: Any, key: str = "") -> Any:
        try:
            return msgspec.json.decode(data, type=type)
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._fault(error, key) from None

    def _fault(self, error: Exception, key: str) -> FormatError:
        refusal = refusal_of(self.data, error)
        if refusal is None:
            place = f"{self.path}:{key}" if key else str(self.path)
            return FormatError(place, json_fault(error), "a JSON document of COCO")
        start, *words, code = refusal
        return FormatError(f"{self.path}:byte {self._in_file(start)}", *words, code=code)

    def _check_utf8(self) -> None:
        """Piece by piece: a text of the whole file would be up to four times its size."""
        start = 0  # pieces end between two characters
        while start < len(self.data):
            end = start + _PIECE
            while end < len(self.data) and self.data[end] & 0xC0 == 0x80:  # inside of a character
                end += 1
            piece = self.data[start:end]
            try:
                if not _is_ascii(piece):
                    bytes(piece).decode()
            except UnicodeDecodeError as error:
                place = f"{self.path}:byte {self._in_file(start + error.start)}"
                raise FormatError(place, "not UTF-8", "UTF-8 text", code="STR111") from None
            start = end

    def _declared(self) -> dict[str, Any]:
        """Role and split as our own writer notes them where the file's name cannot say them."""
        text = dict(self.keys).get("labelkit")
        try:
            return msgspec.json.decode(text, type=dict[str, Any]) if text else {}
        except msgspec.DecodeError:
            return {}

    def offset(self, raw: memoryview | msgspec.Raw) -> int:
        """The byte of the file at which a piece of it starts."""
        return self._in_file(self.start(raw))

    @property
    def spans(self) -> Ordinals:
        """(N, 2) the byte of the file at which each annotation starts, and its length."""
        spans: Ordinals = self.annotations.spans + np.array([self._in_file(0), 0])
        return spans

    def start(self, raw: memoryview | msgspec.Raw) -> int:
        """Where a piece of the data starts in it."""
        return address(raw) - self._address

    def _in_file(self, start: int) -> int:
        """The byte of the file for a byte of the data."""
        return start + len(BOM) * self.starts_with_bom

    def place(self, ordinal: int) -> str:
        """The place of an annotation in words."""
        raw = self.annotations[ordinal]
        key = self.annotation_id(ordinal)
        known = f" (id {key})" if key is not None else ""
        return f"{self.path}:annotations[{ordinal}]{known}, byte {self.offset(raw)}"

    # --- the lists ---------------------------------------------------------------------------------------

    @cached_property
    def images(self) -> Elements:
        """The images."""
        return self._elements("images")

    @cached_property
    def categories(self) -> Elements:
        """The categories."""
        return self._elements("categories")

    @cached_property
    def annotations(self) -> Elements:
        """The annotations."""
        return Elements(self.data, self._columns[0].reshape(-1, 2))

    @property
    def annotation_keys(self) -> Keys:
        """The ids of the annotations."""
        return self._columns[1]

    @cached_property
    def _columns(self) -> tuple[Ordinals, Keys, Keys]:
        """The spans of the annotations, their ids, and those of their images: one pass sees all."""
        ids, owners, spans = KeyColumn(), KeyColumn(), Column()
        for window in windows(self.data, *self._spans.get("annotations", (0, 0)), _Ids):
            said = window.said
            if said is None:  # one is no object: find out which
                said = [_one(piece) for piece in Elements(self.data, window.spans)]
            spans.extend(window.spans)
            ids.extend([item.id for item in said])
            owners.extend([item.image_id for item in said])
        return spans.array(), ids.keys(), owners.keys()

    def _elements(self, name: str) -> Elements:
        spans = Column()
        for window in windows(self.data, *self._spans.get(name, (0, 0)), msgspec.Raw):
            spans.extend(window.spans)
        return Elements(self.data, spans.array().reshape(-1, 2))

    def image_entries(self) -> Iterator[ImageEntry | None]:
        """The images; None where one is no object."""
        for raw in self.images:
            yield image_entry(raw)

    def image_keys(self) -> Keys:
        """The ids of the images."""
        ids = KeyColumn()
        for said in self._image_entries():
            ids.extend([None if entry is None else entry.id for entry in said])
        return ids.keys()

    def file_names(self) -> Iterator[list[Any]]:
        """The file names of the images, many at a time; whatever stands there, None where nothing does."""
        for said in self._image_entries():
            yield [None if entry is None else entry.file_name for entry in said]

    def _image_entries(self) -> Iterator[Sequence[ImageEntry | None]]:
        """What the images say, many at a time."""
        for window in windows(self.data, *self._spans.get("images", (0, 0)), ImageEntry):
            yield window.said or [image_entry(raw) for raw in Elements(self.data, window.spans)]

    def group(self, images: Spots) -> Groups:
        """The annotations of every image; images: where each stands by its id."""
        owner = Column()
        for spots in images.of(self._columns[2]):
            owner.extend(spots)
        owners = owner.array()
        counts = np.bincount(owners, minlength=images.missing + 1)
        starts = np.concatenate([[0], np.cumsum(counts)])
        order = Column()
        for low, high in _ranges(starts):
            order.extend(_sorted_between(owners, low, high))
        return Groups(order.array(), starts)

    def annotation_id(self, ordinal: int) -> Any:
        """The id of an annotation, or None."""
        return self.annotation_keys[ordinal]

    @cached_property
    def repeated(self) -> frozenset[int]:
        """The ordinals of annotations whose id an earlier annotation has."""
        return repeated_ordinals(self.annotation_keys)


def image_entry(raw: memoryview) -> ImageEntry | None:
    """What an image says; None where it is no object."""
    try:
        return image_decoder.decode(raw)
    except msgspec.DecodeError:
        return None


def _ranges(starts: Ordinals) -> Iterator[tuple[int, int]]:
    """Spans of images that together have as many annotations as can be sorted at a time, or are one."""
    low = 0
    while low < len(starts) - 1:
        high = int(np.searchsorted(starts, starts[low] + SORTED, side="right")) - 1
        high = max(high, low + 1)
        yield low, high
        low = high


def _sorted_between(owners: Ordinals, low: int, high: int) -> Ordinals:
    """The ordinals of the annotations of some images, by image."""
    if not low and len(owners) <= SORTED:
        return np.argsort(owners, kind="stable")
    pieces = []
    for start in range(0, len(owners), SORTED):
        some = owners[start : start + SORTED]
        pieces.append(np.flatnonzero((some >= low) & (some < high)) + start)
    ordinals = np.concatenate(pieces)
    return ordinals[np.argsort(owners[ordinals], kind="stable")]


def _is_ascii(piece: memoryview) -> bool:
    whole = len(piece) // 8 * 8
    words = np.frombuffer(piece[:whole], dtype=np.uint64)
    return not (words & _NO_ASCII).any() and bytes(piece[whole:]).isascii()


def _one(raw: memoryview) -> _Ids:
    try:
        return _ids_decoder.decode(raw)
    except msgspec.DecodeError:
        return _Ids()

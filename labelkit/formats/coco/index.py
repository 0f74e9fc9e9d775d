"""One JSON file by the bytes of its images, annotations and categories: it is indexed, not parsed.

An annotation stays the bytes that it is until its image is read.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from labelkit.errors import FormatError
from labelkit.formats._files import BOM, map_bytes
from labelkit.formats._json import address, json_fault, refusal_of
from labelkit.formats.coco.native import ImageEntry, image_decoder, is_key

Ordinals = NDArray[np.int64]
LISTS = ("images", "annotations", "categories")


_HEAD = 4096  # bytes in which the first character that is no space must be
_PIECE = 1 << 20  # bytes that are decoded at a time
_CHUNK = 1024  # annotations whose ids are decoded at a time
_INT64 = 2**63  # the first number too large for the column of ids


class _Top(msgspec.Struct):
    images: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    annotations: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    categories: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


class _Ids(msgspec.Struct, gc=False):
    id: Any = None
    image_id: Any = None


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
    """One JSON file by the bytes of its images, annotations and categories.

    Raises FormatError where the file is no JSON, or not what COCO calls a document.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        data = map_bytes(path)
        self.starts_with_bom = bytes(data[: len(BOM)]) == BOM
        self.data = data[len(BOM) :] if self.starts_with_bom else data
        self._address = address(self.data) if len(self.data) else 0
        self._check_utf8()
        self.is_results = bytes(self.data[:_HEAD]).lstrip()[:1] == b"["
        lists = self._results() if self.is_results else self._lists()
        self.images, self.annotations, self.categories = (lists.get(name, []) for name in LISTS)
        self._frame = b"" if self.is_results else self._without(lists)
        self.keys = self._keys()
        self.is_coco = self.is_results or "images" in lists or "annotations" in lists
        self.declared = self._declared()
        self.repeated: frozenset[int] = frozenset()
        self._numbers = np.zeros(0, dtype=np.int64)
        self._odd: dict[int, Any] = {}  # ids that are no whole number, or not written as one

    def _results(self) -> dict[str, list[msgspec.Raw]]:
        return {"annotations": self._decode(self.data, list[msgspec.Raw])}

    def _lists(self) -> dict[str, list[msgspec.Raw]]:
        """The lists that there are, in one pass over the file; a second one says which of them is no list."""
        try:
            top = msgspec.json.decode(self.data, type=_Top)
        except (msgspec.DecodeError, RecursionError):
            said = self._decode(self.data, dict[str, msgspec.Raw])
            return {key: self._decode(said[key], list[msgspec.Raw], key) for key in LISTS if key in said}
        found = ((key, getattr(top, key)) for key in LISTS)
        return {key: entries for key, entries in found if entries is not msgspec.UNSET}

    def _without(self, lists: dict[str, list[msgspec.Raw]]) -> bytes:
        """The text of the file with its lists empty."""
        spans = sorted(
            (self.start(entries[0]), self.start(entries[-1]) + len(entries[-1]))
            for entries in lists.values()
            if entries
        )
        starts, stops = [0, *(stop for _, stop in spans)], [*(start for start, _ in spans), len(self.data)]
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
            piece = bytes(self.data[start:end])
            try:
                if not piece.isascii():
                    piece.decode()
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

    def offset(self, raw: msgspec.Raw) -> int:
        """The byte of the file at which a piece of it starts."""
        return self._in_file(self.start(raw))

    @cached_property
    def spans(self) -> Ordinals:
        """(N, 2) the byte of the file at which each annotation starts, and its length.

        Nearly all files have one gap between all annotations, so that lengths give the starts; each then is a
        brace. Else each is asked for.
        """
        lengths = np.fromiter(map(len, self.annotations), dtype=np.int64, count=len(self.annotations))
        if len(lengths) > 1:
            first = self.start(self.annotations[0])
            gap = self.start(self.annotations[1]) - first - int(lengths[0])
            starts = first + np.cumsum(lengths + gap) - lengths - gap
            inside = starts.min() >= 0 and starts.max() < len(self.data)
            if inside and bool((np.frombuffer(self.data, dtype=np.uint8)[starts] == ord("{")).all()):
                return np.column_stack([self._in_file(0) + starts, lengths])
        starts = np.array([self.offset(raw) for raw in self.annotations], dtype=np.int64)
        return np.column_stack([starts, lengths])

    def start(self, raw: msgspec.Raw) -> int:
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

    def image_entries(self) -> Iterator[ImageEntry | None]:
        """The images; None where one is no object."""
        for raw in self.images:
            try:
                yield image_decoder.decode(raw)
            except msgspec.DecodeError:
                yield None

    def group(self, images: Mapping[Any, int]) -> Groups:
        """The annotations of every image; images: the position of every image id.

        Annotations have ids (``annotation_id``, ``repeated``) from here on: one pass sees both.
        """
        missing = len(images)
        owners, numbers = array("q"), array("q")
        for ordinal, said in enumerate(self._ids()):
            owners.append(images.get(said.image_id, missing) if is_key(said.image_id) else missing)
            numbers.append(self._note_id(ordinal, said.id))
        self._numbers = np.frombuffer(numbers, dtype=np.int64)
        self.repeated = self._repeated()
        owner = np.frombuffer(owners, dtype=np.int64)
        order = np.argsort(owner, kind="stable")
        return Groups(order, np.searchsorted(owner[order], np.arange(missing + 2)))

    def annotation_id(self, ordinal: int) -> Any:
        """The id of an annotation, or None. Only after ``group``."""
        return self._odd[ordinal] if ordinal in self._odd else int(self._numbers[ordinal])

    def _ids(self) -> Iterator[_Ids]:
        """The ids of all annotations: many are decoded at once for speed, but not all, for their size."""
        for start in range(0, len(self.annotations), _CHUNK):
            chunk = self.annotations[start : start + _CHUNK]
            try:
                yield from _ids_decoder.decode(b"[%b]" % b",".join(chunk))
            except msgspec.DecodeError:  # one is no object: find out which
                yield from map(_one, chunk)

    def _note_id(self, ordinal: int, key: Any) -> int:
        """The id as a number; an id that is none, or is written otherwise, is kept as it is."""
        number = _whole(key)
        if number is None or type(key) is not int:
            self._odd[ordinal] = key if is_key(key) else None
        return number or 0

    def _repeated(self) -> frozenset[int]:
        """The ordinals of annotations whose id an earlier annotation has."""
        others = {ordinal: key for ordinal, key in self._odd.items() if _whole(key) is None}
        is_number = np.ones(len(self._numbers), dtype=bool)
        is_number[list(others)] = False
        known = np.flatnonzero(is_number)
        order = known[np.argsort(self._numbers[known], kind="stable")]
        sorted_numbers = self._numbers[order]
        again = set(order[1:][sorted_numbers[1:] == sorted_numbers[:-1]].tolist())
        seen: set[Any] = set()
        for ordinal, key in others.items():
            if key in seen:
                again.add(ordinal)
            elif key is not None:
                seen.add(key)
        return frozenset(again)


_ids_decoder = msgspec.json.Decoder(list[_Ids])
_one_decoder = msgspec.json.Decoder(_Ids)


def _whole(key: Any) -> int | None:
    """An id as a whole number of 64 bits (5.0 is 5), if it is one."""
    if type(key) is int or (type(key) is float and key.is_integer()):
        return int(key) if -_INT64 <= key < _INT64 else None
    return None


def _one(raw: msgspec.Raw) -> _Ids:
    try:
        return _one_decoder.decode(raw)
    except msgspec.DecodeError:
        return _Ids()

"""The images of a data set: documents that describe one image are joined by split and file name.

The images of one document are read from it when they are asked for; those of several are joined in memory.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from labelkit.errors import FormatError, RecordError
from labelkit.formats._files import brief, safe_path
from labelkit.formats.coco.index import Index, image_entry
from labelkit.formats.coco.keys import Column, Keys, Spots, repeated_ordinals
from labelkit.formats.coco.native import Document, ImageEntry, is_key
from labelkit.formats.coco.places import Places
from labelkit.pixels import SIDE_LIMIT

_BLOCK = 64  # rows that are unpickled together, as many as a part has


@dataclass(slots=True)
class Row:
    """One image of the data set: where documents speak of it.

    spots: document, and the position of the image in it. prefix: the split that stands before its file name
    in its path. error: why there is no record for it.
    """

    file_name: str
    key: Any
    width: int | None
    height: int | None
    splits: tuple[str | None, ...]
    spots: tuple[tuple[int, int], ...]
    path: str = ""
    prefix: str | None = None
    error: RecordError | None = None


class Rows(Protocol):
    """The images of a data set, in order. They pickle small, or in pieces that are unpickled when needed."""

    def __len__(self) -> int: ...
    def between(self, start: int, stop: int) -> list[Row]:
        """The images of a span."""
        ...


def rows_of(listing: Sequence[tuple[Document, Index]], places: Places) -> tuple[Rows, list[Spots]]:
    """The images of documents as rows, and per document where the image of an id stands.

    Raises FormatError where two images of a document have one id.
    """
    spots = [Spots(_distinct(index)) for _, index in listing]
    if len(listing) == 1 and not _repeats_names(listing[0][1]):
        document, index = listing[0]
        return _OneDocument(document.split, index), spots
    joined = _Joiner(places)
    for document, index in listing:
        joined.add(document, index)
    return _Joined(joined.named()), spots


def _distinct(index: Index) -> Keys:
    keys = index.image_keys()
    again = min(repeated_ordinals(keys), default=None)
    if again is not None:
        first = next(ordinal for ordinal in range(again) if keys[ordinal] == keys[again])
        found = f"image id {keys[again]!r} once more (as in images[{first}])"
        raise FormatError(f"{index.path}:images[{again}]", found, "ids once each")
    return keys


def _repeats_names(index: Index) -> bool:
    """Whether two images of a document may have one file name: names of one hash count as the same."""
    hashes = Column()
    for names in index.file_names():
        hashes.extend(np.array([hash(name) for name in names if isinstance(name, str)], dtype=np.int64))
    return bool(repeated_ordinals(Keys(hashes.array(), {})))


class _OneDocument:
    """The images of one document, each with a file name of its own."""

    def __init__(self, split: str | None, index: Index) -> None:
        self._splits = (split,)
        self._index = index

    def __len__(self) -> int:
        return len(self._index.images)

    def between(self, start: int, stop: int) -> list[Row]:
        entries = self._index.images[start:stop]
        return [self._row(spot, image_entry(raw)) for spot, raw in enumerate(entries, start)]

    def _row(self, spot: int, entry: ImageEntry | None) -> Row:
        try:
            row = _row(entry, self._splits, (0, spot))
        except ValueError as error:
            return _refused(self._index, (0, spot), error)
        row.path = row.file_name
        return row


class _Joined:
    """The images of several documents. The rows pickle in blocks, each of which is unpickled when needed."""

    def __init__(self, rows: list[Row]) -> None:
        self._blocks: list[list[Row] | bytes] = [
            rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)
        ]
        self._count = len(rows)

    def __len__(self) -> int:
        return self._count

    def __getstate__(self) -> dict[str, Any]:
        packed = [block if isinstance(block, bytes) else pickle.dumps(block) for block in self._blocks]
        return {"_blocks": packed, "_count": self._count}

    def between(self, start: int, stop: int) -> list[Row]:
        stop = min(stop, self._count)
        found: list[Row] = []
        while start < stop:
            number, first = divmod(start, _BLOCK)
            piece = self._block(number)[first : first + stop - start]
            found += piece
            start += len(piece)
        return found

    def _block(self, number: int) -> list[Row]:
        block = self._blocks[number]
        if isinstance(block, bytes):
            return pickle.loads(block)  # type: ignore[no-any-return]  # noqa: S301  (our own bytes)
        return block


class ForAll:
    """The images that one document lists, of each of which so many others speak."""

    def __init__(self, rows: Rows, documents: int) -> None:
        self._rows = rows
        self._documents = documents

    def __len__(self) -> int:
        return len(self._rows)

    def between(self, start: int, stop: int) -> list[Row]:
        return [replace(row, spots=self._spots(row)) for row in self._rows.between(start, stop)]

    def _spots(self, row: Row) -> tuple[tuple[int, int], ...]:
        return tuple((number, spot) for number in range(self._documents) for _, spot in row.spots)


class _Joiner:
    """Joins the images of documents to rows."""

    def __init__(self, places: Places) -> None:
        self._rows: list[Row] = []
        self._places = places
        self._documents: list[Document] = []
        self._by_name: dict[str, list[Row]] = {}

    def add(self, document: Document, index: Index) -> None:
        """Add a document's images."""
        number = len(self._documents)
        self._documents.append(document)
        splits = (document.split,)
        for spot, entry in enumerate(index.image_entries()):
            try:
                self._join(_row(entry, splits, (number, spot)))
            except ValueError as error:
                self._rows.append(_refused(index, (number, spot), error))

    def _join(self, new: Row) -> None:
        known = self._by_name.setdefault(new.file_name, [])
        for row in known:
            if new.splits[0] in row.splits:
                return self._merge(row, new)
        for row in known:
            if self._same_image(row, new):
                return self._merge(row, new)
        known.append(new)
        self._rows.append(new)
        return None

    def _same_image(self, row: Row, new: Row) -> bool:
        a = self._places.find(row.file_name, row.splits)
        b = self._places.find(new.file_name, new.splits)
        if a is not None and b is not None:
            return a.resolve() == b.resolve()
        return (row.key, row.width, row.height) == (new.key, new.width, new.height)

    def _merge(self, row: Row, new: Row) -> None:
        document, other = new.spots[0][0], self._documents[row.spots[0][0]].name
        if any(number == document for number, _ in row.spots):
            raise ValueError(f"file name {new.file_name!r} twice", "file names once each")
        if new.key != row.key and new.splits[0] in row.splits:
            raise ValueError(f"{new.file_name!r} has id {new.key!r}", f"id {row.key!r}, as in {other}")
        for mine, theirs, word in ((new.width, row.width, "width"), (new.height, row.height, "height")):
            if mine is not None and theirs is not None and mine != theirs:
                raise ValueError(f"{new.file_name!r} has {word} {mine}", f"{word} {theirs}, as in {other}")
        row.width, row.height = row.width or new.width, row.height or new.height
        row.spots += new.spots
        row.splits += tuple(split for split in new.splits if split not in row.splits)

    def named(self) -> list[Row]:
        """The rows, each with its path; different images of one name get their split before it."""
        taken: set[str] = set()
        for row in self._rows:
            if row.error is not None:
                continue
            split = row.splits[0]
            if len(self._by_name[row.file_name]) > 1 and split is not None:
                row.prefix = split
            row.path = f"{row.prefix}/{row.file_name}" if row.prefix is not None else row.file_name
            if row.path in taken:
                place = f"{self._documents[row.spots[0][0]].name}:images[{row.spots[0][1]}]"
                row.error = RecordError(place, f"{row.path!r} is another image's path too", "paths once each")
            taken.add(row.path)
        return self._rows


def _refused(index: Index, spot: tuple[int, int], error: ValueError) -> Row:
    """The row of an image of which there can be no record."""
    found, expected = (*error.args, "")[:2]
    refused = RecordError(f"{index.path}:images[{spot[1]}]", found, expected)
    return Row("", None, None, None, (), (spot,), error=refused)


def _row(entry: ImageEntry | None, splits: tuple[str | None], spot: tuple[int, int]) -> Row:
    if entry is None:
        raise ValueError("no JSON object, or a number out of range", "an image with id and file_name")
    if not is_key(entry.id):
        raise ValueError(f"id {entry.id!r}", "a number or a text")
    if not isinstance(entry.file_name, str):
        raise ValueError(f"file_name {entry.file_name!r}", "a text")
    safe_path(entry.file_name)
    if splits[0] is not None:
        safe_path(f"{splits[0]}/{entry.file_name}")
    width, height = _size(entry.width, "width"), _size(entry.height, "height")
    return Row(entry.file_name, entry.id, width, height, splits, (spot,))


def _size(value: Any, key: str) -> int | None:
    if value is None:
        return None
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if 1 <= number < SIDE_LIMIT and number == int(number):
        return int(number)
    raise ValueError(f"{key} {brief(value)}", "a whole number of pixels, at least 1")

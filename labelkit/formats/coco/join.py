"""Joining the pieces of all parts: the final documents, and the ids of what is new.

Tables are held in memory, no texts.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from labelkit.formats.coco.categories import category_texts
from labelkit.formats.coco.homes import Homes, home
from labelkit.formats.coco.native import Document, image_decoder
from labelkit.formats.coco.pieces import ANNOTATION, COLUMNS, IMAGE, NEW_IMAGE, Summary


class Joined:
    """All parts together: documents, tables, and the ids of what is new."""

    def __init__(self, homes: Homes, pieces: Path) -> None:
        self.homes = homes
        self.native = len(homes.documents)
        self.files = sorted(pieces.glob("*.summary"))
        self.summaries = [msgspec.json.decode(file.read_bytes(), type=Summary) for file in self.files]
        self.maps: dict[int, mmap.mmap] = {}
        self.new = self._new_documents()
        self.documents = [
            *homes.documents,
            *(_document(home(homes.documents, role, split)) for role, split in self.new),
        ]
        self.used = {(spot, name) for summary in self.summaries for spot, name in summary.used}
        self.table, self.pool = self._tables()
        self.serials = self._serials()
        self.image_ids = self._image_ids()

    def _new_documents(self) -> list[tuple[str, str | None]]:
        found = {(role, split) for summary in self.summaries for role, split in summary.documents if role}
        if not found and not self.native:
            found = {("instances", None)}
        return sorted(found, key=lambda pair: (pair[1] or "", pair[0]))

    def _tables(self) -> tuple[NDArray[np.int64], list[tuple[str | None, NDArray[np.int64]]]]:
        """The rows of all parts with the documents' final numbers, and the images of each split."""
        native = self.native
        final = {pair: native + k for k, pair in enumerate(self.new)}
        tables: list[NDArray[np.int64]] = [np.zeros((0, COLUMNS), dtype=np.int64)]
        pool: list[tuple[str | None, NDArray[np.int64]]] = []
        for part, (file, summary) in enumerate(zip(self.files, self.summaries, strict=True)):
            rows = np.load(file.with_suffix(".npy"))
            rows = np.hstack([rows, np.full((len(rows), 1), part, dtype=np.int64)])
            pairs = [(role, split) for role, split in summary.documents]
            numbers = np.array([*range(native), *(final.get(pair, -1) for pair in pairs)], dtype=np.int64)
            for k, (role, split) in enumerate(pairs):
                if not role:
                    pool.append((split, rows[rows[:, 0] == native + k]))
            rows[:, 0] = numbers[rows[:, 0]] if len(rows) else rows[:, 0]
            tables.append(rows[rows[:, 0] >= 0])
        return np.vstack(tables), pool

    def _serials(self) -> dict[tuple[int, str], int]:
        """The first new annotation id of every part and role."""
        highest = max((summary.highest for summary in self.summaries), default=0)
        first: dict[tuple[int, str], int] = {}
        following: dict[str, int] = {}
        for part, summary in enumerate(self.summaries):
            for role, count in summary.serials.items():
                first[part, role] = following.get(role, highest + 1)
                following[role] = first[part, role] + count
        return first

    def _image_ids(self) -> dict[tuple[int, int], Any]:
        """The id of every record by part and number: its own, else the next after the highest."""
        known = [key for summary in self.summaries for key in summary.ids if isinstance(key, int | float)]
        following = int(max(known, default=0)) + 1
        ids: dict[tuple[int, int], Any] = {}
        for part, summary in enumerate(self.summaries):
            for number, key in enumerate(summary.ids):
                ids[part, number] = key
                if key is None:
                    ids[part, number] = following
                    following += 1
        self._spare = following
        return ids

    def spare_image_id(self) -> int:
        """An image id that nothing has: for an image whose own is another's in some document."""
        self._spare += 1
        return self._spare - 1

    def text(self, row: Sequence[int]) -> bytes:
        """The text of a row of a table."""
        _, _, _, offset, length, _, part = row
        if part not in self.maps:
            with self.files[part].with_suffix(".json").open("rb") as stream:
                self.maps[part] = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return self.maps[part][offset : offset + length]

    def rows(self, document: int, kind: int) -> NDArray[np.int64]:
        """The rows of one kind in a document: native ones by their place, new ones by record."""
        rows = self.table[(self.table[:, 0] == document) & (self.table[:, 1] == kind)]
        if kind in (IMAGE, ANNOTATION):
            rows = rows[np.argsort(rows[:, 2], kind="stable")]
        else:
            rows = rows[np.lexsort((rows[:, 2], rows[:, 5], rows[:, 6]))]
        return np.asarray(rows, dtype=np.int64)

    def new_images(self, document: int) -> NDArray[np.int64]:
        """The images that a document lists newly; a new document lists all new images of its split."""
        rows = [self.rows(document, NEW_IMAGE)]
        if document >= self.native:
            split = self.new[document - self.native][1]
            rows += [piece for known, piece in self.pool if known == split]
        together = np.vstack(rows)
        _, first = np.unique(together[:, [6, 5]], axis=0, return_index=True)
        return together[first]

    def categories(self, document: int) -> list[str]:
        """The categories of a document."""
        used = {name for spot, name in self.used if spot == document}
        known = document if document < self.native else None
        return list(category_texts(self.homes.header.categories, known, used))

    def close(self) -> None:
        for item in self.maps.values():
            item.close()


def _document(found: int | Document) -> Document:
    assert isinstance(found, Document)  # native ones were never new
    return found


class DocumentIds:
    """The image ids of one document: as it says natively, else the record's, else one that is free."""

    def __init__(self, joined: Joined, number: int) -> None:
        self.joined = joined
        self.given: dict[tuple[int, int], Any] = {}
        self.taken: set[Any] = set()
        for row in joined.rows(number, IMAGE).tolist():
            key = image_decoder.decode(joined.text(row)).id
            self.given[row[6], row[5]] = key
            self.taken.add(key)

    def of(self, part: int, record: int) -> Any:
        """The id of a record's image here."""
        known = self.given.get((part, record))
        if known is not None:
            return known
        key = self.joined.image_ids[part, record]
        if key in self.taken:
            key = self.joined.spare_image_id()
        self.given[part, record] = key
        self.taken.add(key)
        return key

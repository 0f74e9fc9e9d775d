"""Pieces: what a part of a data set writes, until ``finish`` joins all parts to documents.

A piece is three files: JSON texts one after the other, a table of where each belongs, and a summary.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from labelkit.formats.coco.homes import Spot

IMAGE, NEW_IMAGE, POOL_IMAGE, ANNOTATION, NEW_ANNOTATION = range(5)
COLUMNS = 7  # document, kind, ordinal or serial, offset, length, record, part


class Summary(msgspec.Struct):
    """What ``finish`` must know of a part beside its table."""

    documents: list[tuple[str, str | None]] = msgspec.field(default_factory=list)  # new ones: role, split
    ids: list[Any] = msgspec.field(default_factory=list)  # of the images, where COCO gave one
    serials: dict[str, int] = msgspec.field(default_factory=dict)  # new annotations of each role
    highest: int = 0  # of the native annotation ids
    used: list[tuple[int, str]] = msgspec.field(default_factory=list)  # categories by native document


@dataclass
class Piece:
    """A part while it is written."""

    stream: BinaryIO
    native: int  # how many native documents there are
    summary: Summary = field(default_factory=Summary)
    rows: list[tuple[int, ...]] = field(default_factory=list)
    numbers: dict[tuple[str, str | None], int] = field(default_factory=dict)
    used: dict[tuple[int, str], None] = field(default_factory=dict)
    offset: int = 0

    def number(self, spot: Spot) -> int:
        """The column value of a document: native ones first, then this part's new ones."""
        if isinstance(spot, int):
            return spot
        if spot not in self.numbers:
            self.numbers[spot] = self.native + len(self.numbers)
            self.summary.documents.append(spot)
        return self.numbers[spot]

    def put(self, spot: Spot, kind: int, place: int, text: str, record: int) -> None:
        data = text.encode()
        self.stream.write(data)
        self.rows.append((self.number(spot), kind, place, self.offset, len(data), record))
        self.offset += len(data)

    def serial(self, role: str) -> int:
        """The number of a new annotation among those of its role in this part, from 0."""
        number = self.summary.serials.get(role, 0)
        self.summary.serials[role] = number + 1
        return number

    def close(self, path: Path) -> None:
        """Write the table and the summary beside the texts."""
        self.summary.used = list(self.used)
        np.save(path.with_suffix(".npy"), np.array(self.rows, dtype=np.int64).reshape(-1, COLUMNS - 1))
        path.with_suffix(".summary").write_bytes(msgspec.json.encode(self.summary))

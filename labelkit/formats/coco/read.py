"""Reading COCO: a file or a folder of documents, joined by image.

Documents that describe one image are joined by split and file name (rows.py); every value remembers where
it was said (native.py). Instance and keypoint annotations of equal id, class and box are one object.
Annotations that are no object (captions, keypoints without a box) stay in the raw of their record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from labelkit.errors import RecordError
from labelkit.findings import Finding
from labelkit.formats import Part
from labelkit.formats._kept import Kept
from labelkit.formats.coco.catalogue import Catalogue, Source, open_catalogue, orphans
from labelkit.formats.coco.categories import map_values
from labelkit.formats.coco.native import NAME
from labelkit.formats.coco.scene import read_row
from labelkit.model import Header, Record

PART = 64  # images of a part: few, so that several processes share also a small set of masks


class CocoReader:
    """An open COCO data set; parts are a few hundred images."""

    def __init__(self, source: Source) -> None:
        self.source = source
        catalogue = self._catalogue
        self.notes: Sequence[Finding] = tuple(catalogue.notes)
        raw = {NAME: {"documents": [document.as_json() for document in catalogue.documents]}}
        self.header = Header(categories=catalogue.categories, raw=raw)

    def __getstate__(self) -> dict[str, Any]:
        state = {key: value for key, value in self.__dict__.items() if key not in ("_catalogue", "_values")}
        return {**state, "_kept": self._kept}

    @cached_property
    def _kept(self) -> Kept:
        """The catalogue for other processes, written when the first one is told of it."""
        return Kept(self._catalogue)

    @cached_property
    def _catalogue(self) -> Catalogue:
        if "_kept" in self.__dict__:  # this reader was told of it
            with suppress(FileNotFoundError):
                return cast(Catalogue, self._kept.open())
        return open_catalogue(self.source)

    @cached_property
    def _values(self) -> dict[str, int]:
        return map_values(self.header.categories)

    def parts(self) -> list[Part]:
        count = max(len(self._catalogue.rows), 1)
        return [
            Part((start, start + PART), start, min(PART, count - start)) for start in range(0, count, PART)
        ]

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        catalogue = self._catalogue
        first, last = part.key
        for row in catalogue.rows.between(first, last):
            if row.error is not None:
                yield row.error
            else:
                yield from read_row(catalogue, self._values, row)
        if last >= len(catalogue.rows):
            yield from orphans(catalogue)

    def image_file(self, record: Record) -> Path | None:
        """Where the image of a record lies. Raises ValueError where a link leads out of its folder."""
        raw = record.raw.get(NAME)
        prefix = raw.get("prefix") if isinstance(raw, dict) else None
        return self._catalogue.places.find(record.image.path, record.splits or (None,), prefix)

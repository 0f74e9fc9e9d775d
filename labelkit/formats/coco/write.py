"""Writing COCO: pieces for every part, joined to documents by ``finish``.

What has native text goes back to its place in its document; what is new follows it, numbered by ``finish``
in the order of the records, so that it does not matter which process wrote which part when.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from labelkit.errors import FormatError, UsageError
from labelkit.formats.coco.homes import Homes
from labelkit.formats.coco.join import Joined
from labelkit.formats.coco.native import own_id
from labelkit.formats.coco.pieces import Piece
from labelkit.formats.coco.write_document import write_document
from labelkit.formats.coco.write_record import RecordWriter
from labelkit.model import Header, Record


class CocoWriter:
    """Writes a folder of documents, or the one document of a file."""

    def __init__(self, root: Path, header: Header) -> None:
        self.root = Path(root)
        self.header = header
        self.is_file = self.root.suffix == ".json"
        self.pieces = (self.root.parent if self.is_file else self.root) / ".pieces"
        if self.is_file:
            documents = self._homes.documents
            _refuse_many(self.root, [document.name for document in documents])
            if any(document.role == "panoptic" for document in documents):
                raise UsageError(str(self.root), "a panoptic document has PNGs beside it", "a folder")

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_homes"}

    @cached_property
    def _homes(self) -> Homes:
        return Homes(self.header)

    def image_path(self, record: Record) -> str | None:
        return f"images/{record.image.path}"

    def write(self, part: int, records: Iterable[Record]) -> None:
        self.pieces.mkdir(parents=True, exist_ok=True)
        path = self.pieces / f"{part:08}.json"
        with path.open("wb") as stream:
            piece = Piece(stream, len(self._homes.documents))
            for number, record in enumerate(records):
                piece.summary.ids.append(own_id(record.raw))
                try:
                    RecordWriter(self._homes, self.root, piece, record, number).write()
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise FormatError(
                        record.image.path,
                        f"what was kept of COCO is malformed ({error})",
                        "what its reader kept",
                    ) from error
        piece.close(path)

    def finish(self) -> None:
        self.pieces.mkdir(parents=True, exist_ok=True)
        joined = Joined(self._homes, self.pieces)
        if self.is_file:
            _refuse_many(self.root, [document.name for document in joined.documents])
        for number, document in enumerate(joined.documents):
            path = self.root if self.is_file else self.root / document.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                write_document(stream, joined, number, path)
        joined.close()
        shutil.rmtree(self.pieces)


def _refuse_many(path: Path, names: Sequence[str]) -> None:
    if len(names) > 1:
        raise UsageError(
            str(path),
            f"{len(names)} documents do not fit into one file ({', '.join(names)})",
            "a folder",
            "name a folder, or choose with --split and --only",
        )

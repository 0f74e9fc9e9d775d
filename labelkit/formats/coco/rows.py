"""The images of a data set: documents that describe one image are joined by split and file name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from labelkit.errors import FormatError, RecordError
from labelkit.formats._files import brief, safe_path
from labelkit.formats.coco.index import Index
from labelkit.formats.coco.native import Document, ImageEntry, is_key
from labelkit.formats.coco.places import Places
from labelkit.pixels import SIDE_LIMIT


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


def joined_rows(
    listing: Iterable[tuple[Document, Index]], places: Places
) -> tuple[list[Row], list[dict[Any, int]]]:
    """The images of documents as rows, and per document the position of every image id.

    Raises FormatError where two images of a document have one id.
    """
    joined = _Rows(places)
    positions = [joined.add(document, index) for document, index in listing]
    return joined.named(), positions


class _Rows:
    """Joins the images of documents to rows."""

    def __init__(self, places: Places) -> None:
        self._rows: list[Row] = []
        self._places = places
        self._documents: list[Document] = []
        self._by_name: dict[str, list[Row]] = {}

    def add(self, document: Document, index: Index) -> dict[Any, int]:
        """Add a document's images. Returns: the position of every image id in the document."""
        number = len(self._documents)
        self._documents.append(document)
        splits = (document.split,)
        positions: dict[Any, int] = {}
        for spot, entry in enumerate(index.image_entries()):
            place = f"{index.path}:images[{spot}]"
            if entry is not None and is_key(entry.id):
                if entry.id in positions:
                    raise FormatError(
                        place,
                        f"image id {entry.id!r} once more (as in images[{positions[entry.id]}])",
                        "ids once each",
                    )
                positions[entry.id] = spot
            try:
                self._join(_row(entry, splits, (number, spot)))
            except ValueError as error:
                found, expected = (*error.args, "")[:2]
                refused = RecordError(place, found, expected)
                self._rows.append(Row("", None, None, None, (), ((number, spot),), error=refused))
        return positions

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

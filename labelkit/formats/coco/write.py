"""Writing COCO: pieces for every part, joined to documents by ``finish``.

A piece is JSON texts one after the other, and a table of where each belongs. What has native text goes back
to its place in its document; what is new follows it, numbered by ``finish`` in the order of the records, so
that it does not matter which process wrote which part when. ``finish`` holds tables in memory, no texts.
"""

from __future__ import annotations

import mmap
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from labelkit.errors import FormatError, UsageError
from labelkit.formats._files import safe_path
from labelkit.formats.coco.documents import name_parts
from labelkit.formats.coco.fit import is_all_segments
from labelkit.formats.coco.native import (
    NAME,
    Document,
    annotation_decoder,
    category_decoder,
    category_entries,
    category_fields,
    category_ids,
    covering,
    documents_of,
    entries_of,
    home,
    image_decoder,
    layer_entries,
    own_id,
    patched,
    record_entries,
)
from labelkit.formats.coco.state import annotation_changes, annotation_text, new_annotation
from labelkit.model import Category, Header, Png, Record, SemanticMap
from labelkit.pixels import map_pixels

IMAGE, NEW_IMAGE, POOL_IMAGE, ANNOTATION, NEW_ANNOTATION = range(5)
_COLUMNS = 7  # document, kind, ordinal or serial, offset, length, record, part
_Spot = int | tuple[str, str | None]  # a document that there is by number, a new one by role and split


class Summary(msgspec.Struct):
    """What ``finish`` must know of a part beside its table."""

    documents: list[tuple[str, str | None]] = msgspec.field(default_factory=list)  # new ones: role, split
    ids: list[Any] = msgspec.field(default_factory=list)  # of the images, where COCO gave one
    serials: dict[str, int] = msgspec.field(default_factory=dict)  # new annotations of each role
    highest: int = 0  # of the native annotation ids
    used: list[tuple[int, str]] = msgspec.field(default_factory=list)  # categories by native document


@dataclass
class _Piece:
    """A part while it is written."""

    stream: BinaryIO
    native: int  # how many native documents there are
    summary: Summary = field(default_factory=Summary)
    rows: list[tuple[int, ...]] = field(default_factory=list)
    numbers: dict[tuple[str, str | None], int] = field(default_factory=dict)
    used: dict[tuple[int, str], None] = field(default_factory=dict)
    offset: int = 0

    def number(self, spot: _Spot) -> int:
        """The column value of a document: native ones first, then this part's new ones."""
        if isinstance(spot, int):
            return spot
        if spot not in self.numbers:
            self.numbers[spot] = self.native + len(self.numbers)
            self.summary.documents.append(spot)
        return self.numbers[spot]

    def put(self, spot: _Spot, kind: int, place: int, text: str, record: int) -> None:
        data = text.encode()
        self.stream.write(data)
        self.rows.append((self.number(spot), kind, place, self.offset, len(data), record))
        self.offset += len(data)

    def serial(self, role: str) -> int:
        """The number of a new annotation among those of its role in this part, from 0."""
        number = self.summary.serials.get(role, 0)
        self.summary.serials[role] = number + 1
        return number


class CocoWriter:
    """Writes a folder of documents, or the one document of a file."""

    def __init__(self, root: Path, header: Header) -> None:
        self.root = Path(root)
        self.header = header
        self.is_file = self.root.suffix == ".json"
        self.folder = self.root.parent if self.is_file else self.root
        self.pieces = self.folder / ".pieces"
        if self.is_file:
            _refuse_many(self.root, [document.name for document in self.documents])
            if any(document.role == "panoptic" for document in self.documents):
                raise UsageError(str(self.root), "a panoptic document has PNGs beside it", "a folder")

    def __getstate__(self) -> dict[str, Any]:
        return {key: self.__dict__[key] for key in ("root", "header", "is_file", "folder", "pieces")}

    @cached_property
    def documents(self) -> list[Document]:
        """The documents that the header remembers."""
        return documents_of(self.header)

    @cached_property
    def _ids(self) -> dict[int | None, dict[str, Any]]:
        return {
            number: category_ids(self.header.categories, number)
            for number in (None, *range(len(self.documents)))
        }

    def image_path(self, record: Record) -> str | None:
        return f"images/{record.image.path}"

    def category_id(self, spot: _Spot, name: str) -> Any:
        """The id of a category in a document. Raises FormatError where the header has no such category."""
        try:
            return self._ids[spot if isinstance(spot, int) else None][name]
        except KeyError:
            raise FormatError(f"category {name!r}", "is not among the data set's categories") from None

    def spot(self, role: str, split: str | None) -> _Spot:
        """Where new annotations of a role and a split go."""
        found = home(self.documents, role, split)
        return found if isinstance(found, int) else (role, split)

    # --- parts ---

    def write(self, part: int, records: Iterable[Record]) -> None:
        self.pieces.mkdir(parents=True, exist_ok=True)
        with (self.pieces / f"{part:08}.json").open("wb") as stream:
            piece = _Piece(stream, len(self.documents))
            for number, record in enumerate(records):
                piece.summary.ids.append(own_id(record.raw))
                try:
                    _RecordWriter(self, piece, record, number).write()
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise FormatError(
                        record.image.path,
                        f"what was kept of COCO is malformed ({error})",
                        "what its reader kept",
                    ) from error
        piece.summary.used = list(piece.used)
        table = np.array(piece.rows, dtype=np.int64).reshape(-1, _COLUMNS - 1)
        np.save(self.pieces / f"{part:08}.npy", table)
        (self.pieces / f"{part:08}.summary").write_bytes(msgspec.json.encode(piece.summary))

    def finish(self) -> None:
        self.pieces.mkdir(parents=True, exist_ok=True)
        joined = _Joined(self)
        if self.is_file:
            _refuse_many(self.root, [document.name for document in joined.documents])
        for number, document in enumerate(joined.documents):
            if self.is_file:
                path = self.root
            else:
                path = self.root / document.name
                path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                _write_document(stream, joined, number, path)
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


class _RecordWriter:
    """Writes one record into a piece."""

    def __init__(self, writer: CocoWriter, piece: _Piece, record: Record, number: int) -> None:
        self.writer = writer
        self.piece = piece
        self.record = record
        self.number = number
        self.splits: list[str | None] = [*record.splits] or [None]
        self.listed: dict[_Spot, None] = {}
        self.needed: dict[_Spot, None] = {}

    def write(self) -> None:
        record, documents = self.record, self.writer.documents
        images, unlisted = covering(record_entries(record.raw, "images"), documents, record.splits)
        for document, ordinal, text in images:
            self.piece.put(document, IMAGE, ordinal, self._image_text(text), self.number)
            self.listed[document] = None
        others, _ = covering(record_entries(record.raw, "annotations"), documents, record.splits)
        for entry in others:
            self._put_other(entry)
        for item in record.objects if not self._segments_only() else ():
            self._put(item, "instances")
        for label in record.labels:
            self._put(label, "labels")
        semantic = record.maps.get("semantic")
        if isinstance(semantic, SemanticMap):
            self._put_stuff(semantic)
        panoptic = record.maps.get("panoptic")
        if isinstance(panoptic, SemanticMap):
            self._put_panoptic(panoptic)
        self._list_image(unlisted, foreign=not images)

    def _segments_only(self) -> bool:
        """Whether the objects are said by the panoptic map; if they are not, a list of objects says so."""
        panoptic = self.record.maps.get("panoptic")
        if not isinstance(panoptic, SemanticMap) or not entries_of(panoptic.raw):
            return False
        if is_all_segments(self.record, panoptic, self.writer.header):
            return True
        for split in self.splits:
            self.needed[self.writer.spot("instances", split)] = None
        return False

    def _image_text(self, text: str) -> str:
        image, said = self.record.image, image_decoder.decode(text.encode())
        raw = self.record.raw[NAME]
        prefix = raw.get("prefix")
        changes: dict[str, bytes | None] = {}
        if image.path not in (said.file_name, f"{prefix}/{said.file_name}" if prefix else None):
            changes["file_name"] = msgspec.json.encode(image.path)
        natives = [
            image_decoder.decode(entry[2].encode()) for entry in record_entries(self.record.raw, "images")
        ]
        for key, value in (("width", image.width), ("height", image.height)):
            if next((n for entry in natives if (n := getattr(entry, key)) is not None), None) != value:
                changes[key] = msgspec.json.encode(value) if value is not None else None
        return patched(text, changes) if changes else text

    def _list_image(self, unlisted: Sequence[str | None], *, foreign: bool) -> None:
        image = self.record.image
        values: dict[str, Any] = {"file_name": image.path, "width": image.width, "height": image.height}
        text = _tail({key: value for key, value in values.items() if value is not None})
        for split in unlisted:
            if not any(self._split_of(spot) == split for spot in self.needed):
                self.needed[self.writer.spot("instances", split)] = None
        for spot in self.needed:
            is_results = isinstance(spot, int) and self.writer.documents[spot].role == "results"
            if spot not in self.listed and not is_results:
                self.piece.put(spot, NEW_IMAGE, 0, text, self.number)
        if foreign:
            for split in self.splits:
                self.piece.put(("", split), POOL_IMAGE, 0, text, self.number)

    def _split_of(self, spot: _Spot) -> str | None:
        return self.writer.documents[spot].split if isinstance(spot, int) else spot[1]

    def _put_other(self, entry: list[Any]) -> None:
        text = str(entry[2])
        said = annotation_decoder.decode(text.encode())
        known = self.writer._ids[entry[0]].values()
        if said.category_id is None or len(said.segments_info) or said.category_id in known:
            self._put_text(entry, text, said.id)

    def _put_text(self, entry: list[Any], text: str, key: Any) -> None:
        if isinstance(key, int | float):
            self.piece.summary.highest = max(self.piece.summary.highest, int(key))
        self.piece.put(entry[0], ANNOTATION, entry[1], text, self.number)

    def _put(self, item: Any, role: str) -> None:
        """Write an object, a label or a layer: as it stands in its documents, or as a new annotation."""
        kept, missing = covering(entries_of(item.raw), self.writer.documents, self.record.splits)
        if kept:
            changes = annotation_changes(item, kept)
            for entry in kept:
                key, text = annotation_text(
                    item,
                    entry,
                    changes[entry[0], entry[1]],
                    self.writer.category_id(entry[0], item.category),
                    self.record,
                )
                self.piece.used[entry[0], item.category] = None
                self._put_text(entry, text, key)
        if missing:
            self._put_new(item, role, missing)

    def _put_new(self, item: Any, role: str, splits: Sequence[str | None]) -> None:
        serial = self.piece.serial(role)
        written: dict[_Spot, None] = {}
        for split in splits:
            spot = self.writer.spot(role, split)
            if spot in written:
                continue
            written[spot] = self.needed[spot] = None
            if isinstance(spot, int):
                self.piece.used[spot, item.category] = None
            is_results = isinstance(spot, int) and self.writer.documents[spot].role == "results"
            values = new_annotation(
                item, self.writer.category_id(spot, item.category), self.record, results=is_results
            )
            self.piece.put(spot, NEW_ANNOTATION, serial, _tail(values), self.number)

    def _put_stuff(self, item: SemanticMap) -> None:
        source = item.source
        if isinstance(source, Png):
            raise FormatError(self.record.image.path, "a semantic map that was not fitted to COCO")
        entries = layer_entries(item.raw)
        parallel = len(entries) == len(source.layers)
        for position, layer in enumerate(source.layers):
            name = item.classes.get(layer.value)
            if name is not None:
                raw = {NAME: entries[position]} if parallel else {}
                self._put(_Stuff(name, layer.mask, raw, (source.height, source.width)), "stuff")

    def _put_panoptic(self, item: SemanticMap) -> None:
        kept, _ = covering(entries_of(item.raw), self.writer.documents, self.record.splits)
        for entry in kept:
            text = str(entry[2])
            listed = msgspec.json.decode(
                annotation_decoder.decode(text.encode()).segments_info, type=list[msgspec.Raw]
            )
            segments = [
                patched_segment
                for raw in listed
                if (patched_segment := self._segment_text(bytes(raw).decode(), item, entry[0])) is not None
            ]
            whole = len(segments) == len(listed)
            if not whole or any(a.encode() != bytes(b) for a, b in zip(segments, listed, strict=True)):
                text = patched(text, {"segments_info": f"[{', '.join(segments)}]".encode()})
            name = safe_path(image_decoder.decode(text.encode()).file_name)
            document = self.writer.documents[entry[0]]
            path = (self.writer.root / document.name).with_suffix("") / name
            _write_png(item, path, whole=whole)
            self.piece.put(entry[0], ANNOTATION, entry[1], text, self.number)

    def _segment_text(self, text: str, item: SemanticMap, document: int) -> str | None:
        said = msgspec.json.decode(text, type=dict[str, Any])
        name = item.classes.get(said["id"])
        if name is None:
            return None
        key = self.writer.category_id(document, name)
        self.piece.used[document, name] = None
        return (
            text if said["category_id"] == key else patched(text, {"category_id": msgspec.json.encode(key)})
        )


@dataclass(frozen=True)
class _Stuff:
    """A layer of a semantic map as what ``_put`` writes."""

    category: str
    mask: Any
    raw: dict[str, Any]
    size: tuple[int, int]
    kind: str = "stuff"


def _write_png(item: SemanticMap, path: Path, *, whole: bool) -> None:
    """The PNG of a panoptic map: the file itself, if all of its segments are still wanted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if whole and isinstance(item.source, Png) and item.source.encoding == "rgb24":
        shutil.copyfile(item.source.path, path)
        return
    from PIL import Image

    labels = map_pixels(item)
    labels = np.where(np.isin(labels, list(item.classes)), labels, 0)
    colours = np.stack([labels & 255, labels >> 8 & 255, labels >> 16], axis=-1).astype(np.uint8)
    Image.fromarray(colours).save(path, format="PNG")


def _tail(values: dict[str, Any]) -> str:
    """A JSON object without its opening brace: ids are written before it by ``finish``."""
    return ", ".join(f"{_json(key)}: {_json(value)}" for key, value in values.items()) + "}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# --- joining ---------------------------------------------------------------------------------------------


class _Joined:
    """All parts together: documents, tables, and the ids of what is new."""

    def __init__(self, writer: CocoWriter) -> None:
        self.writer = writer
        self.files = sorted(writer.pieces.glob("*.summary"))
        self.summaries = [msgspec.json.decode(file.read_bytes(), type=Summary) for file in self.files]
        self.maps: dict[int, mmap.mmap] = {}
        self.new = self._new_documents()
        self.documents = [
            *writer.documents,
            *(_document(home(writer.documents, role, split)) for role, split in self.new),
        ]
        self.used = {(spot, name) for summary in self.summaries for spot, name in summary.used}
        self.table, self.pool = self._tables()
        self.serials = self._serials()
        self.image_ids = self._image_ids()

    def _new_documents(self) -> list[tuple[str, str | None]]:
        found = {(role, split) for summary in self.summaries for role, split in summary.documents if role}
        if not found and not self.writer.documents:
            found = {("instances", None)}
        return sorted(found, key=lambda pair: (pair[1] or "", pair[0]))

    def _tables(self) -> tuple[NDArray[np.int64], list[tuple[str | None, NDArray[np.int64]]]]:
        """The rows of all parts with the documents' final numbers, and the images of each split."""
        native = len(self.writer.documents)
        final = {pair: native + k for k, pair in enumerate(self.new)}
        tables: list[NDArray[np.int64]] = [np.zeros((0, _COLUMNS), dtype=np.int64)]
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
        if document >= len(self.writer.documents):
            split = self.new[document - len(self.writer.documents)][1]
            rows += [piece for known, piece in self.pool if known == split]
        together = np.vstack(rows)
        _, first = np.unique(together[:, [6, 5]], axis=0, return_index=True)
        return together[first]

    def close(self) -> None:
        for item in self.maps.values():
            item.close()


def _document(found: int | Document) -> Document:
    assert isinstance(found, Document)  # native ones were never new
    return found


def _write_document(stream: BinaryIO, joined: _Joined, number: int, path: Path) -> None:
    document = joined.documents[number]
    ids = _DocumentIds(joined, number)
    if document.role == "results":
        _write_list(stream, _annotations(joined, number, ids))
        stream.write(b"\n")
        return
    keys: list[tuple[str, str | None]] = list(document.keys)
    if not keys:
        keys = [
            ("info", "{}"),
            ("licenses", "[]"),
            ("images", None),
            ("annotations", None),
            ("categories", None),
        ]
    keys = _with_declaration(keys, document, path)
    said = {key for key, text in keys if text is None}
    categories = (
        list(_categories(joined, number))
        if "categories" in said or document.role not in ("captions", "info")
        else []
    )
    has_annotations = len(joined.rows(number, ANNOTATION)) or len(joined.rows(number, NEW_ANNOTATION))
    for key, there in (("images", True), ("annotations", has_annotations), ("categories", categories)):
        if key not in said and there and not (key == "images" and not len(joined.new_images(number))):
            keys.append((key, None))
    for position, (key, text) in enumerate(keys):
        stream.write(b", " if position else b"{")
        stream.write(_json(key).encode() + b": ")
        if text is not None:
            stream.write(text.encode())
        elif key == "categories":
            _write_list(stream, (item.encode() for item in categories))
        elif key == "images":
            _write_list(stream, _images(joined, number, ids))
        else:
            _write_list(stream, _annotations(joined, number, ids))
    stream.write(b"}\n")


def _with_declaration(
    keys: list[tuple[str, str | None]], document: Document, path: Path
) -> list[tuple[str, str | None]]:
    """The keys with what a reader could not tell from the file's name: a split, and that it is stuff."""
    role, split = name_parts(path.stem)
    by_folder = path.name.startswith("_annotations") and path.parent.name == document.split
    declared: dict[str, str] = {}
    if document.split is not None and split != document.split and not by_folder:
        declared["split"] = document.split
    if document.role == "stuff" and role != "stuff":
        declared["role"] = "stuff"
    others = [pair for pair in keys if pair[0] != "labelkit"]
    if not declared:
        return keys
    native = dict(keys).get("labelkit")
    if native is not None and msgspec.json.decode(native) == declared:
        return keys
    return [*others, ("labelkit", _json(declared))]


def _write_list(stream: BinaryIO, items: Iterable[bytes]) -> None:
    stream.write(b"[")
    for position, item in enumerate(items):
        stream.write(b",\n" if position else b"\n")
        stream.write(item)
    stream.write(b"\n]")


class _DocumentIds:
    """The image ids of one document: as it says natively, else the record's, else one that is free."""

    def __init__(self, joined: _Joined, number: int) -> None:
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


def _images(joined: _Joined, number: int, ids: _DocumentIds) -> Iterator[bytes]:
    for row in joined.rows(number, IMAGE).tolist():
        yield joined.text(row)
    for row in joined.new_images(number).tolist():
        yield b'{"id": %b, %b' % (msgspec.json.encode(ids.of(row[6], row[5])), joined.text(row))


def _annotations(joined: _Joined, number: int, ids: _DocumentIds) -> Iterator[bytes]:
    document = joined.documents[number]
    for row in joined.rows(number, ANNOTATION).tolist():
        yield joined.text(row)
    role = "instances"
    if number >= len(joined.writer.documents):
        role = joined.new[number - len(joined.writer.documents)][0]
    elif document.role in ("labels", "stuff"):
        role = document.role
    for row in joined.rows(number, NEW_ANNOTATION).tolist():
        image = msgspec.json.encode(ids.of(row[6], row[5]))
        if document.role == "results":
            yield b'{"image_id": %b, %b' % (image, joined.text(row))
        else:
            key = joined.serials[row[6], role] + row[2]
            yield b'{"id": %d, "image_id": %b, %b' % (key, image, joined.text(row))


# --- categories ------------------------------------------------------------------------------------------


def _categories(joined: _Joined, number: int) -> Iterator[str]:
    """The categories of a document: those it has in their order, then those that are new to it."""
    categories = joined.writer.header.categories
    is_new = number >= len(joined.writer.documents)
    ids = joined.writer._ids[None if is_new else number]
    native: list[tuple[int, str]] = []
    added: list[str] = []
    for category in categories:
        entries = category_entries(category)
        mine = [entry for entry in entries if entry[0] == number and not is_new]
        if mine:
            native.append((mine[0][1], _category_text(category, mine[0][2])))
        elif is_new or not entries or (number, category.name) in joined.used:
            added.append(_new_category(category, ids[category.name]))
    yield from (text for _, text in sorted(native))
    yield from added


def _category_text(category: Category, text: str) -> str:
    said = category_fields(category_decoder.decode(entry[2].encode()) for entry in category_entries(category))
    changes: dict[str, bytes | None] = {}
    if category_decoder.decode(text.encode()).name != category.name:
        changes["name"] = msgspec.json.encode(category.name)
    for field_name, value in _category_values(category).items():
        if said[{"isthing": "thing", "color": "colour"}.get(field_name, field_name)] != _plain(
            field_name, category
        ):
            changes[field_name] = msgspec.json.encode(value) if value is not None else None
    return patched(text, changes) if changes else text


def _plain(key: str, category: Category) -> Any:
    return {"supercategory": category.supercategory, "isthing": category.thing, "color": category.colour}[key]


def _category_values(category: Category) -> dict[str, Any]:
    return {
        "supercategory": category.supercategory,
        "isthing": None if category.thing is None else int(category.thing),
        "color": category.colour,
    }


def _new_category(category: Category, key: Any) -> str:
    values = {"id": key, "name": category.name, **_category_values(category)}
    return "{" + _tail({name: value for name, value in values.items() if value is not None})

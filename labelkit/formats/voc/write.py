"""Writing Pascal VOC: XML and PNGs image by image, the lists of ImageSets when all images are known."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import msgspec

from labelkit.errors import DestinationError
from labelkit.formats._corners import Base
from labelkit.formats.voc.annotate import annotation_bytes
from labelkit.formats.voc.corners import reads_as_zero
from labelkit.formats.voc.fit import has_xml
from labelkit.formats.voc.layout import (
    ANNOTATIONS,
    BASE_FILE,
    CLASSES,
    DEFAULT_FOLDER,
    NUMBERS_FILE,
    OBJECTS,
    SETS,
    folder_name,
    id_of,
)
from labelkit.formats.voc.list_texts import Standing, list_texts
from labelkit.formats.voc.maps import write_map
from labelkit.formats.voc.names import colormap, labelmap_text, needs_labelmap, palette
from labelkit.formats.voc.pairing import is_misleading
from labelkit.formats.voc.sets import FOLDERS, VALUES, ClassList, implied_values
from labelkit.model import Header, Record

_PIECES = ".pieces"
ClassLists = Literal["auto", "always", "never"]


def create_set(
    root: Path,
    header: Header,
    *,
    class_lists: Annotated[
        ClassLists, "Lists like Main/dog_train.txt: auto writes them where images have labels."
    ] = "auto",
) -> VocWriter:
    """A writer below an empty folder.

    class_lists: whether to write lists like ``Main/dog_train.txt``; auto writes those that the source had,
    and where images have labels of their own, those that say them.
    """
    return VocWriter(Path(root), header, class_lists)


class _Piece(msgspec.Struct):
    """What ``finish`` needs to know of a part.

    zero: whether a box of it speaks for base 0. misleading: the ids whose boxes speak for the wrong pixels.
    """

    standings: list[Standing]
    misleading: list[str]
    zero: bool = False


class VocWriter:
    """A VOC data set being written."""

    def __init__(self, root: Path, header: Header, class_lists: ClassLists) -> None:
        own = header.raw.get("voc")
        self.own: dict[str, Any] = own if isinstance(own, dict) else {}
        self.root = root
        self.header = header
        self.class_lists = class_lists
        self.folder = folder_name(self.own.get("folder")) or DEFAULT_FOLDER
        self.home = root / "VOCdevkit" / self.folder
        self.base: Base = 0 if self.own.get("base") == 0 else 1
        self._place = str(self.home)
        self._made: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.root, self.header, self.class_lists)

    def image_path(self, record: Record) -> str:
        """JPEGImages and the image's path."""
        return f"VOCdevkit/{self.folder}/JPEGImages/{record.image.path}"

    def write(self, part: int, records: Iterable[Record]) -> None:
        """Write the annotations and the PNGs of a part."""
        piece = _Piece([], [])
        for record in records:
            id_ = _checked_id(record.image.path)
            if has_xml(record):
                self._write_annotation(id_, record)
                boxes = (item.box for item in record.objects if item.box is not None)
                piece.zero = piece.zero or any(reads_as_zero(box, self.base) for box in boxes)
            self._write_maps(id_, record)
            if is_misleading(record):
                piece.misleading.append(id_)
            piece.standings.append(_standing(id_, record))
        pieces = self.root / _PIECES
        pieces.mkdir(parents=True, exist_ok=True)
        (pieces / f"{part:08}").write_bytes(msgspec.msgpack.encode(piece))

    def _write_annotation(self, id_: str, record: Record) -> None:
        own = record.raw.get("voc")
        native = own.get("xml") if isinstance(own, dict) else None
        text = native if isinstance(native, str) else None
        name = f"{ANNOTATIONS}/{id_}.xml"
        self._make(name.rpartition("/")[0])
        with open(f"{self._place}/{name}", "wb", buffering=0) as stream:  # noqa: PTH123  (no Path for each)
            stream.write(annotation_bytes(record, text, self.base, self.folder))

    def _make(self, folder: str) -> None:
        """Make a folder of the set, unless this writer has."""
        if folder not in self._made:
            (self.home / folder).mkdir(parents=True, exist_ok=True)
            self._made.add(folder)

    def _write_maps(self, id_: str, record: Record) -> None:
        if "semantic" in record.maps:
            file = self.home / CLASSES / f"{id_}.png"
            write_map(record.maps["semantic"], file, palette(self.header.categories))
        if "objects" in record.maps:
            write_map(record.maps["objects"], self.home / OBJECTS / f"{id_}.png", colormap())

    def finish(self) -> None:
        """Write the lists, labelmap.txt where it is needed, and what is true where boxes mislead."""
        pieces = self.root / _PIECES
        standings: list[Standing] = []
        misleading: list[str] = []
        zero = False
        for file in sorted(pieces.iterdir()) if pieces.exists() else ():
            piece = msgspec.msgpack.decode(file.read_bytes(), type=_Piece)
            standings += piece.standings
            misleading += piece.misleading
            zero = zero or piece.zero
        _refuse_collisions(standings)
        for folder in (ANNOTATIONS, f"{SETS}/Main"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        names = [category.name for category in self.header.categories]
        for name, text in list_texts(standings, self._native_lists(), names, self.class_lists).items():
            _write_text(self.home / SETS / f"{name}.txt", text)
        if needs_labelmap(self.header) or "labelmap" in self.own:
            _write_text(self.home / "labelmap.txt", labelmap_text(self.header))
        if zero is (self.base == 1):  # a reader would take the boxes for those of the other base
            _write_text(self.home / BASE_FILE, f"{self.base}\n")
        if misleading:
            _write_text(self.home / NUMBERS_FILE, "".join(f"{id_}\n" for id_ in misleading))
        shutil.rmtree(pieces, ignore_errors=True)

    def _native_lists(self) -> list[ClassList]:
        """The class lists that the source had, of classes that are still there."""
        names = {category.name for category in self.header.categories}
        found = []
        lists = self.own.get("lists")
        for entry in lists if isinstance(lists, list) else ():
            if isinstance(entry, list) and len(entry) == 3 and all(isinstance(text, str) for text in entry):
                item = ClassList(*entry)
                if item.category in names and _is_list_name(item.name) and item.name.startswith("Main/"):
                    found.append(item)
        return found


def _standing(id_: str, record: Record) -> Standing:
    own = record.raw.get("voc")
    native = own.get("sets") if isinstance(own, dict) else None
    return Standing(
        id=id_,
        path=record.image.path,
        xml=has_xml(record),
        pixels=bool(record.maps),
        splits=list(record.splits),
        implied=implied_values(record.objects),
        labels={label.category: VALUES[label.state] for label in record.labels},
        native=_checked_sets(native),
        moved=_moved(record),
    )


def _checked_sets(native: object) -> dict[str, list[list[Any]]] | None:
    """Native lines as the reader makes them, or None: a carrier may say anything."""
    if not isinstance(native, dict):
        return None
    for name, entries in native.items():
        if not _is_list_name(name) or not isinstance(entries, list):
            return None
        for entry in entries:
            if not isinstance(entry, list) or not entry or not _is_count(entry[0]):
                return None
            if any(not isinstance(text, str) or "\n" in text for text in entry[1:]):
                return None
    return native


def _is_list_name(name: object) -> bool:
    folder, _, stem = name.partition("/") if isinstance(name, str) else ("", "", "")
    return folder in FOLDERS and stem != "" and not any(letter in stem for letter in "/\\\0\n")


def _is_count(number: object) -> bool:
    return isinstance(number, int) and 0 <= number < 1 << 31


def _moved(record: Record) -> dict[int, int]:
    """The present number of each native object, from 1."""
    moved = {}
    for number, item in enumerate(record.objects, 1):
        own = item.raw.get("voc")
        if isinstance(own, dict) and _is_count(own.get("index")):
            moved[own["index"] + 1] = number
    return moved


def _checked_id(path: str) -> str:
    id_ = id_of(path)
    if len(id_.splitlines()) != 1:
        raise DestinationError(
            path, "a line break in the name", "a name that a list of ids can hold", "rename it"
        )
    return id_


def _refuse_collisions(standings: Iterable[Standing]) -> None:
    taken: dict[str, str] = {}
    for item in standings:
        other = taken.setdefault(str(PurePosixPath(item.id)), item.path)
        if other != item.path:
            raise DestinationError(
                item.path,
                f"the same id as {other}",
                "one image an id",
                "rename one, for VOC drops the suffix",
            )


def _write_text(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())

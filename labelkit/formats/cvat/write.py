"""Writing CVAT for images: a piece of XML a part, joined when all images are known, which numbers them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from labelkit.formats._xml import parse
from labelkit.formats.cvat.declare import Declared
from labelkit.formats.cvat.document import GAP, TAIL
from labelkit.formats.cvat.head import head_bytes
from labelkit.formats.cvat.image import NAME
from labelkit.formats.cvat.labels import LABELS, labels_json
from labelkit.formats.cvat.layout import FILE, SUFFIX, image_place
from labelkit.formats.cvat.patch import image_bytes
from labelkit.model import Header, Record

_PIECES = ".pieces"
_ID = re.compile(r"[0-9]{1,9}")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=>/]+)\s*=\s*("[^"]*"|'[^']*')""")
_NAME = len(b"<image")


class _Image(msgspec.Struct, array_like=True):
    """An image in a piece. size: of its bytes, with the gap before it. at, length: of the value of its id."""

    size: int
    at: int
    length: int
    id: str


class _Piece(msgspec.Struct):
    images: list[_Image]
    declared: Declared
    subsets: list[str]


def create_set(root: Path, header: Header) -> CvatWriter:
    """A writer below an empty folder, or of a single ``.xml`` file."""
    return CvatWriter(Path(root), header)


class CvatWriter:
    """A CVAT data set being written."""

    def __init__(self, root: Path, header: Header) -> None:
        own = header.raw.get(NAME)
        self.own: dict[str, Any] = own if isinstance(own, dict) else {}
        self.root = root
        self.header = header
        self.file = root if root.suffix == SUFFIX and not root.is_dir() else root / FILE
        self.pieces = self.file.parent / _PIECES

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.root, self.header)

    def image_path(self, record: Record) -> str:
        """In ``images/``, and there in the folder of its subset."""
        return image_place(record)

    def write(self, part: int, records: Iterable[Record]) -> None:
        """Write the images of a part, and beside them what ``finish`` needs to know of them."""
        self.pieces.mkdir(parents=True, exist_ok=True)
        declared, images, subsets = Declared(), [], dict[str, None]()
        with (self.pieces / f"{part:08}.xml").open("wb") as stream:
            for record in records:
                own = record.raw.get(NAME)
                own = own if isinstance(own, dict) else {}
                gap, native = _gap(own.get("gap")), own.get("xml")
                data = image_bytes(record, native if isinstance(native, str) else None, declared)
                images.append(_image(gap, data))
                subsets |= dict.fromkeys(record.splits)
                stream.write(gap + data)
        piece = _Piece(images, declared, list(subsets))
        (self.pieces / f"{part:08}.facts").write_bytes(msgspec.msgpack.encode(piece))

    def finish(self) -> None:
        """Join the pieces. An image keeps the id that it came with, unless one before it has the same."""
        self.pieces.mkdir(parents=True, exist_ok=True)
        facts = sorted(self.pieces.glob("*.facts"))
        needed, subsets, taken = Declared(), dict[str, None](), set[str]()
        for piece in map(_read, facts):
            needed.merge(piece.declared)
            subsets |= dict.fromkeys(piece.subsets)
            taken.update(image.id for image in piece.images if image.id)
        native, tail = self.own.get("head"), self.own.get("tail")
        ids = _Ids(taken)
        head = native if isinstance(native, str) else None
        start = head_bytes(self.header, head, needed, sorted(subsets))
        if self.file != self.root:
            (self.root / LABELS).write_bytes(labels_json(start, self.header))
        with self.file.open("wb") as stream:
            stream.write(start)
            for file in facts:
                with file.with_suffix(".xml").open("rb") as source:
                    for image in _read(file).images:
                        _copy(source, stream, image, ids.of(image.id))
            stream.write(_tail(start, tail if head is not None else None))
        shutil.rmtree(self.pieces)


class _Ids:
    """The ids of images, in order. taken: those that images came with."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.given: set[str] = set()
        self.next = 0

    def of(self, id_: str) -> str:
        """The id of the next image: its own, or if it has none the first that is free."""
        if id_ and id_ not in self.given:
            self.given.add(id_)
            return id_
        while str(self.next) in self.taken:
            self.next += 1
        self.next += 1
        return str(self.next - 1)


def _read(file: Path) -> _Piece:
    return msgspec.msgpack.decode(file.read_bytes(), type=_Piece)


def _gap(native: object) -> bytes:
    """What stood before an image, if it can stand there: a carrier may say anything."""
    if not isinstance(native, str):
        return GAP
    try:
        root = parse(f"<gap>{native}</gap>".encode())
    except ValueError:
        return GAP
    return GAP if any(child.tag in ("image", "track") for child in root.children) else native.encode()


def _tail(start: bytes, native: object) -> bytes:
    """What stood behind the last image, if it ends what starts so."""
    if not isinstance(native, str):
        return TAIL
    try:
        root = parse(start + native.encode())
    except ValueError:
        return TAIL
    return TAIL if any(child.tag in ("image", "track") for child in root.children) else native.encode()


def _image(gap: bytes, data: bytes) -> _Image:
    """Where the id of an image stands, whose bytes start with ``<image``; one without an id stays so."""
    for found in _attributes(data):
        if found[1] == b"id":
            value = found[2][1:-1].decode()
            at = len(gap) + found.start(2) + 1
            known = value if _ID.fullmatch(value) else ""
            return _Image(len(gap) + len(data), at, len(found[2]) - 2, known)
    return _Image(len(gap) + len(data), -1, 0, "")


def _attributes(data: bytes) -> Iterator[re.Match[bytes]]:
    """The attributes of the first tag, one after the other."""
    position = _NAME
    while found := _ATTRIBUTE.match(data, position):
        yield found
        position = found.end()


def _copy(source: BinaryIO, stream: BinaryIO, image: _Image, id_: str) -> None:
    data = source.read(image.size)
    if image.at < 0:
        stream.write(data)
        return
    stream.write(data[: image.at] + id_.encode() + data[image.at + image.length :])

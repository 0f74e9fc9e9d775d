"""One document as text: its keys in their order, with its images, annotations and categories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from labelkit.formats.coco.documents import name_parts
from labelkit.formats.coco.join import DocumentIds, Joined
from labelkit.formats.coco.native import Document, json_text
from labelkit.formats.coco.pieces import ANNOTATION, IMAGE, NEW_ANNOTATION

_NEW = (("info", "{}"), ("licenses", "[]"), ("images", None), ("annotations", None), ("categories", None))


def write_document(stream: BinaryIO, joined: Joined, number: int, path: Path) -> None:
    """Write the document of a number; path: where to."""
    document = joined.documents[number]
    ids = DocumentIds(joined, number)
    if document.role == "results":
        _write_list(stream, _annotations(joined, number, ids))
        stream.write(b"\n")
        return
    keys = _with_declaration(list(document.keys or _NEW), document, path)
    said = {key for key, text in keys if text is None}
    categories: list[str] = []
    if "categories" in said or document.role not in ("captions", "info"):
        categories = joined.categories(number)
    has_annotations = len(joined.rows(number, ANNOTATION)) or len(joined.rows(number, NEW_ANNOTATION))
    there = {
        "images": len(joined.new_images(number)),
        "annotations": has_annotations,
        "categories": len(categories),
    }
    keys += [(key, None) for key, count in there.items() if count and key not in said]
    for position, (key, text) in enumerate(keys):
        stream.write(b", " if position else b"{")
        stream.write(json_text(key).encode() + b": ")
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
    native = dict(keys).get("labelkit")
    if not declared or (native is not None and msgspec.json.decode(native) == declared):
        return keys
    return [*(pair for pair in keys if pair[0] != "labelkit"), ("labelkit", json_text(declared))]


def _write_list(stream: BinaryIO, items: Iterable[bytes]) -> None:
    stream.write(b"[")
    for position, item in enumerate(items):
        stream.write(b",\n" if position else b"\n")
        stream.write(item)
    stream.write(b"\n]")


def _images(joined: Joined, number: int, ids: DocumentIds) -> Iterator[bytes]:
    for row in joined.rows(number, IMAGE).tolist():
        yield joined.text(row)
    for row in joined.new_images(number).tolist():
        yield b'{"id": %b, %b' % (msgspec.json.encode(ids.of(row[6], row[5])), joined.text(row))


def _annotations(joined: Joined, number: int, ids: DocumentIds) -> Iterator[bytes]:
    document = joined.documents[number]
    for row in joined.rows(number, ANNOTATION).tolist():
        yield joined.text(row)
    role = document.role if document.role in ("labels", "stuff") else "instances"
    for row in joined.rows(number, NEW_ANNOTATION).tolist():
        image = msgspec.json.encode(ids.of(row[6], row[5]))
        if document.role == "results":
            yield b'{"image_id": %b, %b' % (image, joined.text(row))
        else:
            key = joined.serials[row[6], role] + row[2]
            yield b'{"id": %d, "image_id": %b, %b' % (key, image, joined.text(row))

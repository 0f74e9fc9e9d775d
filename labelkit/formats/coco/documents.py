"""COCO documents: which JSON files a data set has, and what each is.

A document is recognised by its content; the file's name says its split, and its role where it is empty.
Facts: FORMATS 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from labelkit.formats._files import BOM, is_file
from labelkit.formats.coco.index import LISTS, Index
from labelkit.formats.coco.native import (
    ROLES,
    Annotation,
    CategoryEntry,
    Document,
    annotation_decoder,
    category_decoder,
    is_empty,
    is_key,
)

_KIND_OF_NAME = {"person_keypoints": "keypoints", "image_info": "info"}
_SAMPLE = 100  # annotations that are looked at to tell what a document is


def json_files(path: Path) -> list[Path]:
    """The JSON files of a data set: the file itself, those in annotations/, here, or one folder below."""
    if path.is_file():
        return [path]
    for pattern in ("annotations/*.json", "*.json", "*/*.json"):
        found = sorted(file for file in path.glob(pattern) if not file.name.startswith("."))
        if found:
            return found
    return []


def name_parts(stem: str) -> tuple[str | None, str | None]:
    """Role and split that a file's stem says: ``instances_val2014`` is instances of val2014."""
    for role in ROLES:
        if stem == role:
            return role, None
        if stem.startswith(f"{role}_"):
            return role, stem[len(role) + 1 :]
    return None, None


def recognise(index: Index, root: Path) -> Document:
    """What a document is: its role by its content, its split by its name or its folder."""
    named, split = name_parts(index.path.stem)
    if named is None and index.path.name.startswith("_annotations") and index.path.parent != root:
        split = index.path.parent.name
    elif named is None and index.path.name.startswith("_annotations"):
        split = index.path.parent.name if index.path.parent.name in ("train", "valid", "test") else None
    role = _role(index, _KIND_OF_NAME.get(named, named) if named else None)
    if isinstance(index.declared.get("split"), str) and index.declared["split"]:
        split = index.declared["split"]
    if index.is_results:
        split = None
    name = index.path.relative_to(root).as_posix() if index.path.is_relative_to(root) else index.path.name
    return Document(name, role, split, tuple(index.keys))


def _role(index: Index, named: str | None) -> str:
    if index.is_results:
        return "results"
    if named == "stuff" or index.declared.get("role") == "stuff":
        return "stuff"
    seen = [item for raw in index.annotations[:_SAMPLE] if (item := _peek(raw)) is not None]
    if not seen:
        return named or "info"
    if any(len(item.segments_info) for item in seen):
        return "panoptic"
    if any(len(item.keypoints) for item in seen):
        return "keypoints"
    if any(len(item.bbox) or len(item.segmentation) for item in seen):
        return "stuff" if named != "instances" and _all_stuff(index) else "instances"
    return "captions" if any(len(item.caption) for item in seen) else "labels"


def _peek(raw: memoryview) -> Annotation | None:
    try:
        return annotation_decoder.decode(raw)
    except msgspec.DecodeError:
        return None


def _all_stuff(index: Index) -> bool:
    stuff = {
        entry.id
        for raw in index.categories
        if (entry := _category(raw)) is not None and entry.isthing in (0, False) and is_key(entry.id)
    }
    if not stuff:
        return False
    return all(
        (item := _peek(raw)) is not None
        and is_key(item.category_id)
        and item.category_id in stuff
        and not is_empty(item.segmentation)
        and bytes(item.segmentation)[:1] == b"{"
        for raw in index.annotations
    )


def _category(raw: memoryview) -> CategoryEntry | None:
    try:
        return category_decoder.decode(raw)
    except msgspec.DecodeError:
        return None


@dataclass(frozen=True)
class Looks:
    """What the first and last bytes of a file show."""

    strength: int
    reason: str


def looks(file: Path) -> Looks:
    """Whether a file looks like COCO, by its first and last bytes."""
    if not is_file(file):
        return Looks(0, f"{file.name} is no regular file")
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            head = stream.read(65536)
            stream.seek(max(0, size - 65536))
            tail = stream.read(65536)
    except OSError as error:
        return Looks(0, f"{file.name} cannot be read ({error.strerror})")
    start = head.removeprefix(BOM).lstrip()
    if start[:1] == b"[":
        is_results = b'"image_id"' in head and start[1:].lstrip()[:1] == b"{"
        return (
            Looks(2, f"{file.name} is a list of results")
            if is_results
            else Looks(0, f"{file.name} is a list")
        )
    if start[:1] != b"{":
        return Looks(0, f"{file.name} does not start as JSON")
    found = [key for key in LISTS if re.search(rb'"%b"\s*:\s*\[' % key.encode(), head + b" " + tail)]
    if not found:
        return Looks(0, f"{file.name} has neither images nor annotations")
    lacks = [key for key in LISTS if key not in found]
    reason = f"{file.name} has {' and '.join(found)}" + (
        f", but no {' and no '.join(lacks)} in sight" if lacks else ""
    )
    return Looks(2 if len(found) > 1 else 1, reason)

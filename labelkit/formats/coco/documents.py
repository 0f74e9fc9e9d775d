"""COCO documents: which JSON files a data set has, what each is, and where the annotations of an image are.

A document is recognised by its content; the file's name says its split, and its role where it is empty.
It is indexed, not parsed: an annotation stays the bytes that it is until its image is read.
Facts: FORMATS 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from labelkit.errors import FormatError
from labelkit.formats._files import BOM, json_fault, read_bytes
from labelkit.formats.coco.native import (
    ROLES,
    Annotation,
    CategoryEntry,
    Document,
    ImageEntry,
    annotation_decoder,
    category_decoder,
    is_empty,
    is_key,
)

LISTS = ("images", "annotations", "categories")
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


class _Ids(msgspec.Struct):
    id: Any = None
    image_id: Any = None


class Index:
    """One JSON file by the bytes of its images, annotations and categories.

    Raises FormatError where the file is no JSON, or not what COCO calls a document.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = read_bytes(path).removeprefix(BOM)
        if not self.data.isascii():
            self._check_utf8()
        self.keys: list[tuple[str, str | None]] = []
        self.is_results = self.data.lstrip()[:1] == b"["
        lists = {"annotations": msgspec.Raw(self.data)} if self.is_results else self._top()
        self.images = self._list(lists, "images")
        self.annotations = self._list(lists, "annotations")
        self._annotations = lists.get("annotations", msgspec.Raw(b"[]"))
        self.categories = self._list(lists, "categories")
        self.is_coco = self.is_results or "images" in lists or "annotations" in lists
        self.declared = self._declared()

    def _top(self) -> dict[str, msgspec.Raw]:
        top = self._decode(self.data, dict[str, msgspec.Raw])
        for key, raw in top.items():
            self.keys.append((key, None if key in LISTS else bytes(raw).decode()))
        return {key: top[key] for key in LISTS if key in top}

    def _list(self, lists: dict[str, msgspec.Raw], key: str) -> list[msgspec.Raw]:
        return self._decode(lists[key], list[msgspec.Raw], key) if key in lists else []

    def _decode(self, data: bytes | msgspec.Raw, type: Any, key: str = "") -> Any:
        try:
            return msgspec.json.decode(data, type=type)
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._fault(json_fault(error), key) from None

    def _fault(self, text: str, key: str) -> FormatError:
        place = f"{self.path}:{key}" if key else str(self.path)
        if "truncated" in text:
            return FormatError(
                f"{place}:byte {len(self.data)}", "the file ends too early", "a whole JSON file"
            )
        strange = re.search(rb"[:,\[]\s*(-?(?:NaN|Infinity))", self.data)
        if strange:
            word = strange[1].decode()
            return FormatError(
                f"{self.path}:byte {strange.start(1)}",
                f"{word}, which JSON does not know",
                "a finite number",
                "mend or remove that value",
            )
        return FormatError(place, text, "a JSON document of COCO")

    def _check_utf8(self) -> None:
        try:
            self.data.decode()
        except UnicodeDecodeError as error:
            raise FormatError(f"{self.path}:byte {error.start}", "not UTF-8", "UTF-8 text") from None

    def _declared(self) -> dict[str, Any]:
        """Role and split as our own writer notes them where the file's name cannot say them."""
        text = dict(self.keys).get("labelkit")
        try:
            return msgspec.json.decode(text, type=dict[str, Any]) if text else {}
        except msgspec.DecodeError:
            return {}

    def offset(self, raw: msgspec.Raw) -> int:
        """The byte at which a piece of the file starts (of several equal ones, the first)."""
        return self.data.find(bytes(raw))

    def place(self, ordinal: int) -> str:
        """The place of an annotation in words."""
        raw = self.annotations[ordinal]
        key = self.annotation_ids[ordinal]
        known = f" (id {key})" if key is not None else ""
        return f"{self.path}:annotations[{ordinal}]{known}, byte {self.offset(raw)}"

    @cached_property
    def _ids(self) -> list[_Ids]:
        def one(raw: msgspec.Raw) -> _Ids:
            try:
                return msgspec.json.decode(raw, type=_Ids)
            except msgspec.DecodeError:
                return _Ids()

        try:
            return msgspec.json.decode(self._annotations, type=list[_Ids])
        except msgspec.DecodeError:  # one is no object: find out which
            return [one(raw) for raw in self.annotations]

    @cached_property
    def annotation_ids(self) -> list[Any]:
        """The id of every annotation, or None."""
        return [item.id if is_key(item.id) else None for item in self._ids]

    @cached_property
    def repeated(self) -> frozenset[int]:
        """The ordinals of annotations whose id an earlier annotation has."""
        seen: set[Any] = set()
        again = []
        for ordinal, key in enumerate(self.annotation_ids):
            if key in seen:
                again.append(ordinal)
            elif key is not None:
                seen.add(key)
        return frozenset(again)

    @cached_property
    def image_entries(self) -> list[ImageEntry | None]:
        """The images; None where one is no object."""

        def one(raw: msgspec.Raw) -> ImageEntry | None:
            try:
                return msgspec.json.decode(raw, type=ImageEntry)
            except msgspec.DecodeError:
                return None

        return [one(raw) for raw in self.images]

    def group(self, ids: dict[Any, int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The annotations of every image: ordinals sorted by image, and where each image's start.

        ids: the position of every image id. The last group is of annotations that belong to no image.
        """
        missing = len(ids)
        owner = [ids.get(item.image_id, missing) if is_key(item.image_id) else missing for item in self._ids]
        owners = np.array(owner, dtype=np.int64)
        order = np.argsort(owners, kind="stable")
        return order, np.searchsorted(owners[order], np.arange(missing + 2))

    def forget(self) -> None:
        """Drop what only indexing needed: call it when the annotations are grouped."""
        _ = self.annotation_ids, self.repeated
        self.__dict__.pop("_ids", None)


def category_list(index: Index, known: Sequence[msgspec.Raw]) -> Iterator[tuple[CategoryEntry, str]]:
    """The categories of a document with their text.

    Raises FormatError where one is malformed, or two have one id or one name.
    """
    ids: dict[Any, int] = {}
    names: dict[str, Any] = {}
    for ordinal, raw in enumerate(known):
        place = f"{index.path}:categories[{ordinal}]"
        try:
            entry = category_decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise FormatError(place, str(error), "an object with id and name") from None
        if not is_key(entry.id) or not isinstance(entry.name, str) or not entry.name:
            raise FormatError(place, f"id {entry.id!r}, name {entry.name!r}", "an id and a name")
        if entry.id in ids:
            raise FormatError(
                place, f"id {entry.id!r} once more (as in categories[{ids[entry.id]}])", "ids once each"
            )
        if entry.name in names:
            raise FormatError(
                place,
                f"{entry.name!r} twice (ids {names[entry.name]} and {entry.id})",
                "names once each",
                "rename one, or merge them before converting",
            )
        ids[entry.id], names[entry.name] = ordinal, entry.id
        yield entry, bytes(raw).decode()


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


def _peek(raw: msgspec.Raw) -> Annotation | None:
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


def _category(raw: msgspec.Raw) -> CategoryEntry | None:
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
    if not file.is_file():
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

"""What COCO said in its own words: documents, and the entries of raw that point into them.

``Header.raw["coco"]["documents"]`` lists the documents. Everything that came from one keeps *entries*:

* ``[document, ordinal, text]``: the JSON text as it stood at that place of that document;
* ``[document, ordinal, head, tail, check]``: an annotation without its segmentation, whose text is the
  mask's own; check is its CRC-32, so that a changed mask is seen without a second copy of it.

The reader makes values from these texts and the writer compares values with them by the same functions, so
that the two cannot disagree about what a text says.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from labelkit.formats._files import safe_path
from labelkit.model import Box, Header, Mask, Object

NAME = "coco"
ROLES = ("instances", "person_keypoints", "panoptic", "stuff", "labels", "captions", "image_info")
KINDS = ("instances", "keypoints", "panoptic", "stuff", "labels", "captions", "info", "results")
Entry = list[Any]
Key = int | str | float
DEEPEST = 100  # levels of attributes; pydantic reads 200 of JSON, and writes 255
NOTHING = msgspec.Raw(b"")
_EXTRAS = {"keypoints": '"keypoints"', "captions": '"caption"'}
_SEGMENTATION = re.compile(rb'"segmentation"\s*:\s*')


@dataclass(frozen=True)
class Document:
    """One JSON file of a data set.

    name: its path below the data set's root. role: one of KINDS. keys: the top-level keys in order, with
    their native text, or None for the lists of images, annotations and categories.
    """

    name: str
    role: str
    split: str | None
    keys: tuple[tuple[str, str | None], ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "split": self.split,
            "keys": [list(pair) for pair in self.keys],
        }

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2].removesuffix(".json")


class Annotation(msgspec.Struct):
    """The keys of an annotation that mean something here; their values are judged later."""

    id: Any = None
    image_id: Any = None
    category_id: Any = None
    bbox: msgspec.Raw = NOTHING
    segmentation: msgspec.Raw = NOTHING
    iscrowd: Any = None
    score: Any = None
    attributes: Any = None
    keypoints: msgspec.Raw = NOTHING
    caption: msgspec.Raw = NOTHING
    segments_info: msgspec.Raw = NOTHING


class ImageEntry(msgspec.Struct):
    """The keys of an image."""

    id: Any = None
    file_name: Any = None
    width: Any = None
    height: Any = None


class CategoryEntry(msgspec.Struct):
    """The keys of a category."""

    id: Any = None
    name: Any = None
    supercategory: Any = None
    isthing: Any = None
    color: Any = None


class Segment(msgspec.Struct):
    """One segment of a panoptic annotation."""

    id: int
    category_id: Any
    bbox: msgspec.Raw = NOTHING
    iscrowd: Any = None


annotation_decoder = msgspec.json.Decoder(Annotation)
image_decoder = msgspec.json.Decoder(ImageEntry)
category_decoder = msgspec.json.Decoder(CategoryEntry)
_box_decoder = msgspec.json.Decoder(tuple[float, float, float, float])


# --- values from texts -----------------------------------------------------------------------------------


def box_of(raw: msgspec.Raw) -> Box | None:
    """The box, or None where there is no such key. Raises ValueError unless it is four numbers."""
    if not len(raw):
        return None
    try:
        return Box(*_box_decoder.decode(raw))
    except msgspec.DecodeError:
        text = bytes(raw).decode("utf-8", "replace")
        raise ValueError(f"bbox {text if len(text) < 60 else text[:57] + '…'}") from None


def crowd_of(value: Any) -> bool | None:
    """iscrowd as a truth value. Raises ValueError unless it is 0, 1, true, false or absent."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return value == 1
    raise ValueError(f"iscrowd {value!r}")


def score_of(value: Any) -> float | None:
    """The score; None where it is no number, and stays in the native text."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def attributes_of(value: Any) -> dict[str, Any] | None:
    """CVAT's and Datumaro's attributes; None where they are no object.

    Raises ValueError where they are nested so deeply that not everything that reads could write them.
    """
    if not isinstance(value, dict):
        return None
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return value
    raise ValueError(f"attributes nested more than {DEEPEST} deep")


def _inner(value: Any) -> Iterable[Any]:
    inner = value.values() if isinstance(value, dict) else value
    return [item for item in inner if isinstance(item, dict | list)]


def is_empty(segmentation: msgspec.Raw) -> bool:
    """Whether a segmentation says nothing: absent, null, or an empty list."""
    return len(segmentation) < 16 and bytes(segmentation).strip().replace(b" ", b"") in (b"", b"null", b"[]")


def is_key(value: Any) -> bool:
    """Whether a value can be an id: a number or a text."""
    return isinstance(value, int | str | float) and not isinstance(value, bool)


# --- entries ---------------------------------------------------------------------------------------------


def annotation_entry(document: int, ordinal: int, raw: bytes, segmentation: msgspec.Raw) -> Entry:
    """The entry of an annotation; what is said of its pixels is left to the mask."""
    if len(segmentation) and not is_empty(segmentation):
        pixels = bytes(segmentation)
        end = raw.find(b'"segmentation":') + 15  # as most write it
        if end > 15:
            end += raw[end : end + 1] == b" "
            if raw.startswith(pixels, end):
                head, tail = raw[:end], raw[end + len(pixels) :]
                return [document, ordinal, head.decode(), tail.decode(), zlib.crc32(pixels)]
        for found in _SEGMENTATION.finditer(raw):
            if raw.startswith(pixels, found.end()):
                head, tail = raw[: found.end()], raw[found.end() + len(pixels) :]
                return [document, ordinal, head.decode(), tail.decode(), zlib.crc32(pixels)]
    return [document, ordinal, raw.decode()]


def entry_text(entry: Entry, mask: Mask | None) -> str:
    """The JSON text of an entry, with the mask's text where the entry left it out."""
    if len(entry) == 3:
        return str(entry[2])
    return f"{entry[2]}{mask_text(mask).decode() if mask else '[]'}{entry[3]}"


def mask_text(mask: Mask) -> bytes:
    """A mask as COCO writes it."""
    return Mask.of(mask.shape).text if mask.text.lstrip().startswith(b'{"parts"') else mask.text


def entries_of(raw: Mapping[str, Any]) -> list[Entry]:
    """The entries of an object, a label or a map; empty where it is not from COCO."""
    found = raw.get(NAME)
    return [entry for entry in found if _is_entry(entry)] if isinstance(found, list) else []


def record_entries(raw: Mapping[str, Any], kind: str) -> list[Entry]:
    """The entries of a record: kind ``images``, or ``annotations`` for those that are no object."""
    found = raw.get(NAME)
    return entries_of({NAME: found.get(kind)}) if isinstance(found, dict) else []


def extras(value: Any) -> list[str]:
    """Keypoints and captions among the native text of an object or a record (see ``Format.extras``)."""
    entries = value.get("annotations") if isinstance(value, dict) else value
    if not isinstance(entries, list):
        return []
    texts = "\n".join(str(part) for entry in entries if _is_entry(entry) for part in entry[2:4])
    return [kind for kind, key in _EXTRAS.items() if key in texts]


def layer_entries(raw: Mapping[str, Any]) -> list[list[Entry]]:
    """The entries of each layer of a semantic map; empty where it is not from COCO."""
    found = raw.get(NAME)
    layers = found.get("layers") if isinstance(found, dict) else None
    return [entries_of({NAME: layer}) for layer in layers] if isinstance(layers, list) else []


def own_id(raw: Mapping[str, Any]) -> Any:
    """The id of an image or a category in COCO, or None."""
    found = raw.get(NAME)
    value = found.get("id") if isinstance(found, dict) else None
    return value if is_key(value) else None


def _is_entry(entry: Any) -> bool:
    if type(entry) is not list or len(entry) not in (3, 5):
        return False
    if len(entry) == 5 and not (type(entry[3]) is str and type(entry[4]) is int):
        return False
    number, ordinal, text = entry[:3]
    return type(number) is int and type(ordinal) is int and type(text) is str and number >= 0 <= ordinal


def documents_of(header: Header) -> list[Document]:
    """The documents that a header remembers; none where what it remembers is malformed.

    One that was a file by itself is placed where a folder's reader looks for it.
    """
    found = header.raw.get(NAME)
    try:
        return [_document(item) for item in found["documents"]] if isinstance(found, dict) else []
    except (KeyError, TypeError, ValueError):
        return []


def _document(item: Mapping[str, Any]) -> Document:
    keys = tuple((str(key), text) for key, text in item["keys"])
    for _, text in keys:
        if text is not None:
            json.loads(text)
    if item["role"] not in KINDS or not isinstance(item["split"], str | None):
        raise ValueError(f"role {item['role']!r}, split {item['split']!r}")
    name = safe_path(item["name"])
    if "/" not in name and item["role"] != "results":
        name = f"annotations/{name}"
    return Document(name, item["role"], item["split"], keys)


def covering(
    entries: Sequence[Entry], documents: Sequence[Document], splits: Sequence[str]
) -> tuple[list[Entry], list[str | None]]:
    """The entries whose documents hold a record of these splits, and the splits that none of them covers.

    A document without a split covers every split.
    """
    kept = [
        entry
        for entry in entries
        if entry[0] < len(documents)
        and (documents[entry[0]].split is None or documents[entry[0]].split in splits)
    ]
    held = {documents[entry[0]].split for entry in kept}
    wanted: list[str | None] = [*splits] or [None]
    return kept, [] if None in held else [split for split in wanted if split not in held]


def is_native(entries: Sequence[Entry], documents: Sequence[Document], splits: Sequence[str]) -> bool:
    """Whether documents already state this for every split of its record."""
    kept, missing = covering(entries, documents, splits)
    return bool(kept) and not missing


def patched(text: str, changes: Mapping[str, bytes | None]) -> str:
    """The text of a JSON object with some values replaced, added, or (None) removed; all else verbatim."""
    values = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    for key, value in changes.items():
        if value is None:
            values.pop(key, None)
        else:
            values[key] = msgspec.Raw(value)
    return msgspec.json.encode(values).decode()


def object_tail(values: Mapping[str, Any]) -> str:
    """A JSON object without its opening brace: ids that only ``finish`` knows are written before it."""
    return ", ".join(f"{json_text(key)}: {json_text(value)}" for key, value in values.items()) + "}"


def json_text(value: Any) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()


def is_segment(item: Object) -> bool:
    """Whether an object is a segment of a panoptic map and no annotation of its own."""
    return item.raw.get(NAME) == {"segment": True}

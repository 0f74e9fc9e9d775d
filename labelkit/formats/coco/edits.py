"""Edits of a COCO document: of the values of an annotation, in place, so that all else keeps its bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from labelkit.changes import Change, Edit, Put
from labelkit.formats._json import address
from labelkit.formats.coco.native import json_text
from labelkit.model import Mask

if TYPE_CHECKING:
    from labelkit.formats.coco.raw_document import CocoDocument

_KEYS = {"box": "bbox", "area": "area", "mask": "segmentation"}
_raws_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def change_edits(document: CocoDocument, ordinal: int, change: Change) -> Iterable[Edit]:
    """The edits that give an annotation a change; none where COCO cannot say it."""
    raw = document.index.annotations[ordinal]
    if not isinstance(change, Put):
        yield taken_out(document, raw)
        return
    said = value_of(raw, _KEYS[change.field])
    text = _text(change, said)
    if text is not None:
        yield put(document, raw, _KEYS[change.field], text)


def said_of(document: CocoDocument, ordinal: int) -> dict[str, bytes]:
    """All that an annotation says but its id, as native text."""
    keys = _raws_decoder.decode(document.index.annotations[ordinal])
    return {key: bytes(raw) for key, raw in keys.items() if key != "id"}


def put(document: CocoDocument, entry: memoryview, key: str, text: bytes) -> Edit:
    """The edit that gives an entry another value for a key, or one more key."""
    index, said = document.index, value_of(entry, key)
    if said is not None:
        start = index.offset(entry) + address(said) - address(entry)
        return Edit(index.path, start, start + len(said), text)
    end = index.offset(entry) + len(bytes(entry)[:-1].rstrip())  # before the closing brace
    comma = b", " if _raws_decoder.decode(entry) else b""
    return Edit(index.path, end, end, comma + json_text(key).encode() + b": " + text)


def taken_out(document: CocoDocument, entry: memoryview) -> Edit:
    """The edit that takes an entry out of its list."""
    start = document.index.offset(entry)
    return Edit(document.index.path, start, start + len(entry), None)


def value_of(entry: memoryview, key: str) -> msgspec.Raw | None:
    """The native text of a key's value, where it stands; None where there is no such key."""
    return _raws_decoder.decode(entry).get(key)


def _text(change: Put, said: msgspec.Raw | None) -> bytes | None:
    if change.field == "area":
        return json_text(change.value).encode()
    if change.field == "box":
        return box_text(change.value, said)
    assert isinstance(change.value, Mask)
    text = change.value.text
    return text if text[:1] == b"[" or b'"counts"' in text else None  # parts with holes, or a cell of a map


def box_text(box: Iterable[float], said: msgspec.Raw | None) -> bytes:
    """Four numbers; one that does not change keeps its digits, whole ones stay whole among whole ones."""
    try:
        native = [bytes(raw) for raw in _list_decoder.decode(said or b"[]")]
        known = [msgspec.json.decode(token, type=float) for token in native]
    except msgspec.DecodeError:
        native, known = [], []
    is_whole = all(token.lstrip(b"-").isdigit() for token in native)
    texts = []
    for place, number in enumerate(box):
        if place < len(known) and known[place] == number:
            texts.append(native[place])
        elif is_whole and float(number).is_integer():
            texts.append(b"%d" % number)
        else:
            texts.append(json_text(float(number)).encode())
    return b"[%b]" % b", ".join(texts)

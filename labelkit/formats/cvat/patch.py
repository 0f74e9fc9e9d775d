"""Writing the ``<image>`` of a record: the native text where it says so, else with just the differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelkit.errors import RecordError
from labelkit.formats._corners import decimal_of
from labelkit.formats._xml import Edit, Element, appended, apply, parse, removed, reseated, space_before, span
from labelkit.formats.cvat.annotate import (
    GAP,
    Text,
    image_attributes,
    label_text,
    map_texts,
    new_image,
    object_text,
    source_of,
    start_tag,
)
from labelkit.formats.cvat.attributes import (
    label_pairs,
    merged_pairs,
    object_pairs,
    own_pairs,
    pairs_of,
    read_attributes,
)
from labelkit.formats.cvat.declare import Declared
from labelkit.formats.cvat.image import NAME, Place, Said, SaidObject, maps_of, read_image
from labelkit.formats.cvat.shapes import CORNERS, GEOMETRY, ring_of
from labelkit.model import ImageLabel, Object, Record, SemanticMap
from labelkit.visible import map_digest, mask_digest


def image_bytes(record: Record, native: str | None, declared: Declared) -> bytes:
    """The image of a fitted record. native: the text that it was read from, if there is one.

    The ``id`` of a new image is empty: whoever knows all images fills it in.
    """
    declared.see(record)
    said = None if native is None else _said(native)
    if native is None or said is None:
        return new_image(record, {}, declared)
    data = native.encode()
    if not said.root.children and span(data, said.root)[1] == len(data):  # <image/>
        attributes = _image_attributes(said, record)
        is_empty = not (record.objects or record.labels or record.maps)
        if is_empty and attributes == said.root.attributes:
            return data
        return new_image(record, attributes, declared)
    return _patched(data, said, record, declared)


def _said(native: str) -> Said | None:
    """What a native text says; None where it is none, for a carrier may say anything."""
    try:
        data = native.encode()
        root = parse(data)
        is_image = root.tag == "image" and root.start == 0  # with nothing that only a file can start with
        return read_image(root, Place("", "", 1, 0, data), None) if is_image else None
    except (ValueError, RecordError):
        return None


def _patched(data: bytes, said: Said, record: Record, declared: Declared) -> bytes:
    root = said.root
    gap = space_before(data, root.children[0]) if root.children else GAP
    edits: list[Edit] = []
    attributes = _image_attributes(said, record)
    if attributes != root.attributes:
        start, inner, _, _ = span(data, root)
        edits.append((start, inner, start_tag("image", attributes)))
    objects = [
        (_index(item.raw), _object_bytes(data, said, record, item, gap, declared)) for item in record.objects
    ]
    labels = [(_index(item.raw), _label_bytes(data, said, item, gap, declared)) for item in record.labels]
    edits += _map_edits(data, said, record, gap, declared)
    edits += _seated(data, root, [each.element for each in said.objects], objects, gap)
    edits += _seated(data, root, [each.element for each in said.labels], labels, gap)
    return apply(data, edits)


def _seated(
    data: bytes, root: Element, seats: list[Element], items: list[tuple[int | None, bytes]], gap: bytes
) -> list[Edit]:
    """The edits that put elements where they stood, and new ones (whose index is None) behind those before.

    Where the order is another one now, they take the seats in turn.
    """
    items = [(index if index is not None and index < len(seats) else None, text) for index, text in items]
    known = [index for index, _ in items if index is not None]
    first_new = next((k for k, (index, _) in enumerate(items) if index is None), len(items))
    if known != sorted(set(known)) or (known and first_new == 0):
        return reseated(data, root, seats, [text for _, text in items], gap)
    edits = [removed(data, seat) for number, seat in enumerate(seats) if number not in known]
    if not known:
        more = b"".join(gap + text for _, text in items)
        return [*edits, appended(data, root, more)] if more else edits
    end = 0
    for index, text in items:
        if index is None:
            edits.append((end, end, gap + text))
            continue
        start, _, _, end = span(data, seats[index])
        if data[start:end] != text:
            edits.append((start, end, text))
    return edits


def _image_attributes(said: Said, record: Record) -> dict[str, str]:
    """The native attributes of an image with what is said differently now."""
    now, image = image_attributes(record), record.image
    before = {"name": said.path, "subset": said.splits, "width": said.width, "height": said.height}
    after = {"name": image.path, "subset": record.splits, "width": image.width, "height": image.height}
    changed = {name for name in before if before[name] != after[name]}
    kept = {name: text for name, text in said.root.attributes.items() if name not in changed or name in now}
    return kept | {name: text for name, text in now.items() if name in changed}


def object_edits(data: bytes, said: Said, record: Record, position: int, item: Object | None) -> list[Edit]:
    """The edits of an image that make one of its objects another, or take it out."""
    old = said.objects[position]
    if item is None:
        return [removed(data, old.element)]
    start, _, _, end = span(data, old.element)
    return [
        (start, end, _object_bytes(data, said, record, item, space_before(data, old.element), Declared()))
    ]


# --- objects -----------------------------------------------------------------------------------------------


def _index(raw: Mapping[str, Any]) -> int | None:
    """Which of the native objects (or labels) this one was, from 0."""
    own = raw.get(NAME)
    index = own.get("index") if isinstance(own, dict) else None
    return index if isinstance(index, int) and index >= 0 else None


def _object_bytes(
    data: bytes, said: Said, record: Record, item: Object, gap: bytes, declared: Declared
) -> bytes:
    index, text = _index(item.raw), object_text(record, item)
    if index is None or index >= len(said.objects):
        return _new_bytes(text, gap, declared)
    old = said.objects[index]
    same_shape = _is_same_shape(record, old.item, item)
    attributes = _object_attributes(old, item, text, same_shape=same_shape)
    native = pairs_of(old.element)
    pairs = merged_pairs(native, object_pairs(old.item), object_pairs(item))
    tag = old.element.tag if same_shape else text.tag
    return _element_bytes(data, old.element, native, Text(tag, attributes, pairs), gap, declared)


def _object_attributes(old: SaidObject, item: Object, new: Text, *, same_shape: bool) -> dict[str, str]:
    """The native attributes of an object with what is said differently now."""
    now = new.attributes
    result: dict[str, str] = {}
    for name, text in old.element.attributes.items():
        if same_shape or name not in GEOMETRY:
            result[name] = text
        elif name in now:
            result[name] = text if name in CORNERS and _is_number(text, now[name]) else now[name]
    if not same_shape:
        result |= {name: text for name, text in now.items() if name in GEOMETRY and name not in result}
    result["label"] = now["label"]
    if old.item.occluded != item.occluded:
        result["occluded"] = now["occluded"]
    if old.item.provenance != item.provenance:
        result["source"] = source_of(item.provenance)
    return result


def _is_number(text: str, now: str) -> bool:
    """Whether a corner that was read still is where it was."""
    return decimal_of(text.strip()) == decimal_of(now)


def _is_same_shape(record: Record, old: Object, item: Object) -> bool:
    if old.kind == "box" or item.kind == "box":
        return old.kind == item.kind and old.box == item.box
    if old.mask == item.mask:
        return True
    if ring_of(old.mask) is not None or ring_of(item.mask) is not None:
        return False
    try:
        return mask_digest(record, old.mask) == mask_digest(record, item.mask)
    except ValueError:  # the image has another size now
        return False


def _element_bytes(
    data: bytes, old: Element, native: list[tuple[str, str]], text: Text, gap: bytes, declared: Declared
) -> bytes:
    """An element with what changed. native: the pairs of its attribute elements."""
    start, inner, close, end = span(data, old)
    same_pairs = text.pairs == native
    if text.tag == old.tag and text.attributes == old.attributes and same_pairs:
        return data[start:end]
    is_relabelled = text.attributes["label"] != old.attributes.get("label")
    text.declare(declared, () if is_relabelled else {name for name, _ in native})
    if not same_pairs or inner == end:
        return text.lines(gap)
    return start_tag(text.tag, text.attributes) + data[inner:close] + f"</{text.tag}>".encode()


def _new_bytes(text: Text, gap: bytes, declared: Declared) -> bytes:
    text.declare(declared)
    return text.lines(gap)


# --- labels and maps ---------------------------------------------------------------------------------------


def _label_bytes(data: bytes, said: Said, label: ImageLabel, gap: bytes, declared: Declared) -> bytes:
    index, text = _index(label.raw), label_text(label)
    if index is None or index >= len(said.labels):
        return _new_bytes(text, gap, declared)
    old = said.labels[index]
    native = pairs_of(old.element)
    own = own_pairs(read_attributes(native).own)
    pairs = merged_pairs(native, label_pairs(old.item) + own, text.pairs + own)
    attributes = old.element.attributes | {"label": label.category}
    if old.item.provenance != label.provenance:
        attributes["source"] = source_of(label.provenance)
    return _element_bytes(data, old.element, native, Text("tag", attributes, pairs), gap, declared)


def _map_edits(data: bytes, said: Said, record: Record, gap: bytes, declared: Declared) -> list[Edit]:
    """What changes the pieces of maps: all of them anew where a pixel of one changed."""
    names = list(dict.fromkeys(piece.category for piece in said.pieces))
    maps = {name: item for name, item in record.maps.items() if isinstance(item, SemanticMap)}
    before, now = (
        {name: (map_digest(item), item.provenance) for name, item in each.items()}
        for each in (maps_of(said, names), maps)
    )
    if before == now:
        return []
    texts = [_new_bytes(text, gap, declared) for text in map_texts(record)]
    return reseated(data, said.root, [piece.element for piece in said.pieces], texts, gap)

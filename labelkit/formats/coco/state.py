"""One annotation as text: native where it still says what its value says, changed or new where not.

area: of polygons the sum of the absolute shoelace areas of the rings, as in all official files; of an RLE
its pixels; of a box w · h (FORMATS 1.2).
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from labelkit.formats.coco.native import (
    Annotation,
    Entry,
    annotation_decoder,
    attributes_of,
    box_of,
    crowd_of,
    entry_text,
    is_empty,
    mask_text,
    patched,
    score_of,
)
from labelkit.geometry import boxes, rle
from labelkit.model import Mask, Polygons, Record, Rle
from labelkit.pixels import shape_runs

_FIELDS = {"crowd": "iscrowd", "score": "score", "attributes": "attributes"}
_MOST = sys.float_info.max
Changes = dict[str, bytes | None]


def annotation_changes(item: Any, entries: Sequence[Entry]) -> dict[tuple[int, int], Changes]:
    """What must be changed in each entry of an object, a label or a layer, for it to say what the value says.

    Returns: by document and ordinal the keys with their new text; ``segmentation`` and ``area`` are left to
    annotation_text, and are here with an empty text where the mask or the box is not the one that was read.
    """
    said = [said_by(entry) for entry in entries]
    changes: dict[tuple[int, int], Changes] = {(entry[0], entry[1]): {} for entry in entries}
    targets = [changes[entry[0], entry[1]] for entry in entries]
    kind = getattr(item, "kind", "label")
    if kind == "label":
        _change_field(item, "score", "score", said, targets)
    elif kind != "stuff":
        for name, key in _FIELDS.items():
            _change_field(item, name, key, said, targets)
        _change_box(item, said, targets)
    if kind != "label":
        _change_mask(item, entries, said, targets)
    return changes


def said_by(entry: Entry) -> Annotation:
    """What the native text says, but for the mask."""
    return annotation_decoder.decode(_without_mask(entry))


def _without_mask(entry: Entry) -> bytes:
    return (entry[2] if len(entry) == 3 else f"{entry[2]}0{entry[3]}").encode()


def _change_field(item: Any, name: str, key: str, said: Sequence[Annotation], targets: list[Changes]) -> None:
    read = {"crowd": crowd_of, "score": score_of, "attributes": attributes_of}[name]
    known = [read(getattr(entry, key)) for entry in said]
    value = getattr(item, name, None)
    if next((v for v in known if v is not None), None) == value:
        return
    text = None if value is None else msgspec.json.encode(int(value) if name == "crowd" else value)
    holders = [target for v, target in zip(known, targets, strict=True) if v is not None]
    for target in holders or targets[:1]:
        target[key] = text


def _change_box(item: Any, said: Sequence[Annotation], targets: list[Changes]) -> None:
    for entry, target in zip(said, targets, strict=True):
        if box_of(entry.bbox) != item.box:
            target["bbox"] = None if item.box is None else msgspec.json.encode(list(item.box))
            if item.kind == "box":
                target["area"] = b""


def _change_mask(
    item: Any, entries: Sequence[Entry], said: Sequence[Annotation], targets: list[Changes]
) -> None:
    mask: Mask | None = None if item.kind == "box" else item.mask
    holders = []
    for entry, annotation, target in zip(entries, said, targets, strict=True):
        if len(entry) == 5:
            holders.append(target)
            if mask is None or zlib.crc32(mask.text) != entry[4]:
                target["segmentation"] = target["area"] = b""
        elif not is_empty(annotation.segmentation):
            holders.append(target)
            if mask is None or Mask(bytes(annotation.segmentation)) != mask:
                target["segmentation"] = target["area"] = b""
    if mask is not None and not holders:
        targets[0]["segmentation"] = targets[0]["area"] = b""


def annotation_text(
    item: Any, entry: Entry, changes: Changes, category_id: Any, record: Record
) -> tuple[Any, str]:
    """The id and the text of a native annotation with its changes."""
    mask = getattr(item, "mask", None)
    said = said_by(entry)
    changes = dict(changes)
    if said.category_id != category_id:
        changes["category_id"] = msgspec.json.encode(category_id)
    text = entry_text(entry, mask)
    if not changes:
        return said.id, text
    if "segmentation" in changes:
        changes["segmentation"] = mask_text(mask) if mask is not None else b"[]"
        if getattr(item, "kind", None) == "stuff" and len(said.bbox):
            changes["bbox"] = msgspec.json.encode(_layer_box(item))
    if "area" in changes:
        has_area = b'"area"' in _without_mask(entry)
        if has_area:
            changes["area"] = msgspec.json.encode(area(item, record))
        else:
            del changes["area"]
    return said.id, patched(text, changes) if changes else text


def new_annotation(item: Any, category_id: Any, record: Record, *, results: bool) -> dict[str, Any]:
    """The keys of a new annotation after its id and its image's: an object's, a label's or a layer's."""
    values: dict[str, Any] = {"category_id": category_id}
    if not hasattr(item, "kind"):
        return values if item.score is None else {**values, "score": item.score}
    mask = getattr(item, "mask", None)
    box = getattr(item, "box", None)
    if mask is not None or not results:
        values["segmentation"] = msgspec.Raw(mask_text(mask) if mask is not None else b"[]")
    if item.kind == "stuff":
        box = _layer_box(item)
    if box is not None:
        values["bbox"] = list(box)
    if not results:
        values["area"] = area(item, record)
    crowd = False if item.kind == "stuff" else item.crowd
    if crowd is not None:
        values["iscrowd"] = int(crowd)
    for name in ("score", "attributes"):
        if getattr(item, name, None) is not None:
            values[name] = getattr(item, name)
    return values


def area(item: Any, record: Record) -> float | int:
    """The area of an object or a layer as COCO counts it."""
    if item.kind == "box":
        return max(-_MOST, min(_MOST, float(item.box.w * item.box.h)))  # JSON has no infinity
    if item.kind == "stuff":
        return rle.area(_layer_runs(item))
    shape = item.mask.shape
    if isinstance(shape, Polygons):
        return float(sum(boxes.polygon_area(rings[0]) for rings in shape.parts if rings))
    assert isinstance(shape, Rle)  # cells were made RLEs by fit
    return rle.area(shape_runs(item.mask, *shape.size))


def _layer_box(item: Any) -> list[float]:
    return [float(number) for number in rle.extent(_layer_runs(item), item.size[0])]


def _layer_runs(item: Any) -> Any:
    return shape_runs(item.mask, *item.size)

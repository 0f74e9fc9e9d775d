"""Panoptic annotations: a PNG whose values are segments, and segments_info that says what each is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from labelkit.formats._files import safe_path
from labelkit.formats.coco.native import (
    NAME,
    Annotation,
    Entry,
    Segment,
    annotation_decoder,
    box_of,
    crowd_of,
    image_decoder,
    is_key,
    is_segment,
    patched,
)
from labelkit.map_png import save_map
from labelkit.model import Category, Cell, Header, Instance, Mask, Object, Png, Record, SemanticMap
from labelkit.pixels import map_pixels

IDS = 2**24  # what the three bytes of a pixel can say

# --- reading ---------------------------------------------------------------------------------------------


def png_name(text: bytes) -> str:
    """The PNG that an annotation names. Raises ValueError where it names none, or one outside its folder."""
    file_name = image_decoder.decode(text).file_name
    if not isinstance(file_name, str):
        raise ValueError(f"file_name {file_name!r}", "the name of a PNG")
    return safe_path(file_name)


def panoptic_map(entry: Entry, said: Annotation, png: Path, names: Mapping[Any, str]) -> SemanticMap:
    """The map of an annotation; names: of the categories by id. Raises ValueError(found, expected)."""
    classes: dict[int, str] = {}
    for segment in msgspec.json.decode(said.segments_info, type=list[Segment]):
        if not is_key(segment.category_id) or segment.category_id not in names:
            raise ValueError(f"segment {segment.id}: category_id {segment.category_id!r} is no category")
        if segment.id in classes or not 0 < segment.id < IDS:
            raise ValueError(f"segment id {segment.id}", f"ids once each, from 1 to {IDS - 1}")
        classes[segment.id] = names[segment.category_id]
    source = Png(path=str(png.absolute()), encoding="rgb24")
    return SemanticMap(source=source, classes=classes, raw={NAME: [entry]})


def segment_objects(panoptic: SemanticMap, categories: Sequence[Category]) -> list[Object]:
    """The things of a panoptic map as objects (all of its segments, where no category says isthing).

    Raises ValueError where a box or iscrowd is malformed.
    """
    known = {category.name: category.thing for category in categories}
    anything = all(thing is None for thing in known.values())
    listed = annotation_decoder.decode(panoptic.raw[NAME][0][2]).segments_info
    return [
        Instance(
            category=name,
            mask=Mask.of(Cell("panoptic", segment.id)),
            box=box_of(segment.bbox),
            crowd=crowd_of(segment.iscrowd),
            raw={NAME: {"segment": True}},
        )
        for segment in msgspec.json.decode(listed, type=list[Segment])
        if (name := panoptic.classes.get(segment.id)) is not None and (anything or known.get(name))
    ]


def is_all_segments(record: Record, panoptic: SemanticMap, header: Header) -> bool:
    """Whether the objects are just what a reader makes of the panoptic map."""
    if not all(is_segment(item) for item in record.objects):
        return False
    made = segment_objects(panoptic, header.categories)
    return len(made) == len(record.objects) and all(
        a == b.model_copy(update={"raw": a.raw}) for a, b in zip(made, record.objects, strict=True)
    )


# --- writing ---------------------------------------------------------------------------------------------


def panoptic_text(text: str, item: SemanticMap, category_id: Callable[[str], Any]) -> tuple[str, bool]:
    """The native text of an annotation as the map says it now, and whether all its segments are still there.

    category_id: gives the id of a class in the document that the text goes to.
    """
    listed = msgspec.json.decode(annotation_decoder.decode(text).segments_info, type=list[msgspec.Raw])
    texts = [bytes(raw).decode() for raw in listed]
    changed = [_segment_text(segment, item, category_id) for segment in texts]
    kept = [segment for segment in changed if segment is not None]
    if kept != texts:
        text = patched(text, {"segments_info": f"[{', '.join(kept)}]".encode()})
    return text, len(kept) == len(texts)


def _segment_text(text: str, item: SemanticMap, category_id: Callable[[str], Any]) -> str | None:
    said = msgspec.json.decode(text, type=dict[str, Any])
    name = item.classes.get(said["id"])
    if name is None:
        return None
    key = category_id(name)
    return text if said["category_id"] == key else patched(text, {"category_id": msgspec.json.encode(key)})


def write_png(item: SemanticMap, path: Path, *, whole: bool) -> None:
    """The PNG of a panoptic map: the file itself, if all of its segments are still wanted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if whole and isinstance(item.source, Png) and item.source.encoding == "rgb24":
        shutil.copyfile(item.source.path, path)
        return
    labels = map_pixels(item)
    labels = np.where(np.isin(labels, list(item.classes)), labels, 0)
    colours = np.stack([labels & 255, labels >> 8 & 255, labels >> 16], axis=-1).astype(np.uint8)
    save_map(colours, path)

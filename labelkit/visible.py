"""What a record shows: plain values, with pixels as digests. The base of ``same`` and of the carrier.

Two records are the ``same`` if they show the same: fields, masks by shape, maps by category per pixel;
never native text, the order of keys, numeric ids, or paths.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np

from labelkit.geometry import rle
from labelkit.model import Box, Header, ImageLabel, InstanceMap, Mask, Object, Polygons, Record, SemanticMap
from labelkit.pixels import Counts, cell_runs, map_pixels, mask_runs

FIELDS = (
    "crowd",
    "difficult",
    "truncated",
    "occluded",
    "pose",
    "score",
    "attributes",
    "uid",
)


def same(a: Record, b: Record) -> bool:
    """Whether two records say the same. Raises ValueError where a mask or a map cannot be decoded."""
    return visible(a) == visible(b)


def visible(record: Record) -> dict[str, Any]:
    """What a record shows, as JSON values. Raises ValueError where a mask or a map cannot be decoded."""
    shown: dict[str, Any] = {
        "size": [record.image.width, record.image.height],
        "splits": sorted(record.splits),
        "labels": [visible_label(label) for label in record.labels],
        "objects": [visible_object(record, item) for item in record.objects],
        "maps": {
            name: map_digest(item)
            for name, item in sorted(record.maps.items())
            if isinstance(item, SemanticMap)
        },
    }
    made = {
        name: item.provenance.model_dump()
        for name, item in sorted(record.maps.items())
        if isinstance(item, SemanticMap) and item.provenance
    }
    return shown | ({"provenance": made} if made else {})


def visible_label(label: ImageLabel) -> dict[str, Any]:
    """What one image label shows."""
    shown = {"category": label.category, "state": label.state, "score": label.score}
    return shown | ({"provenance": label.provenance.model_dump()} if label.provenance else {})


def visible_object(record: Record, item: Object) -> dict[str, Any]:
    """What one object of a record shows, without what it does not say."""
    shown: dict[str, Any] = {"category": item.category}
    if item.box is not None:
        shown["box"] = _plain(item.box)
    if item.kind == "instance":
        shown["mask"] = mask_digest(record, item.mask)
    for name in FIELDS:
        value = getattr(item, name)
        if value is not None:
            shown[name] = value
    if item.parts is not None:
        shown["parts"] = [[part.name, _plain(part.box)] for part in item.parts]
    if item.provenance is not None:
        shown["provenance"] = item.provenance.model_dump()
    return shown


def _plain(box: Box) -> list[float]:
    return [number + 0.0 for number in box]  # -0.0 and 0.0 are one number, but not one text


def visible_header(header: Header) -> dict[str, Any]:
    """What a header shows: categories by name, in order."""
    return {
        category.name: {
            "supercategory": category.supercategory,
            "thing": category.thing,
            "colour": list(category.colour) if category.colour else None,
        }
        for category in header.categories
    }


def mask_digest(record: Record, mask: Mask) -> str:
    """One short text for equal shapes: polygons by their numbers, all else by its pixels."""
    shape = mask.shape
    if isinstance(shape, Polygons):
        return "polygons:" + _digest(msgspec.json.encode(shape.parts))
    return "pixels:" + _runs_digest(mask_runs(record, mask))


def map_digest(item: SemanticMap) -> str:
    """One short text for maps that say the same of every pixel: its category, to be ignored, or nothing."""
    height, width = map_pixels(item).shape
    merged: dict[str, list[Counts]] = {}
    for value, runs in cell_runs(item).items():
        if value == item.ignore:
            merged.setdefault("", []).append(runs)
        elif value in item.classes:
            merged.setdefault(item.classes[value], []).append(runs)
    parts = [f"{height}x{width}"]
    parts += [f"{name}={_runs_digest(rle.union(runs))}" for name, runs in sorted(merged.items())]
    return "map:" + _digest("\n".join(parts).encode())


def _is_semantic(item: SemanticMap | InstanceMap) -> bool:
    return isinstance(item, SemanticMap)


def _runs_digest(runs: Counts) -> str:
    return _digest(np.ascontiguousarray(rle.canonical(runs), dtype="<i8").tobytes())


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=9).hexdigest()

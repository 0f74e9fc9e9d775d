"""The nearest record that COCO can hold.

Boxes, polygons and RLEs stay as they are; cells of maps become RLEs of the same pixels. What an annotation
already states in every document of its record's splits is native, and is left alone. Everything else gets
what pycocotools needs: a box, and iscrowd. Stuff is pixels of a class, and never an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from labelkit.findings import Tell
from labelkit.formats import Target
from labelkit.formats.coco.categories import with_ids
from labelkit.formats.coco.fit_maps import fitted_maps, kept_panoptic, object_runs
from labelkit.formats.coco.homes import home
from labelkit.formats.coco.native import NAME, covering, entries_of, is_native, is_segment
from labelkit.formats.coco.panoptic import is_all_segments
from labelkit.formats.coco.plan import Plan, plan_of
from labelkit.formats.coco.state import said_by
from labelkit.geometry import boxes, rle
from labelkit.model import Box, Header, Instance, Mask, Object, Polygons, Record, Rle
from labelkit.pixels import rle_mask


def adjust_header(header: Header, options: Mapping[str, Any], tell: Tell) -> Header:
    """The header with an id for every category."""
    categories = with_ids(header.categories)
    changed = any(new is not old for new, old in zip(categories, header.categories, strict=True))
    return header.model_copy(update={"categories": categories}) if changed else header


def adjust(record: Record, target: Target, ordinal: int, tell: Tell) -> Record:
    """The record as COCO can hold it. Raises ValueError where a mask or a map cannot be decoded."""
    plan = plan_of(target.header)
    splits = _splits(record, tell)
    update: dict[str, Any] = {} if splits == record.splits else {"splits": splits}
    record = record.model_copy(update=update) if update else record
    panoptic = kept_panoptic(record, plan)
    if panoptic is not None and is_all_segments(record, panoptic, target.header):
        objects = record.objects
        stuff: list[Instance] = []
    else:
        objects, stuff = _objects(record, plan, tell)
    labels = _ordered(record.labels, "labels", plan, splits)
    maps = fitted_maps(record, plan, panoptic, objects, stuff, target.asked, tell)
    if objects == record.objects and labels == record.labels and maps == record.maps:
        return record
    return record.model_copy(update={"objects": objects, "labels": labels, "maps": maps})


def _splits(record: Record, tell: Tell) -> tuple[str, ...]:
    """The splits that can be part of a file's name, in the order in which files are read."""
    place = record.image.path
    good = {split for split in record.splits if _is_file_name(split)}
    for split in dict.fromkeys(record.splits):
        if split not in good:
            tell("LOS110", place, f"split {split!r} cannot be part of a file's name")
    splits = tuple(sorted(good))
    if splits != record.splits and good == set(record.splits):
        tell("LOS206", place, f"splits are read in the order {', '.join(splits)}")
    return splits


def _is_file_name(split: str) -> bool:
    return bool(split) and not split.startswith(".") and not set(split) & set("/\\\0:")


# --- objects ---------------------------------------------------------------------------------------------


def _objects(record: Record, plan: Plan, tell: Tell) -> tuple[tuple[Object, ...], list[Instance]]:
    """The objects that annotations can hold, and the stuff among them that they cannot."""
    kept: list[Object] = []
    stuff: list[Instance] = []
    made_crowd = 0
    for position, item in enumerate(record.objects, 1):
        place = f"{record.image.path}:object {position}"
        native = is_native(entries_of(item.raw), plan.documents, record.splits)
        if item.category in plan.stuff and not native:
            tell("LOS101", place, f"{item.category!r} is stuff, which COCO has as pixels and not as objects")
            stuff += [item] if item.kind == "instance" else []
            continue
        unsaid = _unsaid(item, plan, record.splits) if native else ("iscrowd", "bbox")
        fitted = _shaped(record, item, place, native=native and "bbox" not in unsaid, tell=tell)
        if fitted is None:
            continue
        if fitted.crowd is None and "iscrowd" in unsaid and not plan.results_only:
            fitted = fitted.model_copy(update={"crowd": False})
            made_crowd += 1
        kept.append(fitted)
    if made_crowd:
        message = "COCO's evaluation needs an area and iscrowd: the shape's area and 0 are written"
        tell("LOS305", record.image.path, message, count=made_crowd)
    ordered = _ordered(tuple(kept), "instances", plan, record.splits)
    if any(a is not b for a, b in zip(ordered, kept, strict=True)):
        tell("LOS206", record.image.path, "objects that documents state already come before new ones")
    same = len(ordered) == len(record.objects) and all(
        a is b for a, b in zip(ordered, record.objects, strict=True)
    )
    return record.objects if same else ordered, stuff


def _unsaid(item: Object, plan: Plan, splits: Sequence[str]) -> tuple[str, ...]:
    """Keys that the native text has and the object has not: a carrier took back what had been derived.

    They are derived again, so that a data set stays as it is when it is converted once more.
    """
    if item.crowd is not None and item.box is not None:
        return ()
    kept, _ = covering(entries_of(item.raw), plan.documents, splits)
    said = [said_by(entry) for entry in kept]
    crowd = item.crowd is None and any(text.iscrowd is not None for text in said)
    box = item.box is None and any(len(text.bbox) for text in said)
    return ("iscrowd",) * crowd + ("bbox",) * box


def _shaped(record: Record, item: Object, place: str, *, native: bool, tell: Tell) -> Object | None:
    """The object with a mask that COCO can write and a box; None where no pixel of it is visible."""
    if item.kind == "box":
        return item
    start = item.mask.text.lstrip()[:1]
    if native and (start == b"[" or b'"counts"' in item.mask.text):
        return item
    item = _freed(item)
    shape = item.mask.shape
    update: dict[str, Any] = {}
    extent: tuple[float, float, float, float]
    if isinstance(shape, Polygons) and all(len(rings) == 1 for rings in shape.parts):
        rings = [rings[0] for rings in shape.parts]
        extent = boxes.polygon_extent(rings)
        hidden = not any(len(ring) >= 2 for ring in rings)
        if start != b"[":
            update["mask"] = Mask.of(shape)
    else:
        runs, height, width = object_runs(record, item)
        extent = rle.extent(runs, height)
        hidden = rle.area(runs) == 0
        if not isinstance(shape, Rle):
            update["mask"] = rle_mask(runs, height, width)
        if isinstance(shape, Polygons) and not hidden:
            tell("LOS201", place, "COCO's polygons have no holes: the same pixels become an RLE")
    if hidden:
        tell("LOS101", place, "no pixel of the object is visible")
        return None
    if item.box is None:
        update["box"] = Box(*(float(number) for number in extent))
        tell("LOS301", place, "the box is the extent of the shape")
    return item.model_copy(update=update) if update else item


def _freed(item: Instance) -> Instance:
    """The object without the mark of a panoptic segment, which it is no longer."""
    if not is_segment(item):
        return item
    return item.model_copy(update={"raw": {key: value for key, value in item.raw.items() if key != NAME}})


def _ordered(items: tuple[Any, ...], role: str, plan: Plan, splits: Sequence[str]) -> tuple[Any, ...]:
    """Objects or labels in the order in which they will be read: by document, then by their place in it."""
    if not items:
        return items
    split = splits[0] if splits else None
    found = home(plan.documents, role, split)
    new = (plan.documents[found].name if isinstance(found, int) else found.name, float("inf"))

    def place(item: Any) -> tuple[str, float]:
        kept, _ = covering(entries_of(item.raw), plan.documents, splits)
        return min(((plan.documents[e[0]].name, float(e[1])) for e in kept), default=new)

    places = [place(item) for item in items]
    if all(a <= b for a, b in pairwise(places)):
        return items
    order = sorted(range(len(items)), key=lambda k: (places[k], k))
    return tuple(items[k] for k in order)

"""The nearest record that COCO can hold.

Boxes, polygons and RLEs stay as they are; cells of maps become RLEs of the same pixels. What an annotation
already states in every document of its record's splits is native, and is left alone. Everything else gets
what pycocotools needs: a box, and iscrowd. Stuff is pixels of a class, and never an object.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from labelkit.findings import Tell
from labelkit.formats import Target
from labelkit.formats.coco.native import (
    NAME,
    Document,
    Entry,
    covering,
    documents_of,
    entries_of,
    home,
    is_native,
    is_segment,
    layer_entries,
    map_values,
    with_ids,
)
from labelkit.formats.coco.read import segment_objects
from labelkit.formats.coco.state import said_by
from labelkit.geometry import boxes, rle
from labelkit.model import (
    Box,
    Header,
    Instance,
    InstanceMap,
    Layer,
    Layers,
    Mask,
    Object,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import Counts, cell_runs, layer_runs, map_pixels, mask_runs, rle_mask

# What raw says of a map that adjust made: it has the form that the writer needs.
BUILT: dict[str, Any] = {"layers": []}


@dataclass(frozen=True)
class Plan:
    """What a header means for its records."""

    documents: list[Document]
    stuff: frozenset[str]
    values: dict[str, int]
    results_only: bool


_last_plan: list[tuple[Header, Plan]] = []


def plan_of(header: Header) -> Plan:
    """The plan of a header; the last one is remembered."""
    for known, plan in _last_plan:
        if known is header:
            return plan
    documents = documents_of(header)
    plan = Plan(
        documents=documents,
        stuff=frozenset(category.name for category in header.categories if category.thing is False),
        values=map_values(header.categories),
        results_only=bool(documents) and all(document.role == "results" for document in documents),
    )
    _last_plan[:] = [(header, plan)]
    return plan


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
    panoptic = _kept_panoptic(record, plan)
    if panoptic is not None and is_all_segments(record, panoptic, target.header):
        objects = record.objects
        stuff: list[Instance] = []
    else:
        objects, stuff = _objects(record, plan, tell)
    labels = _ordered(record.labels, "labels", plan, splits)
    maps = _maps(record, plan, panoptic, objects, stuff, tell)
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
        runs, height, width = _runs(record, item)
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


def _runs(record: Record, item: Instance) -> tuple[Counts, int, int]:
    shape = item.mask.shape
    runs = mask_runs(record, item.mask)
    if isinstance(shape, Rle):
        return runs, *shape.size
    if not isinstance(shape, Polygons):
        height, width = map_pixels(record.maps[shape.map]).shape
        return runs, height, width
    assert record.image.height is not None and record.image.width is not None  # mask_runs saw to that
    return runs, record.image.height, record.image.width


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


# --- maps ------------------------------------------------------------------------------------------------


def _kept_panoptic(record: Record, plan: Plan) -> SemanticMap | None:
    """The panoptic map, if a document has it and its segments."""
    item = record.maps.get("panoptic")
    if not isinstance(item, SemanticMap):
        return None
    entries = entries_of(item.raw)
    return item if item.classes and is_native(entries, plan.documents, record.splits) else None


def is_all_segments(record: Record, panoptic: SemanticMap, header: Header) -> bool:
    """Whether the objects are just what a reader makes of the panoptic map."""
    if not all(is_segment(item) for item in record.objects):
        return False
    made = segment_objects(panoptic, header.categories)
    return len(made) == len(record.objects) and all(
        a == b.model_copy(update={"raw": a.raw}) for a, b in zip(made, record.objects, strict=True)
    )


def _maps(
    record: Record,
    plan: Plan,
    panoptic: SemanticMap | None,
    objects: Sequence[Object],
    stuff: Sequence[Instance],
    tell: Tell,
) -> dict[str, SemanticMap | InstanceMap]:
    maps: dict[str, SemanticMap | InstanceMap] = {}
    semantic = record.maps.get("semantic")
    if isinstance(semantic, SemanticMap):
        kept = _semantic(record, semantic, plan, objects, tell)
        if kept is not None:
            maps["semantic"] = kept
    elif stuff:
        made = _stuff_map(record, stuff, plan)
        if made is not None:
            maps["semantic"] = made
            tell("LOS302", record.image.path, "a stuff map, made from the objects of stuff classes")
    other = record.maps.get("panoptic")
    if panoptic is not None:
        maps["panoptic"] = panoptic
    elif isinstance(other, SemanticMap):
        kept_classes = "" if "semantic" in record.maps else "; the pixels of their classes are kept"
        tell("LOS103", record.image.path, f"panoptic segments that no COCO document has{kept_classes}")
        if "semantic" not in record.maps and "semantic" not in maps:
            built = _built(record, other, plan)
            if built is not None:
                maps["semantic"] = built
    for name, item in record.maps.items():
        strange = name not in ("semantic", "panoptic", "objects")
        if strange or (name != "objects" and isinstance(item, InstanceMap)):
            tell("LOS103", record.image.path, f"map {name!r} has no place in COCO")
    order = [name for name in record.maps if name in maps]
    return {name: maps[name] for name in [*order, *(name for name in maps if name not in order)]}


def _semantic(
    record: Record, item: SemanticMap, plan: Plan, objects: Sequence[Object], tell: Tell
) -> SemanticMap | None:
    place = record.image.path
    entries = layer_entries(item.raw)
    source = item.source
    if isinstance(source, Layers) and source.rule == "coco" and item.ignore is None and NAME in item.raw:
        native = 0 < len(entries) <= len(source.layers) and all(
            not known or is_native(known, plan.documents, record.splits) for known in entries
        )
        if native or item.raw[NAME] == BUILT:
            return _without_unwanted(item, source, entries)
    built = _built(record, item, plan)
    runs = cell_runs(item)
    if item.ignore is not None and item.ignore in runs and rle.area(runs[item.ignore]):
        number = rle.area(runs[item.ignore])
        tell("LOS106", place, f"{number} pixels are to be ignored, which COCO's stuff cannot say")
    if built is None:
        tell("LOS103", place, "a semantic map in which no pixel has a class")
    elif _is_implied(record, item, objects):
        tell("LOS114", place, "the semantic map says no more than the objects do")
        return None
    return built


def _without_unwanted(
    item: SemanticMap, source: Layers, entries: Sequence[list[Entry]]
) -> SemanticMap | None:
    """The map without the layers of classes that were not selected, and of those that an edit emptied.

    Layers that an edit added come after those that documents state.
    """
    known = [*entries, *([] for _ in source.layers[len(entries) :])]
    keep = [
        k
        for k, layer in enumerate(source.layers)
        if layer.value in item.classes and not _is_emptied(layer, known[k], source)
    ]
    if len(keep) == len(source.layers) and len(entries) in (0, len(source.layers)):
        return item
    if not keep:
        return None
    layers = source.model_copy(update={"layers": tuple(source.layers[k] for k in keep)})
    raw = {**item.raw, NAME: {"layers": [known[k] for k in keep]} if entries else BUILT}
    return item.model_copy(update={"source": layers, "raw": raw})


def _is_emptied(layer: Layer, entries: Sequence[Entry], source: Layers) -> bool:
    """Whether a document states pixels of a layer that has none any more."""
    checks = [entry[4] for entry in entries if len(entry) == 5]
    return (
        bool(checks) and zlib.crc32(layer.mask.text) not in checks and not rle.area(layer_runs(layer, source))
    )


def _class_runs(item: SemanticMap) -> dict[str, Counts]:
    """The pixels of every class, those to be ignored apart."""
    found: dict[str, list[Counts]] = {}
    for value, runs in cell_runs(item).items():
        name = item.classes.get(value)
        if name is not None and value != item.ignore and rle.area(runs):
            found.setdefault(name, []).append(runs)
    return {name: rle.union(runs) for name, runs in found.items()}


def _built(record: Record, item: SemanticMap, plan: Plan) -> SemanticMap | None:
    """The map as one RLE for every class that it shows; None where it shows none."""
    runs = _class_runs(item)
    if not runs:
        return None
    height, width = map_pixels(item).shape
    return _as_map(runs, plan, height, width, item.raw)


def _as_map(
    runs: Mapping[str, Counts], plan: Plan, height: int, width: int, raw: dict[str, Any]
) -> SemanticMap:
    unknown = next((name for name in runs if name not in plan.values), None)
    if unknown is not None:
        raise ValueError(f"a map of class {unknown!r}, which the data set's categories lack")
    shown = sorted(runs, key=lambda name: plan.values[name])
    layers = tuple(Layer(value=plan.values[name], mask=rle_mask(runs[name], height, width)) for name in shown)
    return SemanticMap(
        source=Layers(height=height, width=width, layers=layers),
        classes={plan.values[name]: name for name in shown},
        raw={**raw, NAME: _known_layers(raw, layers)},
    )


def _known_layers(raw: Mapping[str, Any], layers: Sequence[Layer]) -> dict[str, Any]:
    """The native text of layers that came out again as a document states them, pixel for pixel."""
    stated = {entry[4]: known for known in layer_entries(raw) for entry in known if len(entry) == 5}
    known = [stated.get(zlib.crc32(layer.mask.text), []) for layer in layers]
    return {"layers": known} if any(known) else BUILT


def _stuff_map(record: Record, stuff: Sequence[Instance], plan: Plan) -> SemanticMap | None:
    """The pixels of objects of stuff classes, later over earlier."""
    pieces = [(plan.values[item.category], *_runs(record, item)) for item in stuff]
    names = {plan.values[item.category]: item.category for item in stuff}
    _, _, height, width = pieces[0]
    painted = rle.from_labels(rle.paint([(value, runs) for value, runs, _, _ in pieces], height, width))
    runs = {names[value]: counts for value, counts in painted.items() if value in names and rle.area(counts)}
    return _as_map(runs, plan, height, width, {}) if runs else None


def _is_implied(record: Record, item: SemanticMap, objects: Sequence[Object]) -> bool:
    """Whether a map shows the objects' classes where objects are, and nothing elsewhere, void apart."""
    said = _class_runs(item)
    claimed: dict[str, list[Counts]] = {}
    for known in objects:
        if known.kind == "instance":
            claimed.setdefault(known.category, []).append(mask_runs(record, known.mask))
    if not set(said) <= set(claimed):
        return False
    unions = {name: rle.union(runs) for name, runs in claimed.items()}
    if any(rle.area(rle.minus(runs, unions[name])) for name, runs in said.items()):
        return False
    everything = rle.union(list(unions.values()))
    silent = rle.minus(everything, rle.union(list(said.values())))
    void = cell_runs(item).get(item.ignore) if item.ignore is not None else None
    if void is not None:
        silent = rle.minus(silent, void)
    return not np.any(silent[1::2])

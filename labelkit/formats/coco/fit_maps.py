"""The nearest maps that COCO can hold: stuff as one RLE a class, and panoptic maps that a document has."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from labelkit.findings import Tell
from labelkit.formats.coco.native import NAME, Entry, entries_of, is_native, layer_entries
from labelkit.formats.coco.plan import Plan
from labelkit.geometry import rle
from labelkit.implied_maps import class_runs, is_implied
from labelkit.model import (
    Instance,
    InstanceMap,
    Layer,
    Layers,
    Object,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import Counts, cell_runs, layer_runs, map_pixels, mask_runs, rle_mask

# What raw says of a map that adjust made: it has the form that the writer needs.
BUILT: dict[str, Any] = {"layers": []}


def kept_panoptic(record: Record, plan: Plan) -> SemanticMap | None:
    """The panoptic map, if a document has it and its segments."""
    item = record.maps.get("panoptic")
    if not isinstance(item, SemanticMap):
        return None
    entries = entries_of(item.raw)
    return item if item.classes and is_native(entries, plan.documents, record.splits) else None


def fitted_maps(
    record: Record,
    plan: Plan,
    panoptic: SemanticMap | None,
    objects: Sequence[Object],
    stuff: Sequence[Instance],
    asked: Collection[str],
    tell: Tell,
) -> dict[str, SemanticMap | InstanceMap]:
    """The maps that COCO can hold. asked: the label types that are written also where objects imply them."""
    maps: dict[str, SemanticMap | InstanceMap] = {}
    semantic = record.maps.get("semantic")
    if isinstance(semantic, SemanticMap):
        implying = () if "semantic" in asked else objects
        kept = _semantic(record, semantic, plan, implying, tell)
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
    elif is_implied(record, item, objects):
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


def _built(record: Record, item: SemanticMap, plan: Plan) -> SemanticMap | None:
    """The map as one RLE for every class that it shows; None where it shows none."""
    runs = class_runs(item)
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
    pieces = [(plan.values[item.category], *object_runs(record, item)) for item in stuff]
    names = {plan.values[item.category]: item.category for item in stuff}
    _, _, height, width = pieces[0]
    painted = rle.from_labels(rle.paint([(value, runs) for value, runs, _, _ in pieces], height, width))
    runs = {names[value]: counts for value, counts in painted.items() if value in names and rle.area(counts)}
    return _as_map(runs, plan, height, width, {}) if runs else None


def object_runs(record: Record, item: Instance) -> tuple[Counts, int, int]:
    """The pixels of an object, and the height and width they are in."""
    shape = item.mask.shape
    runs = mask_runs(record, item.mask)
    if isinstance(shape, Rle):
        return runs, *shape.size
    if not isinstance(shape, Polygons):
        height, width = map_pixels(record.maps[shape.map]).shape
        return runs, height, width
    assert record.image.height is not None and record.image.width is not None  # mask_runs saw to that
    return runs, record.image.height, record.image.width

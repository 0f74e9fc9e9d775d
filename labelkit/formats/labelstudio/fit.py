"""The nearest record that Label Studio can hold.

Boxes stay boxes; a polygon of one ring stays a polygon; all other pixels become a brush's, exactly. A map of
classes becomes a layer a class. Labels are in the order in which they are read: those of the annotation, then
those of predictions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from labelkit.findings import Tell
from labelkit.formats import Target
from labelkit.formats.labelstudio.config import said_by, writable
from labelkit.formats.labelstudio.frame import (
    Homes,
    choices_control,
    frame_of,
    native_config,
)
from labelkit.formats.labelstudio.native import NAME
from labelkit.formats.labelstudio.percent import to_percent
from labelkit.geometry import rle
from labelkit.model import (
    Header,
    ImageLabel,
    Layer,
    Layers,
    Object,
    PixelMap,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import Counts, cell_runs, map_pixels, mask_runs, rle_mask


def adjust_header(header: Header, options: Mapping[str, Any], tell: Tell) -> Header:
    """The header with the classes that a configuration can list, and the native one if it lists just them."""
    kept = tuple(category for category in header.categories if writable(category.name))
    for category in header.categories:
        if not writable(category.name):
            tell("LOS104", f"category {category.name!r}", "a name that no labelling configuration can list")
    update: dict[str, Any] = {} if len(kept) == len(header.categories) else {"categories": kept}
    native = native_config(header)
    if native.text is not None and native.classes != said_by(kept):
        tell("LOS108", "header", "the labelling configuration is made anew, for other classes than it has")
        controls = [[control.kind, control.name, control.to_name] for control in native.controls]
        said = {"controls": controls, "image": native.image, "key": native.key}
        update["raw"] = {**header.raw, NAME: said}
    return header.model_copy(update=update) if update else header


def adjust(record: Record, target: Target, ordinal: int, tell: Tell) -> Record:
    """The record as Label Studio can hold it. Raises ValueError where a mask or a map cannot be decoded."""
    names = {category.name: value for value, category in enumerate(target.header.categories, 1)}
    objects = [
        fitted
        for position, item in enumerate(record.objects, 1)
        if (fitted := _object(record, item, names, f"{record.image.path}:object {position}", tell))
        is not None
    ]
    labels = _labels(record, target.header, names, tell)
    maps = _maps(record, names, tell)
    return _ordered(record, objects, labels, maps, target.header, tell)


def _ordered(
    record: Record,
    objects: Sequence[Object],
    labels: Sequence[ImageLabel],
    maps: dict[str, PixelMap],
    header: Header,
    tell: Tell,
) -> Record:
    """The record with its labels in the order of their homes."""
    homes = Homes(frame_of(record))
    at_home = sorted([(homes.of_object(item), place) for place, item in enumerate(objects)])
    config = native_config(header)
    rooms: list[tuple[Any, str]] = []
    for label in labels:
        room = homes.of_label(label), choices_control(label, config).name
        if room not in rooms:
            rooms.append(room)
    rooms.sort(key=lambda room: room[0])
    chosen = sorted(
        labels, key=lambda label: rooms.index((homes.of_label(label), choices_control(label, config).name))
    )
    order = [place for _, place in at_home]
    if order != sorted(order) or any(a is not b for a, b in zip(chosen, labels, strict=True)):
        tell("LOS206", record.image.path, "what waits for review comes after what does not, by who made it")
    ordered = tuple(objects[place] for place in order)
    if ordered == record.objects and tuple(chosen) == record.labels and maps == record.maps:
        return record
    return record.model_copy(update={"objects": ordered, "labels": tuple(chosen), "maps": maps})


# --- objects -----------------------------------------------------------------------------------------------


def _object(record: Record, item: Object, names: Mapping[str, int], place: str, tell: Tell) -> Object | None:
    width, height = record.image.width, record.image.height
    if item.category not in names:
        tell("LOS104", place, f"class {item.category!r}, which no labelling configuration can list")
        return None
    if width is None or height is None:
        tell("LOS101", place, "the size of the image is not known, and Label Studio counts in percents of it")
        return None
    if item.kind == "box":
        if _can_be_percent(item.box, width, height):
            return item
        tell("LOS101", place, "a number too large for a percent")
        return None
    update: dict[str, Any] = {}
    shape = item.mask.shape
    if not _is_ring(shape, width, height) and not isinstance(shape, Rle):
        update["mask"] = rle_mask(mask_runs(record, item.mask), height, width)
        if isinstance(shape, Polygons):
            text = "a polygon in Label Studio is one ring: the same pixels become those of a brush"
            tell("LOS201", place, text)
    if item.box is not None:
        update["box"] = None
        tell("LOS109", place, "Label Studio states no box beside the pixels")
    return item.model_copy(update=update) if update else item


def _is_ring(shape: object, width: int, height: int) -> bool:
    if not isinstance(shape, Polygons) or len(shape.parts) != 1 or len(shape.parts[0]) != 1:
        return False
    ring = shape.parts[0][0]
    return len(ring) % 2 == 0 and _can_be_percent(ring, width, height)


def _can_be_percent(numbers: Sequence[float], width: int, height: int) -> bool:
    side = min(width, height)
    return all(math.isfinite(to_percent(number, side)) for number in numbers)


# --- labels and maps ---------------------------------------------------------------------------------------


def _labels(record: Record, header: Header, names: Mapping[str, int], tell: Tell) -> list[ImageLabel]:
    """The labels that choices can say: each class once in a control."""
    config = native_config(header)
    kept: list[ImageLabel] = []
    seen: set[tuple[str, str]] = set()
    for label in record.labels:
        if label.state != "present":
            kept.append(label)  # told by whoever drops what the format does not carry
            continue
        key = choices_control(label, config).name, label.category
        if label.category not in names:
            text = f"label {label.category!r}, which no labelling configuration can list"
            tell("LOS104", record.image.path, text)
        elif key in seen:
            tell("LOS102", record.image.path, f"label {label.category!r} once more")
        else:
            kept.append(label)
            seen.add(key)
    return kept


def _maps(record: Record, names: Mapping[str, int], tell: Tell) -> dict[str, PixelMap]:
    maps: dict[str, PixelMap] = {}
    for name, item in record.maps.items():
        if (
            name == "semantic"
            and isinstance(item, SemanticMap)
            and record.image.width
            and record.image.height
        ):
            fitted = item if _is_layered(item, names) else _layered(record, item, names, tell)
            if fitted is not None:
                maps[name] = fitted
        elif isinstance(item, SemanticMap):
            unsized = "" if name != "semantic" else ": the size of the image is not known"
            tell("LOS103", record.image.path, f"map {name!r} has no place in Label Studio{unsized}")
    return maps


def _is_layered(item: SemanticMap, names: Mapping[str, int]) -> bool:
    """Whether each layer of a map can be a region as it is."""
    source = item.source
    if not isinstance(source, Layers) or source.rule != "coco" or not source.layers:
        return False
    if any(names.get(name) != value for value, name in item.classes.items()):
        return False
    known = {*item.classes, item.ignore}
    used = {layer.value for layer in source.layers}
    size = source.height, source.width
    shapes = [layer.mask.shape for layer in source.layers]
    return used == known - {None} and all(isinstance(each, Rle) and each.size == size for each in shapes)


def _layered(record: Record, item: SemanticMap, names: Mapping[str, int], tell: Tell) -> SemanticMap | None:
    """The map as one layer a class, in the order of the classes, and one of what is to be ignored."""
    place = f"{record.image.path}:map semantic"
    height, width = map_pixels(item).shape
    ignore = len(names) + 1
    runs: dict[int, list[Counts]] = {}
    strange: set[str] = set()
    for value, counts in cell_runs(item).items():
        name = item.classes.get(value)
        if value == item.ignore:
            runs.setdefault(ignore, []).append(counts)
        elif name is not None and name in names:
            runs.setdefault(names[name], []).append(counts)
        elif name is not None:
            strange.add(name)
    for name in sorted(strange):
        tell("LOS104", place, f"class {name!r}, which no labelling configuration can list")
    if not runs:
        tell("LOS103", place, "a semantic map in which no pixel has a class")
        return None
    layers = tuple(
        Layer(value=value, mask=rle_mask(rle.union(counts), height, width))
        for value, counts in sorted(runs.items())
    )
    shown = {value: name for name, value in names.items() if value in runs}
    return item.model_copy(
        update={
            "source": Layers(height=height, width=width, layers=layers),
            "classes": shown,
            "ignore": ignore if ignore in runs else None,
            "raw": {name: kept for name, kept in item.raw.items() if name != NAME},
        }
    )

"""Which state of this format a record is in, hence whether it can be written as it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, TypeAlias

from labelkit.formats.cityscapes.pngs import (
    OF_CLASSES,
    OF_OBJECTS,
    classes_of,
    first_of,
    ignored,
    is_known,
    is_object_value,
    kind_of,
    label_of,
)
from labelkit.formats.cityscapes.scene import (
    OBJECTS,
    SEMANTIC,
    is_painted,
    layers_digest,
    native_polygon,
)
from labelkit.formats.cityscapes.table import BY_NAME, CLASSES, PER_CLASS, can_be_crowd, native
from labelkit.model import (
    Cell,
    Instance,
    InstanceMap,
    Layers,
    Mask,
    Object,
    Png,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)

State: TypeAlias = Literal["scene", "mixed", "pixels", "nothing"]


def state(record: Record) -> State | None:
    """Which state of this format the record is in, or None where it is in none and must be fitted."""
    if record.image.width is None or record.image.height is None:
        return "nothing" if not record.objects and not record.maps else None
    if set(record.maps) - {OBJECTS, SEMANTIC} or not all(_is_plain(item) for item in record.objects):
        return None
    files = native(record.raw).get("files")
    if files is not None and "polygons" not in files:
        return "pixels" if _is_pixels(record, files) else None
    if _is_scene(record):
        return "scene"
    return "mixed" if files is not None and _is_mixed(record) else None


def _is_plain(item: Object) -> bool:
    return (
        isinstance(item, Instance)
        and item.category in BY_NAME
        and (item.crowd is None or (item.crowd and can_be_crowd(item.category)))
        and item.box is None
    )


def _objects_map(record: Record) -> InstanceMap | None:
    item = record.maps.get(OBJECTS)
    return item if isinstance(item, InstanceMap) and item.ignore is None else None


def _cells(record: Record) -> list[int] | None:
    """The values of the objects' cells, or None where a mask is no cell of the map "objects"."""
    values = []
    for item in record.objects:
        shape = item.mask.shape if isinstance(item, Instance) else None
        if not isinstance(shape, Cell) or shape.map != OBJECTS:
            return None
        values.append(shape.value)
    return values


def _is_numbered(record: Record) -> bool:
    return _cells(record) == list(range(1, len(record.objects) + 1))


def _fits(layers: Layers, record: Record) -> bool:
    return (layers.width, layers.height) == (record.image.width, record.image.height)


def _is_scene(record: Record) -> bool:
    item = _objects_map(record)
    if item is None or not isinstance(item.source, Layers) or item.source.rule == "coco":
        return False
    layers = item.source
    painted = [k for k, each in enumerate(record.objects, 1) if is_painted(each.category)]
    return (
        _fits(layers, record)
        and _is_numbered(record)
        and [layer.value for layer in layers.layers] == painted
        and all(_is_ring(layer.mask) for layer in layers.layers)
        and all(is_painted(each.category) or native_polygon(each) is not None for each in record.objects)
        and all("value" not in native(each.raw) for each in record.objects)
        and (is_scene_semantic(record) or _is_native_semantic(record, "labelIds"))
    )


def _is_ring(mask: Mask) -> bool:
    shape = mask.shape
    return isinstance(shape, Polygons) and len(shape.parts) == 1 and len(shape.parts[0]) == 1


def is_scene_semantic(record: Record) -> bool:
    """Whether the semantic map is painted from the same polygons as the map "objects"."""
    item, objects = record.maps.get(SEMANTIC), record.maps.get(OBJECTS)
    if not isinstance(item, SemanticMap) or item.classes != CLASSES or item.ignore is not None:
        return False
    ours, theirs = item.source, objects.source if objects else None
    return (
        isinstance(ours, Layers)
        and isinstance(theirs, Layers)
        and (ours.rule, ours.height, ours.width) == (theirs.rule, theirs.height, theirs.width)
        and len(ours.layers) == len(theirs.layers)
        and all(
            one.mask.text == other.mask.text
            and one.value == BY_NAME[record.objects[other.value - 1].category].id
            for one, other in zip(ours.layers, theirs.layers, strict=True)
        )
    )


def _is_native_semantic(record: Record, *origins: str) -> bool:
    """Whether the semantic map is, pixel by pixel, one of the given files of this format."""
    item = record.maps.get(SEMANTIC)
    if not isinstance(item, SemanticMap):
        return False
    own = native(item.raw)
    origin, files = own.get("from"), native(record.raw).get("files")
    if origin not in origins or (files is not None and origin not in files):
        return False
    return (
        item.classes == classes_of(origin, own.get("values", []))
        and item.ignore == ignored(origin)
        and is_native_source(item.source, origin, record)
    )


def is_native_source(source: Png | Layers, kind: str, record: Record) -> bool:
    """Whether a map's pixels have the values of that file: the file itself, or layers made from it."""
    if isinstance(source, Png):
        return kind_of(source) == kind
    return _fits(source, record) and all(is_known(kind, layer.value) for layer in source.layers)


def _is_mixed(record: Record) -> bool:
    item = _objects_map(record)
    if item is None or not isinstance(item.source, Layers):
        return False
    own = native(item.raw)
    polygons = [each for each in record.objects if "value" not in native(each.raw)]
    return (
        own.get("objects") == len(record.objects)
        and own.get("polygons") == len(polygons)
        and own.get("digest") == layers_digest(item.source)
        and _fits(item.source, record)
        and _is_numbered(record)
        and all(native_polygon(each) is not None for each in polygons)
        and all(
            _is_value_of(native(each.raw)["value"], each, "instanceIds")
            for each in record.objects
            if "value" in native(each.raw)
        )
        and _is_native_semantic(record, "labelIds", "instanceIds")
    )


def _is_pixels(record: Record, files: Collection[str]) -> bool:
    classes, kind = first_of(OF_CLASSES, files), first_of(OF_OBJECTS, files)
    if classes is None or not _is_native_semantic(record, classes):
        return False
    if kind is None or OBJECTS not in record.maps:
        return kind is None and OBJECTS not in record.maps and not record.objects
    cells, item = _cells(record), _objects_map(record)
    if item is None or cells is None:
        return False
    return (
        cells == native(item.raw).get("values")
        and all(_is_value_of(value, each, kind) for value, each in zip(cells, record.objects, strict=True))
        and is_native_source(item.source, kind, record)
        and (isinstance(item.source, Png) or _shows_only(item.source, cells, kind))
    )


def _is_value_of(value: int, item: Object, kind: str) -> bool:
    label = label_of(kind, value)
    return label is not None and label.name == item.category and bool(item.crowd) == (value < PER_CLASS)


def _shows_only(layers: Layers, cells: Sequence[int], kind: str) -> bool:
    """Whether the objects that a reader would find in these layers are those of the cells."""
    found = [layer.value for layer in layers.layers if is_object_value(kind, layer.value)]
    return sorted(found) == sorted(cells) and all(isinstance(x.mask.shape, Rle) for x in layers.layers)

"""The scene: polygons painted back to front, and how records hold it.

A record of this format is in one of three states; ``state`` says which, and every one is written as it is:

* ``scene``: the map "objects" is painted from one polygon an object, object k (from 1) with value k, in the
  order of the file. The polygons say all there is; the PNGs are their rendering.
* ``mixed``: polygons and PNGs disagreed and the PNGs won. The map "objects" is painted from run lengths, the
  polygons are native text. It stays mixed only as long as nothing of it is changed.
* ``pixels``: there are no polygons. The map "objects" is instanceIds itself, if there is such a file.

A license plate has an id below 0 and is never painted: its object has no pixel, its polygon is native text.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np

from labelkit.formats.cityscapes.table import (
    BY_NAME,
    CLASSES,
    PER_CLASS,
    can_be_crowd,
    class_of,
    label_text,
    native,
    official_values,
)
from labelkit.model import (
    Cell,
    Instance,
    InstanceMap,
    Layer,
    Layers,
    Mask,
    Object,
    Png,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import Labels, source_pixels

Rule: TypeAlias = Literal["official", "pillow"]
Number: TypeAlias = int | float
State: TypeAlias = Literal["scene", "mixed", "pixels", "nothing"]
OBJECTS, SEMANTIC, PANOPTIC = "objects", "semantic", "panoptic"


class Poly(msgspec.Struct):
    """An object of the JSON, as far as it is understood. Unknown keys stay in its native text."""

    label: str
    polygon: list[tuple[Number, Number]]
    deleted: Any = 0


def ring_mask(points: Sequence[Sequence[Number]]) -> Mask:
    """The mask of one polygon. Whole numbers stay whole."""
    return Mask(msgspec.json.encode([[number for point in points for number in point]]))


def ring_points(mask: Mask) -> list[list[Number]]:
    """The points of ring_mask, whole numbers as ints."""
    shape = mask.shape
    assert isinstance(shape, Polygons)
    flat = [int(number) if number == int(number) else number for number in shape.parts[0][0]]
    return [[x, y] for x, y in zip(flat[0::2], flat[1::2], strict=True)]


def is_painted(category: str) -> bool:
    """Whether polygons of this class are painted (a license plate is not)."""
    return BY_NAME[category].id >= 0


def scene_layers(
    categories: Sequence[str], rings: Sequence[Mask | None], size: tuple[int, int], rule: Rule
) -> tuple[Layers, Layers]:
    """The maps "objects" and "semantic" that polygons in paint order make.

    Args: rings: None for what is not painted. size: height, width.
    """
    painted = [(k, mask) for k, mask in enumerate(rings, 1) if mask is not None]
    height, width = size
    objects = tuple(Layer(value=k, mask=mask) for k, mask in painted)
    classes = tuple(Layer(value=BY_NAME[categories[k - 1]].id, mask=mask) for k, mask in painted)
    return (
        Layers(height=height, width=width, layers=objects, rule=rule),
        Layers(height=height, width=width, layers=classes, rule=rule),
    )


def object_values(objects: Sequence[Object]) -> list[int]:
    """The instanceIds value of each object: the official one, or its native one if it has no polygon."""
    counted = [item for item in objects if "value" not in native(item.raw)]
    official = iter(official_values((item.category, item.crowd) for item in counted))
    return [native(item.raw)["value"] if "value" in native(item.raw) else next(official) for item in objects]


def layers_digest(layers: Layers) -> str:
    """A short text for the layers of a map, to see later that they are still the same."""
    texts = b"\n".join(b"%d %s" % (layer.value, layer.mask.text) for layer in layers.layers)
    return blake2b(texts, digest_size=9).hexdigest()


# --- recognising what can be written as it is --------------------------------------------------------------


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
    if not isinstance(item, SemanticMap) or item.ignore is not None:
        return False
    origin = native(item.raw).get("from")
    files = native(record.raw).get("files")
    if origin not in origins or (files is not None and origin not in files):
        return False
    if origin == "labelIds" and item.classes != CLASSES:
        return False
    if origin == "instanceIds" and item.classes != value_classes(native(item.raw).get("values", [])):
        return False
    return is_native_source(item.source, origin, record)


def value_classes(values: Sequence[int]) -> dict[int, str]:
    """What instanceIds values mean as a semantic map."""
    found = {value: class_of(value) for value in values}
    return {value: label.name for value, label in found.items() if label is not None and label.id > 0}


def is_native_source(source: Png | Layers, kind: str, record: Record) -> bool:
    """Whether a map's pixels have the values of that file: the file itself, or layers made from it."""
    if isinstance(source, Png):
        return source.encoding == "index" and source.path.endswith(f"_{kind}.png")
    values = [layer.value for layer in source.layers]
    known = [class_of(value) is not None for value in values]
    if kind == "labelIds":
        known = [value in CLASSES or value == 0 for value in values]
    return _fits(source, record) and all(known)


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
            _is_value_of(native(each.raw)["value"], each)
            for each in record.objects
            if "value" in native(each.raw)
        )
        and _is_native_semantic(record, "labelIds", "instanceIds")
    )


def _is_pixels(record: Record, files: Sequence[str]) -> bool:
    cells, item = _cells(record), _objects_map(record)
    if OBJECTS not in record.maps:
        return "instanceIds" not in files and not record.objects and _is_native_semantic(record, "labelIds")
    if item is None or cells is None or "instanceIds" not in files:
        return False
    return (
        cells == native(item.raw).get("values")
        and all(_is_value_of(value, each) for value, each in zip(cells, record.objects, strict=True))
        and is_native_source(item.source, "instanceIds", record)
        and (isinstance(item.source, Png) or _shows_only(item.source, cells))
        and _is_native_semantic(record, "labelIds", "instanceIds")
    )


def _is_value_of(value: int, item: Object) -> bool:
    label = class_of(value)
    return label is not None and label.name == item.category and bool(item.crowd) == (value < PER_CLASS)


def _shows_only(layers: Layers, cells: Sequence[int]) -> bool:
    """Whether the objects that a reader would find in these layers are those of the cells."""
    found = [layer.value for layer in layers.layers if is_object_value(layer.value)]
    return sorted(found) == sorted(cells) and all(isinstance(x.mask.shape, Rle) for x in layers.layers)


def is_object_value(value: int) -> bool:
    """Whether an instanceIds value is an object where there are no polygons: an instance or a crowd."""
    label = class_of(value)
    return label is not None and label.has_instances


# --- native text -------------------------------------------------------------------------------------------


def native_poly(item: Object) -> Poly | None:
    """The native text of an object, parsed; None where there is none that this format has written."""
    text = native(item.raw).get("text")
    if not text:
        return None
    try:
        poly = msgspec.json.decode(text, type=Poly)
    except msgspec.DecodeError:
        return None
    return None if poly.deleted else poly


def native_polygon(item: Object) -> Mask | None:
    """The native polygon of an object whose class and crowd are still those of the text."""
    poly = native_poly(item)
    if poly is None or poly.label != label_text(item.category, item.crowd):
        return None
    return ring_mask(poly.polygon)


# --- pixels ------------------------------------------------------------------------------------------------


def semantic_ids(record: Record) -> Labels:
    """labelIds of a record: the class id of every pixel of its semantic map, by name; else 0."""
    item = record.maps[SEMANTIC]
    assert isinstance(item, SemanticMap)
    pixels = source_pixels(item.source)
    if item.classes == CLASSES:
        return np.where((pixels >= 0) & (pixels <= max(CLASSES)), pixels, 0).astype(np.int32)
    table = {value: BY_NAME[name].id for value, name in item.classes.items() if name in BY_NAME}
    return mapped(pixels, table)


def mapped(pixels: Labels, table: dict[int, int]) -> Labels:
    """Pixels by a table of values; values that are not in it become 0. A result below 0 becomes 0 as well."""
    if not table:
        return np.zeros_like(pixels)
    known = np.array(sorted(table), dtype=np.int32)
    new = np.array([max(table[int(value)], 0) for value in known], dtype=np.int32)
    place = np.searchsorted(known, pixels).clip(0, known.size - 1)
    return np.where(known[place] == pixels, new[place], 0).astype(np.int32)


def scene_values(record: Record) -> Labels:
    """instanceIds of a record in state ``scene``."""
    item = record.maps[OBJECTS]
    values = np.array([0, *object_values(record.objects)], dtype=np.int32)
    return values[source_pixels(item.source)]


def mixed_base(record: Record, objects: Layers) -> Labels:
    """instanceIds as far as objects and the semantic map give them: objects first, elsewhere the class id."""
    values = np.array([0, *object_values(record.objects)], dtype=np.int32)
    owners = source_pixels(objects)
    return np.where(owners > 0, values[owners], semantic_ids(record)).astype(np.int32)


def cell_values(pixels: Labels) -> dict[int, int]:
    """How many pixels each value has that occurs, in rising order of values."""
    if pixels.size and int(pixels.min()) >= 0 and int(pixels.max()) < 1 << 16:
        counts = np.bincount(pixels.ravel())
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    values, times = np.unique(pixels, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, times, strict=True)}

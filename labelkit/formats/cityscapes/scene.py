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
    label_text,
    native,
    official_values,
)
from labelkit.model import (
    Layer,
    Layers,
    Mask,
    Object,
    Polygons,
    Record,
    SemanticMap,
)
from labelkit.pixels import Labels, source_pixels

Rule: TypeAlias = Literal["official", "pillow"]
Number: TypeAlias = int | float
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

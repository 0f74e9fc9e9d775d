"""Whose each pixel is where instanceIds and the polygons disagree, and what is left over then."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelkit.formats.cityscapes.pngs import is_object_value
from labelkit.formats.cityscapes.scene import OBJECTS, object_values
from labelkit.formats.cityscapes.table import PER_CLASS
from labelkit.geometry import rle
from labelkit.model import Layer, Layers, Record
from labelkit.pixels import Labels, layer_runs, rle_mask, source_pixels, value_counts


def owners_of(record: Record, scene: Labels, shown: Labels) -> tuple[Labels, list[int]]:
    """Which object owns each pixel of instanceIds, and the values that no polygon speaks for."""
    numbers = object_values(record.objects)
    added = [v for v in value_counts(shown) if is_object_value("instanceIds", v) and v not in numbers]
    by_value = {v: k for k, v in enumerate(numbers, 1) if v >= PER_CLASS}
    by_value |= {v: len(record.objects) + k for k, v in enumerate(added, 1)}
    table = np.zeros(1 << 16, dtype=np.int32)
    table[list(by_value)] = list(by_value.values())
    layers = record.maps[OBJECTS].source
    assert isinstance(layers, Layers)
    owners: Labels = np.where(scene == shown, source_pixels(layers), table[shown])
    left = (owners == 0) & (scene != shown)
    for value in value_counts(shown[left]):
        same_class = [layer for layer in layers.layers if numbers[layer.value - 1] == value]
        if value < PER_CLASS and same_class:
            runs = [(layer.value, layer_runs(layer, layers)) for layer in same_class]
            over = rle.paint(runs, *shown.shape)
            owners = np.where(left & (shown == value), over, owners)
    return owners.astype(np.int32), added


def as_rle_layers(owners: Labels) -> Layers:
    height, width = owners.shape
    cells = rle.from_labels(owners)
    layers = tuple(
        Layer(value=k, mask=rle_mask(runs, height, width)) for k, runs in sorted(cells.items()) if k
    )
    return Layers(height=height, width=width, layers=layers)


def strays_of(base: Labels, shown: Labels) -> list[list[Any]]:
    """Where instanceIds differs from what objects and classes give: [value given, value shown, runs]."""
    both = np.where(base == shown, -1, base.astype(np.int64) * (1 << 16) + shown)
    return [
        [code >> 16, code & 0xFFFF, rle.encode_text(runs)]
        for code, runs in rle.from_labels(both).items()
        if code >= 0
    ]

"""Semantic maps compared and merged pixel by pixel, for the carrier.

A pixel says one of three things: a class, that it is to be ignored (written ""), or nothing (None).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry import rle
from labelkit.model import InstanceMap, Layer, Layers, SemanticMap
from labelkit.pixels import Counts, as_layers, cell_runs, map_pixels, rle_mask

VOID = ""
Said = str | None
Difference = tuple[Said, str]  # what is shown, and where it is another thing: a compressed RLE
_Codes = NDArray[np.int32]


def differences(source: SemanticMap, shown: SemanticMap) -> list[Difference]:
    """What is shown where it is not what the source says; nothing where the sizes differ."""
    names: dict[Said, int] = {None: 0}
    before, after = _codes(source, names), _codes(shown, names)
    if before.shape != after.shape:
        return []
    different = np.where(before != after, after + 1, 0).astype(np.int32)
    said = list(names)
    return [
        (said[code - 1], rle.encode_text(runs))
        for code, runs in sorted(rle.from_labels(different).items())
        if code
    ]


def merge_map(source: SemanticMap, shown: Sequence[Difference], now: SemanticMap) -> SemanticMap:
    """The source's map, but for the pixels where ``now`` says something else than was shown.

    shown: ``differences`` of the source and what was shown. Layers of classes whose pixels did not change
    stay as they are, in their places; a class that is gone keeps an empty layer, a new one comes last.
    Raises ValueError where a run does not have the map's size.
    """
    names: dict[Said, int] = {None: 0}
    before, after = _codes(source, names), _codes(now, names)
    if before.shape != after.shape:
        return now
    height, width = before.shape
    then = before.copy()
    for said, text in shown:
        runs = rle.decode_text(text)
        rle.check(runs, height, width)
        then[rle.decode_mask(runs, height, width).astype(bool)] = names.setdefault(said, len(names))
    wanted = np.where(after != then, after, before).astype(np.int32)
    return _with_pixels(source, wanted, list(names))


def without_cells(item: InstanceMap, values: set[int]) -> InstanceMap:
    """The map without the pixels of these values; one that is painted from outlines is left alone."""
    source = item.source
    if not isinstance(source, Layers) or source.rule != "coco":
        return item
    kept = tuple(layer for layer in source.layers if layer.value not in values)
    if len(kept) == len(source.layers):
        return item
    return item.model_copy(update={"source": source.model_copy(update={"layers": kept})})


def _codes(item: SemanticMap, names: dict[Said, int]) -> _Codes:
    """What each pixel says as a number; ``names`` grows by what was not said before."""
    pixels = map_pixels(item)
    codes = np.zeros(pixels.shape, dtype=np.int32)
    for value in sorted(cell_runs(item)):
        said = VOID if value == item.ignore else item.classes.get(value)
        if said is not None:
            codes[pixels == value] = names.setdefault(said, len(names))
    return codes


def _with_pixels(source: SemanticMap, wanted: _Codes, names: Sequence[Said]) -> SemanticMap:
    """The map with other pixels, in its own layers where they can say it, else in flat ones."""
    values = _values(source, names)
    ignore = source.ignore if source.ignore is not None else values.get(VOID)
    classes = {value: name for name, value in values.items() if name != VOID}
    update = {"classes": {**classes, **source.classes}, "ignore": ignore}
    runs = {str(names[code]): found for code, found in rle.from_labels(wanted).items() if code}
    layers = _layers(source, runs, values)
    kept = source.model_copy(update={**update, "source": layers})
    if np.array_equal(_codes(kept, dict(zip(names, range(len(names)), strict=True))), wanted):
        return kept
    height, width = wanted.shape
    flat = tuple(
        Layer(value=values[name], mask=rle_mask(found, height, width)) for name, found in runs.items()
    )
    return source.model_copy(update={**update, "source": Layers(height=height, width=width, layers=flat)})


def _values(source: SemanticMap, names: Sequence[Said]) -> dict[str, int]:
    """The value of everything that is said: the source's first, then numbers that are free."""
    values: dict[str, int] = {}
    for value, name in source.classes.items():
        values.setdefault(name, value)
    if source.ignore is not None:
        values[VOID] = source.ignore
    free = max((0, *cell_runs(source), *values.values())) + 1
    for said in names:
        if said is not None and said not in values:
            values[said] = free
            free += 1
    return values


def _layers(source: SemanticMap, runs: Mapping[str, Counts], values: Mapping[str, int]) -> Layers:
    own = source.source if isinstance(source.source, Layers) else as_layers(source)
    if own.rule != "coco":
        own = as_layers(source)
    height, width = own.height, own.width
    nothing = np.array([height * width], dtype=np.int64)
    before = cell_runs(source)
    layers: list[Layer] = []
    found: set[str] = set()
    for layer in own.layers:
        if layer.value != source.ignore and layer.value not in source.classes:
            layers.append(layer)
            continue
        name = VOID if layer.value == source.ignore else source.classes[layer.value]
        mine = runs.get(name, nothing)
        several = sum(other == name for other in source.classes.values()) > 1
        was = before.get(layer.value, nothing)
        if several:  # panoptic segments of one class: each keeps what is left of it
            kept = rle.minus(was, rle.minus(was, mine))
            gone = rle.area(kept) != rle.area(was)
            layers.append(_with_mask(layer, kept, height, width) if gone else layer)
        elif name in found:
            layers.append(layer)
        else:
            same = np.array_equal(rle.canonical(was), rle.canonical(mine))
            layers.append(layer if same else _with_mask(layer, mine, height, width))
            found.add(name)
    painted = {layer.value for layer in layers}
    layers += [
        Layer(value=values[name], mask=rle_mask(mine, height, width))
        for name, mine in runs.items()
        if values[name] not in painted
    ]
    return Layers(height=height, width=width, layers=tuple(layers))


def _with_mask(layer: Layer, runs: Counts, height: int, width: int) -> Layer:
    return layer.model_copy(update={"mask": rle_mask(runs, height, width)})

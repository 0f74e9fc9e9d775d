"""Semantic maps that say no more than the objects of their image do, as some formats always write them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelkit.geometry import rle
from labelkit.model import Object, Record, SemanticMap
from labelkit.pixels import Counts, cell_runs, mask_runs


def is_implied(record: Record, item: SemanticMap, objects: Sequence[Object]) -> bool:
    """Whether a map shows the objects' classes where objects are, and nothing elsewhere, void apart.

    record: with the objects' maps. objects: those that are meant; boxes imply nothing.
    Raises ValueError where a mask or the map cannot be decoded, or they are of different sizes.
    """
    said = class_runs(item)
    claimed: dict[str, list[Counts]] = {}
    for known in objects:
        if known.kind == "instance":
            claimed.setdefault(known.category, []).append(mask_runs(record, known.mask))
    if not claimed or not set(said) <= set(claimed):
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


def class_runs(item: SemanticMap) -> dict[str, Counts]:
    """The pixels of every class, those to be ignored apart."""
    found: dict[str, list[Counts]] = {}
    for value, runs in cell_runs(item).items():
        name = item.classes.get(value)
        if name is not None and value != item.ignore and rle.area(runs):
            found.setdefault(name, []).append(runs)
    return {name: rle.union(runs) for name, runs in found.items()}

"""Statistics for programs: one JSON document.

``source``, ``format``, ``unreadable`` (errors on the way), ``has_pixels`` (whether masks and maps were
decoded), ``chosen`` (the splits that were asked for), and

* ``all`` and ``splits`` (by name; "" for images in none): ``images``, ``empty_images`` (without any label),
  ``objects``, ``crowds``, ``mask_pixels``, ``map_pixels``;
* ``classes``, in the order of the data set: ``name``; ``all`` and ``splits``, each with ``images`` (that have
  the class in any way), ``objects``, ``crowds`` (of these), ``mask_pixels``, ``map_images``, ``map_pixels``,
  ``present``, ``absent``, ``uncertain`` (image labels); ``sizes``, ``areas``, ``aspects``;
* ``sizes``: objects that are ``small`` (below 32 x 32 pixels), ``medium``, ``large`` (from 96 x 96 on) or
  ``unknown``; ``areas`` in pixels, ``aspects`` (width / height), ``per_image`` (objects an image): ``count``,
  ``mean``, ``quantiles`` (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1, by name) and a histogram: ``edges``, of which
  there is one more than of its ``counts``;
* ``together``: pairs of classes that share images: ``classes``, ``images``, most first.

A number that nothing says is null, and an empty list where there are none. Masks and maps that were not
decoded have 0 pixels.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, TextIO

from labelkit.statistics import QUANTILES, ClassStatistics, Spread, Statistics


def write(statistics: Statistics, stream: TextIO) -> None:
    """One document."""
    json.dump(as_json(statistics), stream, indent=2, ensure_ascii=False)
    stream.write("\n")


def as_json(statistics: Statistics) -> dict[str, Any]:
    """The document as JSON values."""
    return {
        "source": statistics.source,
        "format": statistics.format,
        "unreadable": statistics.unreadable,
        "has_pixels": statistics.has_pixels,
        "chosen": list(statistics.chosen),
        "all": asdict(statistics.all),
        "splits": {name: asdict(split) for name, split in statistics.splits.items()},
        "sizes": asdict(statistics.sizes),
        "areas": _spread(statistics.areas),
        "aspects": _spread(statistics.aspects),
        "per_image": _spread(statistics.per_image),
        "classes": [_class(each) for each in statistics.classes],
        "together": [{"classes": [a, b], "images": images} for a, b, images in statistics.together],
    }


def _class(each: ClassStatistics) -> dict[str, Any]:
    return {
        "name": each.name,
        "all": asdict(each.all),
        "splits": {name: asdict(counts) for name, counts in each.splits.items()},
        "sizes": asdict(each.sizes),
        "areas": _spread(each.areas),
        "aspects": _spread(each.aspects),
    }


def _spread(spread: Spread) -> dict[str, Any]:
    quantiles = dict(zip((f"{q:g}" for q in QUANTILES), spread.quantiles, strict=False))
    return {
        "count": spread.count,
        "mean": spread.mean,
        "quantiles": quantiles,
        "edges": list(spread.edges),
        "counts": list(spread.counts),
    }

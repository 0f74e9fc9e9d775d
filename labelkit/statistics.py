"""Counting a data set: images, objects, labels and pixels of each class and split; sizes, shapes, company.

The area of an object is the one that its file states, else the pixels of its mask, else those of its box.
Small is below 32 x 32 pixels, large from 96 x 96 on (COCO's evaluation). A quantile of areas or of aspect
ratios is that of numpy, interpolated. Objects of no known class count for their image and split only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.dataset import source_format
from labelkit.errors import LabelkitError, UsageError
from labelkit.inspection import check_options, inspect, opened
from labelkit.model import Header, Record
from labelkit.survey import Survey
from labelkit.surveying import SurveyBuilder
from labelkit.table import Floats, Table
from labelkit.tally import STATES, Tally, tally_of

SMALL, LARGE = 32**2, 96**2  # areas; source: pycocotools' Params.areaRng
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_ABSURD = 1e18  # of an area, or of an aspect ratio
_BINS_A_DOUBLING = 2  # of histograms of areas and aspect ratios
_IMAGES_AT_ONCE = 4096  # whose classes are multiplied


@dataclass(frozen=True)
class Spread:
    """How numbers are spread. quantiles: those of ``QUANTILES``. edges, counts: a histogram."""

    count: int = 0
    mean: float | None = None
    quantiles: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def median(self) -> float | None:
        """Half of the numbers are below."""
        return self.quantiles[QUANTILES.index(0.5)] if self.quantiles else None


@dataclass(frozen=True)
class Sizes:
    """Objects by their area; unknown where neither an area nor a shape is known."""

    small: int = 0
    medium: int = 0
    large: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class Counts:
    """What there is of something.

    images: with an object, a present label, or a pixel in a map. objects: crowds too. crowds: of these.
    mask_pixels: of the objects' masks, overlaps counted twice. map_images, map_pixels: in label maps.
    present, absent, uncertain: image labels.
    """

    images: int = 0
    objects: int = 0
    crowds: int = 0
    mask_pixels: int = 0
    map_images: int = 0
    map_pixels: int = 0
    present: int = 0
    absent: int = 0
    uncertain: int = 0


@dataclass(frozen=True)
class ClassStatistics:
    """A class: what there is of it, altogether and in each split, and its objects' sizes and shapes."""

    name: str
    all: Counts
    splits: Mapping[str, Counts]
    sizes: Sizes
    areas: Spread
    aspects: Spread


@dataclass(frozen=True)
class SplitStatistics:
    """A split, or the whole. empty_images: without any label."""

    images: int
    empty_images: int
    objects: int
    crowds: int
    mask_pixels: int
    map_pixels: int


@dataclass(frozen=True)
class Statistics:
    """A data set in numbers.

    unreadable: how many errors there were on the way; what they speak of is not counted. has_pixels: whether
    masks and maps were decoded. chosen: the splits that were asked for; empty if all. splits: by name, "" for
    images in none. classes: in the order of the data set. per_image: objects an image. together: classes that
    share images, with how many, most first.
    """

    source: str
    format: str
    unreadable: int
    has_pixels: bool
    chosen: tuple[str, ...]
    all: SplitStatistics
    splits: Mapping[str, SplitStatistics]
    classes: Sequence[ClassStatistics]
    sizes: Sizes
    areas: Spread
    aspects: Spread
    per_image: Spread
    together: Sequence[tuple[str, str, int]]


def statistics(
    source: str | Path,
    *,
    format: str | None = None,
    splits: Collection[str] = (),
    pixels: bool = True,
    images_dir: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Statistics:
    """Count a data set.

    format: its name; detected if not said. splits: count images in one of these only; all if empty. pixels:
    whether masks and maps are decoded. images_dir, options: for reading, as ``validate`` has them.

    Raises UsageError: no format fits, an option is unknown, or there is no such split. LabelkitError: nothing
    can be read. What cannot be read of a set is left out, and counted.
    """
    path = Path(source)
    origin = source_format(path, format)
    check_options(origin, options or {})
    builder, header = SurveyBuilder(origin.confirms), Header()
    errors: list[LabelkitError] = []
    for item in opened(inspect(path, origin, Path(images_dir) if images_dir else None, options or {})):
        if isinstance(item, Header):
            header = item
        elif isinstance(item, Table):
            builder.add_table(item, item.mask_areas() if pixels else None)
        elif isinstance(item, Record):
            builder.add_record(item, is_decoded=pixels)
        elif isinstance(item, LabelkitError):
            errors.append(item)
    if errors and not builder.images:
        raise errors[0]
    survey = builder.finish(path, origin.name, header)
    return _statistics(survey, splits, unreadable=len(errors), has_pixels=pixels)


def _statistics(survey: Survey, splits: Collection[str], *, unreadable: int, has_pixels: bool) -> Statistics:
    """Count what a survey shows."""
    known = list(dict.fromkeys(split for row in survey.images for split in row.splits))
    for split in splits:
        if split not in known:
            there = ", ".join(known) or "none, for the data set has no splits"
            raise UsageError("--split", f"no split {split!r}", f"one of {there}")
    tally = tally_of(survey, known, splits)
    names = list(survey.examples)
    rows = tally.kept[tally.owner]
    classes = [_class_statistics(tally, position, name) for position, name in enumerate(names)]
    return Statistics(
        source=str(survey.root),
        format=survey.format,
        unreadable=unreadable,
        has_pixels=has_pixels,
        chosen=tuple(splits),
        all=_split_statistics(tally, tally.kept),
        splits={split: _split_statistics(tally, member) for split, member in tally.groups.items()},
        classes=classes,
        sizes=_sizes(tally.area[rows]),
        areas=_spread(tally.area[rows], doubling=True),
        aspects=_spread(tally.aspect[rows], doubling=True),
        per_image=_spread(tally.per_image[tally.kept].astype(np.float64)),
        together=_together(tally, names),
    )


def _class_statistics(tally: Tally, code: int, name: str) -> ClassStatistics:
    rows = tally.rows_of[code]
    kept = rows[tally.kept[tally.owner[rows]]]
    return ClassStatistics(
        name=name,
        all=_counts(tally, code, tally.kept),
        splits={split: _counts(tally, code, member) for split, member in tally.groups.items()},
        sizes=_sizes(tally.area[kept]),
        areas=_spread(tally.area[kept], doubling=True),
        aspects=_spread(tally.aspect[kept], doubling=True),
    )


def _counts(tally: Tally, code: int, member: NDArray[np.bool_]) -> Counts:
    """What there is of a class in some images."""
    rows = tally.rows_of[code]
    rows = rows[member[tally.owner[rows]]]
    shown = tally.shown[tally.shown_of[code]]
    shown = shown[member[shown[:, 0]]]
    labels = tally.labels[tally.labels_of[code]]
    states = np.bincount(labels[member[labels[:, 0]], 2], minlength=len(STATES)).tolist()
    present = tally.presence[tally.presence_of[code], 0]
    return Counts(
        images=int(member[present].sum()),
        objects=len(rows),
        crowds=int(tally.crowd[rows].sum()),
        mask_pixels=int(tally.pixels[rows].sum()),
        map_images=len(shown),
        map_pixels=int(shown[:, 2].sum()),
        present=states[0],
        absent=states[1],
        uncertain=states[2],
    )


def _split_statistics(tally: Tally, member: NDArray[np.bool_]) -> SplitStatistics:
    rows = member[tally.owner]
    return SplitStatistics(
        images=int(member.sum()),
        empty_images=int((tally.empty & member).sum()),
        objects=int(rows.sum()),
        crowds=int(tally.crowd[rows].sum()),
        mask_pixels=int(tally.pixels[rows].sum()),
        map_pixels=int(tally.shown[member[tally.shown[:, 0]], 2].sum()),
    )


def _sizes(areas: Floats) -> Sizes:
    return Sizes(
        small=int((areas < SMALL).sum()),
        medium=int(((areas >= SMALL) & (areas < LARGE)).sum()),
        large=int((areas >= LARGE).sum()),
        unknown=int(np.isnan(areas).sum()),
    )


def _spread(numbers: Floats, *, doubling: bool = False) -> Spread:
    """The spread of numbers; those that no image has are left out.

    doubling: a histogram of numbers above 0 whose edges double, else one of whole numbers.
    """
    if doubling:
        numbers = numbers[(numbers > 1 / _ABSURD) & (numbers < _ABSURD)]
    if not len(numbers):
        return Spread()
    edges = _doubling_edges(numbers) if doubling else _whole_edges(numbers)
    counts, _ = np.histogram(numbers, edges)
    quantiles = np.quantile(numbers, QUANTILES)
    return Spread(
        len(numbers),
        float(numbers.mean()),
        tuple(quantiles.tolist()),
        tuple(edges.tolist()),
        tuple(counts.tolist()),
    )


def _doubling_edges(numbers: Floats) -> Floats:
    """Edges that double every other time, around numbers above 0."""
    low = np.floor(np.log2(numbers.min()) * _BINS_A_DOUBLING)
    high = np.floor(np.log2(numbers.max()) * _BINS_A_DOUBLING) + 1
    edges: Floats = 2.0 ** (np.arange(low, high + 1) / _BINS_A_DOUBLING)
    return edges


def _whole_edges(numbers: Floats) -> Floats:
    """Edges at whole numbers, of at most about fifty bins."""
    step = max(1, int(numbers.max() // 50))
    return np.arange(0, numbers.max() + step + 1, step, dtype=np.float64)


def _together(tally: Tally, names: Sequence[str]) -> list[tuple[str, str, int]]:
    """Pairs of classes that share images, most first, then in the order of the classes."""
    shared = np.zeros((len(names), len(names)), dtype=np.int64)
    presence = tally.presence[tally.kept[tally.presence[:, 0]]]
    for start in range(0, len(tally.kept), _IMAGES_AT_ONCE):
        first, last = np.searchsorted(presence[:, 0], [start, start + _IMAGES_AT_ONCE])
        there = np.zeros((_IMAGES_AT_ONCE, len(names)), dtype=np.float32)
        there[presence[first:last, 0] - start, presence[first:last, 1]] = 1
        shared += (there.T @ there).astype(np.int64)
    a, b = np.nonzero(np.triu(shared, 1))
    order = np.lexsort([b, a, -shared[a, b]])
    return [(names[i], names[j], int(shared[i, j])) for i, j in zip(a[order], b[order], strict=True)]

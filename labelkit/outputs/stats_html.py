"""Statistics as one self-contained page: the counts, plots of them, and every class in a table."""

from __future__ import annotations

from typing import TextIO

import numpy as np

from labelkit.outputs.page import Section, cards, compact, figures, folded, number, page, plural, table, text
from labelkit.outputs.plots import bars, histogram, matrix
from labelkit.statistics import QUANTILES, Spread, Statistics

_MOST_BARS = 16
_MOST_TOGETHER = 16
_NO_SPLIT = "(no split)"


def write(statistics: Statistics, stream: TextIO) -> None:
    """One page."""
    sections = [Section("Classes", _class_plots(statistics) + _class_table(statistics))]
    if statistics.splits:
        sections.insert(0, Section("Splits", _splits(statistics)))
    if statistics.all.objects:
        sections.append(Section("Objects", _objects(statistics)))
    if statistics.together:
        sections.append(Section("Classes that share images", _together(statistics)))
    stream.write(page(f"Statistics of {statistics.source}", sections, lead=_lead(statistics)))


def _lead(statistics: Statistics) -> str:
    whole = statistics.all
    used = sum(each.all.images > 0 for each in statistics.classes)
    items = [
        ("images", number(whole.images)),
        ("without any label", number(whole.empty_images)),
        ("objects", number(whole.objects)),
        ("classes used", f"{number(used)} of {number(len(statistics.classes))}"),
    ]
    pixels = ("pixels in masks", whole.mask_pixels), ("pixels in maps", whole.map_pixels)
    items += [(label, compact(count)) for label, count in pixels if count]
    notes = [f"Format: {statistics.format}."]
    if statistics.chosen:
        notes.append(f"Splits: {', '.join(statistics.chosen)} only.")
    if statistics.unreadable:
        notes.append(f"{plural(statistics.unreadable, 'error')} on the way; labelkit validate tells them.")
    if not statistics.has_pixels:
        notes.append("Masks and maps were not decoded.")
    return cards(items) + f'<p class="lead">{text(" ".join(notes))}</p>'


def _splits(statistics: Statistics) -> str:
    head = ("split", "images", "without labels", "objects", "crowds", "mask pixels", "map pixels")
    rows = [
        (
            *(name or _NO_SPLIT, split.images, split.empty_images, split.objects, split.crowds),
            *(split.mask_pixels, split.map_pixels),
        )
        for name, split in statistics.splits.items()
    ]
    return table(head, rows)


def _class_plots(statistics: Statistics) -> str:
    kinds = (
        ("Objects of each class", [(each.name, each.all.objects) for each in statistics.classes]),
        ("Images of each class", [(each.name, each.all.images) for each in statistics.classes]),
        ("Pixels in masks", [(each.name, each.all.mask_pixels) for each in statistics.classes]),
        ("Pixels in maps", [(each.name, each.all.map_pixels) for each in statistics.classes]),
    )
    plots = []
    for title, counted in kinds:
        rows = sorted((row for row in counted if row[1]), key=lambda row: -row[1])
        most = f": the first {_MOST_BARS} of {len(rows)}" if len(rows) > _MOST_BARS else ""
        if rows:
            plots.append(bars(rows[:_MOST_BARS], title=title + most))
    return figures(plots)


def _class_table(statistics: Statistics) -> str:
    splits = list(statistics.splits)
    head = [
        *("class", "objects", "crowds", "images", "small", "medium", "large", "median area", "median w/h"),
        *("mask pixels", "map pixels", "present", "absent", "uncertain"),
        *(f"in {split or _NO_SPLIT}" for split in splits),
    ]
    rows = [
        (
            *(each.name, each.all.objects, each.all.crowds, each.all.images),
            *(each.sizes.small, each.sizes.medium, each.sizes.large),
            *(_or_nan(each.areas.median), _or_nan(each.aspects.median)),
            *(each.all.mask_pixels, each.all.map_pixels),
            *(each.all.present, each.all.absent, each.all.uncertain),
            *(each.splits[split].objects or each.splits[split].images for split in splits),
        )
        for each in statistics.classes
    ]
    return folded(f"All {plural(len(rows), 'class', 'classes')} in numbers", table(head, rows))


def _objects(statistics: Statistics) -> str:
    sizes, spreads = statistics.sizes, []
    by_size = [
        ("small, below 32 x 32", float(sizes.small)),
        ("medium", float(sizes.medium)),
        ("large, from 96 x 96", float(sizes.large)),
        ("unknown", float(sizes.unknown)),
    ]
    plots = [
        bars([row for row in by_size if row[1]], title="Sizes, as COCO's evaluation counts them"),
        _histogram(statistics.areas, "Area of an object", "pixels", log=True),
        _histogram(statistics.aspects, "Width / height of a box", "", log=True),
        _histogram(statistics.per_image, "Objects in an image", "", log=False),
    ]
    head = ["", "mean", *(f"{100 * q:g} %" for q in QUANTILES)]
    for name, spread in (
        ("area of an object", statistics.areas),
        ("width / height of a box", statistics.aspects),
        ("objects in an image", statistics.per_image),
    ):
        if spread.count:
            spreads.append((name, _or_nan(spread.mean), *spread.quantiles))
    return figures(plots) + table(head, spreads)


def _histogram(spread: Spread, title: str, unit: str, *, log: bool) -> str:
    return histogram(spread.edges, spread.counts, title=title, unit=unit, log=log)


def _together(statistics: Statistics) -> str:
    """A matrix of the classes that are in most images, and the pairs."""
    often = sorted(statistics.classes, key=lambda each: -each.all.images)[:_MOST_TOGETHER]
    names = [each.name for each in often if each.all.images]
    cells = np.diag([float(each.all.images) for each in often[: len(names)]])
    for a, b, images in statistics.together:
        if a in names and b in names:
            cells[names.index(a), names.index(b)] = cells[names.index(b), names.index(a)] = images
    pairs = [(a, b, images) for a, b, images in statistics.together[:100]]
    first = f"The first {len(pairs)} of {number(len(statistics.together))} pairs"
    plot = matrix(names, cells, title="Images that two classes share")
    return figures([plot]) + folded(first, table(("class", "with", "images"), pairs))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value

"""Statistics for people: tables whose columns line up, on a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from labelkit.outputs.tables import Columns, count_of, printable, write_tables
from labelkit.statistics import QUANTILES, ClassStatistics, Counts, Spread, Statistics

_MOST_SPLITS = 6  # that have a column in the table of classes
_MOST_PAIRS = 10
_NO_SPLIT = "(no split)"


def write(statistics: Statistics, stream: TextIO) -> None:
    """All tables that have something to say."""
    write_tables([summary(statistics)], _tables(statistics), stream)


def summary(statistics: Statistics) -> str:
    """The counts in a few words."""
    used = sum(each.all.images > 0 for each in statistics.classes)
    words = [
        f"{count_of(statistics.all.images, 'image')} ({statistics.all.empty_images:,} without any label)",
        count_of(statistics.all.objects, "object"),
        f"{used:,} of {count_of(len(statistics.classes), 'class', 'classes')} used",
    ]
    if statistics.chosen:
        words.append(f"of {' and '.join(statistics.chosen)} only")
    if statistics.unreadable:
        words.append(f"{count_of(statistics.unreadable, 'error')} on the way (labelkit validate tells them)")
    if not statistics.has_pixels:
        words.append("no pixels counted")
    return printable(f"{statistics.source} ({statistics.format}): {', '.join(words)}")


def _tables(statistics: Statistics) -> Iterator[tuple[str, Columns]]:
    if statistics.splits:
        yield "splits", _splits(statistics)
    unused = sum(each.all == Counts() for each in statistics.classes)
    if unused < len(statistics.classes):
        yield f"classes ({unused} without anything)" if unused else "classes", _classes(statistics)
    spreads = [
        ("area of an object", statistics.areas),
        ("width / height of a box", statistics.aspects),
        ("objects an image", statistics.per_image),
    ]
    if statistics.all.objects:
        yield "how they are spread", _spreads(spreads)
    if statistics.together:
        yield _pairs_title(statistics), _pairs(statistics)


def _splits(statistics: Statistics) -> Columns:
    columns = ("images", "without labels", "objects", "objects an image", "mask pixels", "map pixels")
    rows = [
        [
            name or _NO_SPLIT,
            f"{split.images:,}",
            f"{split.empty_images:,}",
            f"{split.objects:,}",
            f"{split.objects / max(split.images, 1):.2f}" if split.objects else "0",
            f"{split.mask_pixels:,}",
            f"{split.map_pixels:,}",
        ]
        for name, split in statistics.splits.items()
    ]
    return Columns(["split"], columns, rows)


def _classes(statistics: Statistics) -> Columns:
    """The classes of which there is anything, those with most objects (or else images) first."""
    splits = list(statistics.splits) if 1 < len(statistics.splits) <= _MOST_SPLITS else []
    columns = [
        *("objects", "crowds", "images", "mask pixels", "map pixels", "small", "medium", "large"),
        *("median area", "median w/h", "present", "absent", "uncertain"),
        *(f"in {split or _NO_SPLIT}" for split in splits),
    ]
    there = [each for each in statistics.classes if each.all != Counts()]
    order = sorted(there, key=lambda each: (-each.all.objects, -each.all.images))
    return Columns(["class"], columns, [_class(each, splits) for each in order])


def _class(each: ClassStatistics, splits: Sequence[str]) -> list[str]:
    counts, sizes = each.all, each.sizes
    return [
        each.name,
        f"{counts.objects:,}",
        f"{counts.crowds:,}",
        f"{counts.images:,}",
        f"{counts.mask_pixels:,}",
        f"{counts.map_pixels:,}",
        f"{sizes.small:,}",
        f"{sizes.medium:,}",
        f"{sizes.large:,}",
        _number(each.areas.median),
        _number(each.aspects.median),
        f"{counts.present:,}",
        f"{counts.absent:,}",
        f"{counts.uncertain:,}",
        *(f"{each.splits[split].objects or each.splits[split].images:,}" for split in splits),
    ]


def _spreads(spreads: Sequence[tuple[str, Spread]]) -> Columns:
    columns = ["mean", *(_quantile(q) for q in QUANTILES)]
    rows = [
        [name, _number(spread.mean), *(_number(value) for value in spread.quantiles)]
        for name, spread in spreads
        if spread.count
    ]
    return Columns([""], columns, rows)


def _quantile(q: float) -> str:
    return {0.0: "least", 0.5: "median", 1.0: "most"}.get(q, f"{100 * q:g} %")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _pairs_title(statistics: Statistics) -> str:
    count = len(statistics.together)
    most = f"the first {_MOST_PAIRS} of {count:,} pairs" if count > _MOST_PAIRS else "pairs"
    return f"classes that share images ({most})"


def _pairs(statistics: Statistics) -> Columns:
    rows = [[a, b, f"{images:,}"] for a, b, images in statistics.together[:_MOST_PAIRS]]
    return Columns(["class", "with"], ["images"], rows)

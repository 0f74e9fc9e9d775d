"""STA1xx: what the numbers of the whole set show. None of it is wrong by itself; each is worth a look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelkit.findings import Location
from labelkit.rules import Fault, Faults, rule
from labelkit.rules._words import bracketed, few
from labelkit.survey import Survey
from labelkit.table import Table

_SPREAD = 1.4826  # of a normal distribution: standard deviation / median absolute deviation


@rule("STA101", "info")
def class_imbalance(survey: Survey, *, limit: float = 100.0, smallest: int = 10) -> Faults:
    """One class has many times as many examples as another.

    Why: a model that never says the rare class is right nearly always; its mean score hides that.
    Fix: collect more of the rare class, or weigh or repeat it in training.
    Example: 12,000 cars and 60 bicycles
    Options: limit, how many times as many; smallest, the examples below which CAT105 tells of a class.
    """
    counts = {name: count for name, count in survey.examples.items() if count >= smallest}
    if not counts:
        return
    most, least = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    ratio = counts[most] / counts[least]
    if ratio > limit:
        where = Location(survey.root.name, element=f"category {least!r}")
        text = f"{counts[least]} examples of {least!r} and {counts[most]} of {most!r}"
        yield Fault(where, f"{text}, {ratio:.0f} times as many")


@rule("STA102", "info")
def outlier_size(survey: Survey, *, limit: float = 6.0, factor: float = 10.0, least: int = 30) -> Faults:
    """An object is far larger or smaller than nearly all others of its class.

    Why: it is often another class, a box around a group, or a slip of the mouse.
    Fix: look at it; sizes also spread where some objects are near and others far.
    Example: a `cup` that is as large as the table
    Options: limit, how far the logarithm of its area is from the class's median, in robust standard
    deviations (from the median absolute deviation); factor, how many times larger or smaller it is than the
    median at least; least, the objects that a class needs to be judged. Crowds are left out.
    """
    table = survey.table
    with np.errstate(over="ignore", invalid="ignore"):  # numbers that no image has are another rule's
        areas = table.box[:, 2] * table.box[:, 3]
    is_box = (table.box[:, 2] > 0) & (table.box[:, 3] > 0) & (areas > 0) & np.isfinite(areas)
    usable = np.flatnonzero(is_box & ~table.crowd)
    codes = table.coded.codes[usable]
    for rows in _by_code(usable, codes):
        name = table.category[int(rows[0])]
        if name is None or len(rows) < least:
            continue
        sizes = np.log(areas[rows])
        middle = np.median(sizes)
        away = sizes - middle
        spread = _SPREAD * np.median(np.abs(away))
        for row in rows[np.abs(away) > max(limit * spread, np.log(factor))].tolist():
            yield Fault(table.locate(row), _odd_size(table, row, name, float(np.exp(middle))))


def _by_code(rows: NDArray[np.int64], codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The rows of each code."""
    if not len(rows):
        return []
    order = np.argsort(codes, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(codes[order])) + 1)


def _odd_size(table: Table, row: int, name: str, median: float) -> str:
    times = float(table.box[row, 2] * table.box[row, 3]) / median
    how = f"{times:.3g} times larger" if times > 1 else f"{1 / times:.3g} times smaller"
    place = f"object {table.locate(row).object}, box {bracketed(table.box[row])}"
    return f"{place}: {how} than the median of {name!r} ({median:.4g} pixels)"


@rule("STA103", "info")
def images_without_labels(survey: Survey) -> Faults:
    """Some images have no label of any kind, and nothing says that somebody looked at them.

    Why: training takes them for images on which there is nothing; if they were only left out, a model learns
    to overlook what is on them.
    Fix: look at them. What says that an image is empty: in VOC an annotation without objects, in Cityscapes
    any annotation file, in records (jsonl) and class lists a label `absent`. COCO has no way to say it.
    Example: 40 of 2,000 images that no annotation names
    """
    labelled = np.bincount(survey.table.image, minlength=len(survey.images)) > 0
    splits: set[str] = set()  # in which somebody labelled: test sets are published without labels
    bare = []
    for row, has_object in zip(survey.images, labelled.tolist(), strict=True):
        if has_object or row.path in survey.labels or row.path in survey.mapped:
            splits.update(row.splits or ("",))
        elif row.path not in survey.confirmed | survey.broken:
            bare.append(row)
    found = [row.path for row in bare if splits.intersection(row.splits or ("",))]
    if found:
        verb = "has" if len(found) == 1 else "have"
        text = f"{len(found)} of {len(survey.images)} images {verb} no label: {few(found, 3)}"
        yield Fault(Location(survey.root.name), text)

"""A survey as arrays that can be summed: which object, label and pixel is of which image, class and split.

Classes are positions in ``Survey.examples``; -1 is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from labelkit.survey import Survey
from labelkit.table import Floats, Names, Table

Integers = NDArray[np.int64]
STATES: tuple[str, ...] = ("present", "absent", "uncertain")


@dataclass(frozen=True)
class Tally:
    """The arrays.

    kept: (I,) images that are counted. groups: (I,) the images of each split; "" for those in none.
    empty: (I,) images without a label of any kind. per_image: (I,) objects.
    owner, code, area, aspect, crowd, pixels: (N,) of objects. shown: (M, 3) image, class, pixels of maps.
    labels: (L, 3) image, class, position in STATES. presence: (P, 2) image and class, each once, where the
    class is there in any way, image by image. Of each class the rows in these: rows_of, shown_of, ….
    """

    kept: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    groups: Mapping[str, NDArray[np.bool_]]
    owner: Integers
    code: Integers
    area: Floats
    aspect: Floats
    crowd: NDArray[np.bool_]
    pixels: Floats
    shown: Integers
    labels: Integers
    presence: Integers
    per_image: Integers
    rows_of: Sequence[Integers]
    shown_of: Sequence[Integers]
    labels_of: Sequence[Integers]
    presence_of: Sequence[Integers]


def tally_of(whole: Survey, known: Sequence[str], splits: Collection[str]) -> Tally:
    """The arrays of a survey. known: its splits. splits: those that are counted; all images if empty."""
    table, count = whole.table, len(whole.images)
    places = {name: position for position, name in enumerate(whole.examples)}
    groups, kept = _groups(whole, known, splits)
    code = _codes(table.coded, places)
    shown = np.column_stack([whole.shown.image, _codes(whole.shown.category, places), whole.shown.pixels])
    labels = np.array(list(_labels(whole, places)), dtype=np.int64).reshape(-1, 3)
    objects = np.column_stack([table.image, code])[code >= 0]
    there = np.concatenate([objects, shown[:, :2], labels[labels[:, 2] == 0, :2]])
    presence = np.column_stack(np.divmod(np.unique(there @ [len(places), 1]), max(len(places), 1)))
    per_image = np.bincount(table.image, minlength=count)
    mapped = np.array([row.path in whole.mapped for row in whole.images], dtype=bool)
    box_area, aspect = _shapes(table)
    return Tally(
        kept=kept,
        groups=groups,
        empty=(per_image == 0) & ~mapped & (np.bincount(labels[:, 0], minlength=count) == 0),
        owner=table.image,
        code=code,
        area=np.where(table.area > 0, table.area, np.where(whole.pixels > 0, whole.pixels, box_area)),
        aspect=aspect,
        crowd=table.crowd,
        pixels=np.nan_to_num(whole.pixels),
        shown=shown,
        labels=labels,
        presence=presence,
        per_image=per_image,
        rows_of=_by_class(code, len(places)),
        shown_of=_by_class(shown[:, 1], len(places)),
        labels_of=_by_class(labels[:, 1], len(places)),
        presence_of=_by_class(presence[:, 1], len(places)),
    )


def _groups(
    whole: Survey, known: Sequence[str], splits: Collection[str]
) -> tuple[dict[str, NDArray[np.bool_]], NDArray[np.bool_]]:
    """(I,) The images of each split that is counted, and those of all of them."""
    groups = {split: np.zeros(len(whole.images), dtype=bool) for split in splits or known}
    rest = np.zeros(len(whole.images), dtype=bool)
    for position, row in enumerate(whole.images):
        rest[position] = not row.splits
        for split in groups.keys() & row.splits:
            groups[split][position] = True
    if splits:
        return groups, np.any([*groups.values()], axis=0)
    if known and rest.any():
        groups[""] = rest
    return groups, np.ones(len(whole.images), dtype=bool)


def _codes(column: Names, places: Mapping[str, int]) -> Integers:
    codes = [places.get(name, -1) if name is not None else -1 for name in column.names]
    return np.array(codes, dtype=np.int64)[column.codes]


def _labels(whole: Survey, places: Mapping[str, int]) -> Iterator[tuple[int, int, int]]:
    """Image, class and state of every image label."""
    of_path = {row.path: position for position, row in enumerate(whole.images)}
    for path, labels in whole.labels.items():
        for label in labels:
            if label.category in places:
                yield of_path[path], places[label.category], STATES.index(label.state)


def _shapes(table: Table) -> tuple[Floats, Floats]:
    """(N,) The areas of boxes, and width / height; NaN where there is no box that has any."""
    width, height = table.box[:, 2], table.box[:, 3]
    is_box = (width > 0) & (height > 0)
    area, aspect = np.full((2, len(table)), np.nan)
    with np.errstate(over="ignore", under="ignore"):  # no image is so large
        area[is_box] = width[is_box] * height[is_box]
        aspect[is_box] = width[is_box] / height[is_box]
    return area, aspect


def _by_class(codes: Integers, count: int) -> list[Integers]:
    """The rows of each class."""
    order = np.argsort(codes, kind="stable")
    cuts = np.searchsorted(codes[order], np.arange(count + 1))
    return [order[start:stop] for start, stop in pairwise(cuts.tolist())]

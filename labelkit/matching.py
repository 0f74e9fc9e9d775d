"""A model's labels beside those that are there: which of them speak of one thing.

What is there stands as it is. Told apart is what a reviewer wants to see first: things that only one of the
two has seen, and things that both have seen and call or draw differently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labelkit.derive import mask_box
from labelkit.geometry import rle
from labelkit.geometry.boxes import box_iou
from labelkit.model import Box, ImageLabel, Object, Record, SemanticMap
from labelkit.pixels import Counts, cell_runs, map_pixels, mask_runs

AGREE, NEW, OTHER, CLASH, LOW = "agree", "model only", "human only", "class clash", "low overlap"
WAITING = "waiting for review"  # of an earlier run, and the model does not say it now
SAME = 0.5  # IoU, as PASCAL VOC and COCO's AP50 have it
NEAR = 0.1  # IoU of a thing that both have seen and draw differently
_Matrix = NDArray[np.float64]


@dataclass
class Triage:
    """How the labels of an image, or of many, compare.

    counts: by verdict; of semantic maps in pixels. new: the positions of those that only the model has.
    """

    counts: Counter[str] = field(default_factory=Counter)
    new: tuple[int, ...] = ()


def match_objects(there: Record, guessed: Record) -> Triage:
    """The objects of one image.

    Pairs are made one to one, the most alike first: of one class with an IoU of at least 0.5 (agree), of two
    classes (class clash), of one class with at least 0.1 (low overlap). A guess that lies by half in a crowd
    of its class agrees with it (as COCO's evaluation has it). IoU is of pixels where both have them.
    """
    rows, columns = len(guessed.objects), len(there.objects)
    verdicts: dict[int, str] = {}
    taken: set[int] = set()
    if rows and columns:
        overlap = _overlaps(guessed, there)
        same = _same_class(guessed.objects, there.objects)
        crowd = np.array([bool(item.crowd) for item in there.objects])
        for limit, mask, verdict in (
            (SAME, same & ~crowd, AGREE),
            (SAME, ~same & ~crowd, CLASH),
            (NEAR, same & ~crowd, LOW),
        ):
            for row, column in _pairs(np.where(mask, overlap, 0.0), limit, verdicts, taken):
                verdicts[row] = verdict
                taken.add(column)
        verdicts |= dict.fromkeys(_in_crowds(guessed, there, same & crowd, verdicts), AGREE)
    new = tuple(row for row in range(rows) if row not in verdicts)
    lonely = [item for column, item in enumerate(there.objects) if column not in taken and not item.crowd]
    waiting = sum(is_pending(item) for item in lonely)
    apart = Counter({NEW: len(new), OTHER: len(lonely) - waiting, WAITING: waiting})
    return Triage(Counter(verdicts.values()) + apart, new)


def is_pending(item: Object | ImageLabel | SemanticMap) -> bool:
    """Whether a model has said it, and nobody has looked at it."""
    return item.provenance is not None and item.provenance.status == "pending"


def _pairs(
    overlap: _Matrix, limit: float, verdicts: dict[int, str], taken: set[int]
) -> list[tuple[int, int]]:
    """Rows and columns that are both free, one to one, the most alike first."""
    pairs = []
    rows, columns = set(verdicts), set(taken)
    for flat in np.argsort(-overlap, axis=None, kind="stable"):
        row, column = divmod(int(flat), overlap.shape[1])
        if overlap[row, column] < limit:
            break
        if row not in rows and column not in columns:
            pairs.append((row, column))
            rows.add(row)
            columns.add(column)
    return pairs


def _same_class(a: Sequence[Object], b: Sequence[Object]) -> NDArray[np.bool_]:
    return np.array([[x.category == y.category for y in b] for x in a])


def _overlaps(a: Record, b: Record) -> _Matrix:
    """IoU of every object of a with every one of b; of pixels where both have them, and their boxes meet."""
    overlap = box_iou(_boxes(a), _boxes(b))
    runs: dict[tuple[int, int], Counts] = {}
    for row, column in zip(*np.nonzero(overlap), strict=True):
        first, second = a.objects[row], b.objects[column]
        if first.kind == second.kind == "instance" and _size(a) == _size(b):
            for record, side, k in ((a, 0, int(row)), (b, 1, int(column))):
                item = record.objects[k]
                if (side, k) not in runs and item.kind == "instance":
                    runs[side, k] = mask_runs(record, item.mask)
            overlap[row, column] = _iou(runs[0, int(row)], runs[1, int(column)])
    return overlap


def _size(record: Record) -> tuple[int | None, int | None]:
    return record.image.width, record.image.height


def _iou(a: Counts, b: Counts) -> float:
    both = rle.intersection_area(a, b)
    return both / max(rle.area(a) + rle.area(b) - both, 1)


def _boxes(record: Record) -> list[Box]:
    nothing = Box(0.0, 0.0, 0.0, 0.0)
    return [
        item.box or (mask_box(record, item) if item.kind == "instance" else None) or nothing
        for item in record.objects
    ]


def _in_crowds(
    guessed: Record, there: Record, crowds: NDArray[np.bool_], verdicts: dict[int, str]
) -> list[int]:
    """The free guesses of which at least half lies in the box of a crowd of their class."""
    mine, others = np.array(_boxes(guessed)), np.array(_boxes(there))
    ends = np.minimum((mine[:, :2] + mine[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    sides = np.clip(ends - np.maximum(mine[:, None, :2], others[None, :, :2]), 0, None)
    share = sides.prod(axis=2) / np.maximum(mine[:, 2] * mine[:, 3], 1e-12)[:, None]
    return [int(row) for row in np.flatnonzero((crowds & (share >= SAME)).any(axis=1)) if row not in verdicts]


def match_labels(there: Sequence[ImageLabel], guessed: Sequence[ImageLabel], *, multi_label: bool) -> Triage:
    """The labels of one image. Where an image has one class, another guess is a clash, not a discovery."""
    states = {label.category: label.state for label in there}
    is_decided = not multi_label and "present" in states.values()
    counts: Counter[str] = Counter()
    new = []
    for k, label in enumerate(guessed):
        if label.category in states:
            counts[AGREE if states[label.category] == "present" else CLASH] += 1
        elif is_decided:
            counts[CLASH] += 1
        else:
            counts[NEW] += 1
            new.append(k)
    known = {label.category for label in guessed}
    counts[OTHER] += sum(state == "present" and name not in known for name, state in states.items())
    return Triage(counts, tuple(new))


def match_maps(there: SemanticMap, guessed: SemanticMap) -> Triage:
    """Two semantic maps of one image, by pixels. A pixel that is to be ignored says nothing of its class."""
    sizes = map_pixels(there).shape, map_pixels(guessed).shape
    if sizes[0] != sizes[1]:
        return Triage()
    mine, others = _by_class(guessed), _by_class(there)
    both = sum(rle.intersection_area(runs, others[name]) for name, runs in mine.items() if name in others)
    all_mine, all_others = _union(mine), _union(others)
    met = (
        rle.intersection_area(all_mine, all_others) if all_mine is not None and all_others is not None else 0
    )
    only_mine = (rle.area(all_mine) if all_mine is not None else 0) - met
    only_theirs = (rle.area(all_others) if all_others is not None else 0) - met
    return Triage(Counter({AGREE: both, CLASH: met - both, NEW: only_mine, OTHER: only_theirs}))


def _by_class(item: SemanticMap) -> dict[str, Counts]:
    found: dict[str, list[Counts]] = {}
    for value, runs in cell_runs(item).items():
        if value in item.classes and value != item.ignore:
            found.setdefault(item.classes[value], []).append(runs)
    return {name: rle.union(runs) for name, runs in found.items()}


def _union(classes: dict[str, Counts]) -> Counts | None:
    return rle.union(list(classes.values())) if classes else None

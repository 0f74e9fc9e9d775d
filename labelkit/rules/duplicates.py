"""GEO115 to GEO117: two objects where one is. Pairs are found over all images at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator

import numpy as np

from labelkit.changes import Fix, Remove
from labelkit.geometry import rle
from labelkit.geometry.rings import Floats, Ints
from labelkit.rules import Fault, Faults, rule
from labelkit.rules.boxes import sane_boxes
from labelkit.table import Table

_AT_ONCE = 1_000_000
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio, which spreads bits
_ROUNDING = 1e-3  # pixels that a key of image and place may be off; who asks compares the boxes themselves
_REMOVE_COPY = Fix("remove the copy", Remove(), is_safe=True)
_REMOVE_SECOND = Fix("remove the second of the two", Remove(), is_safe=False)


@rule("GEO115", "warning", fixes="safe")
def exact_duplicate(table: Table) -> Faults:
    """Two objects of an image are the same in class, box and mask.

    Why: one object counts twice; evaluation expects two detections where there can be one.
    Fix: remove one; that is safe where the copy says no more than the other but its id.
    Example: an annotation that was pasted twice under different ids
    """
    for row, first in copies(table).items():
        yield Fault(row, "the same class, box and mask as", other=first, fix=_REMOVE_COPY)


@rule("GEO116", "warning", fixes="unsafe")
def near_duplicate(table: Table, *, limit: float = 0.9) -> Faults:
    """Two objects of an image and a class are nearly at one place, but not the same number by number.

    Why: two annotators drew one object; evaluation expects two detections where there can be one.
    Fix: remove one, or draw them apart where there are two. Predictions, which have a score, are left alone:
    they overlap by nature.
    Example: `"bbox": [10, 20, 30, 40]` and `"bbox": [11, 20, 30, 40]`, both of class `dog`
    Option: limit, the intersection over union of boxes (and of masks where both have one) that is too much.
    """
    for row, first, overlap in _same_places(table, limit, limit, same_class=True):
        yield Fault(row, f"overlap (IoU) of {overlap:.2f} in one class with", first, _REMOVE_SECOND)


@rule("GEO117", "warning")
def two_classes_one_place(table: Table, *, limit: float = 0.98, masks: float = 0.9) -> Faults:
    """Two objects of two classes are at the same place.

    Why: one of the classes is wrong, and a model is told that the same pixels are and are not a dog.
    Fix: find out which class it is; remove the other object. Predictions, which have a score, are left alone.
    Example: `"bbox": [10, 20, 30, 40]` once as `cat` and once as `dog`
    Options: limit, the intersection over union of boxes that is too much; masks, that of masks where both
    have one. Boxes alone come close where someone sits in a chair (0.92 at most among 839 objects of COCO).
    """
    for row, first, overlap in _same_places(table, limit, masks, same_class=False):
        names = f"{table.category[row]!r} and {table.category[first]!r}"
        yield Fault(row, f"{names} at one place (IoU {overlap:.2f}); expected one class, not that of", first)


def copies(table: Table) -> dict[int, int]:
    """Rows whose image, class, box, mask and crowd are an earlier row's, with the first such row."""
    found: dict[int, int] = {}
    for rows in (*_same_boxes(table), *_same_masks(table)):
        first: dict[Hashable, int] = {}
        for row in rows:
            mask = table.drawn_mask(row)
            key = mask.text if mask is not None else None, bool(table.crowd[row])
            if first.setdefault(key, row) != row:
                found[row] = first[key]
    return dict(sorted(found.items()))


def _same_boxes(table: Table) -> Iterator[list[int]]:
    """Groups of rows that have one image, one class and one box, in order."""
    keys = np.column_stack([table.image, table.coded.codes, table.box]) + 0.0  # -0.0 becomes 0.0
    rows = _repeated(keys)
    order = rows[np.lexsort(keys[rows].T[::-1])]
    again = (keys[order][1:] == keys[order][:-1]).all(axis=1)  # NaN equals nothing
    starts = np.flatnonzero(again & ~np.append(False, again[:-1]))
    stops = np.flatnonzero(again & ~np.append(again[1:], False)) + 2
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        yield order[start:stop].tolist()


def _same_masks(table: Table) -> Iterator[list[int]]:
    """Groups of rows of one image and one class that have a mask and no box."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for row in np.flatnonzero(np.isnan(table.box[:, 0])).tolist():
        if table.drawn_mask(row) is not None:
            groups[int(table.image[row]), table.category[row]].append(row)
    yield from (rows for rows in groups.values() if len(rows) > 1)


def _repeated(keys: Floats) -> Ints:
    """The rows (of (N, K) numbers) that may be another's equal, by a hash: few need a closer look."""
    weights = _ODD ** np.arange(1, keys.shape[1] + 1, dtype=np.uint64)
    hashes = (keys.view(np.uint64) * weights).sum(axis=1)
    order = np.argsort(hashes, kind="stable")
    same = np.concatenate(([False], hashes[order][1:] == hashes[order][:-1], [False]))
    return np.sort(order[same[1:] | same[:-1]] if len(order) else order)


def _same_places(
    table: Table, limit: float, mask_limit: float, *, same_class: bool
) -> Iterator[tuple[int, int, float]]:
    """Rows nearly where an earlier row is, with the first such row and their overlap. Copies are left out."""
    boxes = _places(table)
    classes = table.coded.codes
    is_known = np.array([name is not None for name in table.category], dtype=bool) & ~table.crowd
    if table.score is not None:
        is_known &= np.isnan(table.score)  # predictions overlap by nature
    boxes = np.where(is_known[:, None], boxes, np.nan)
    first, second, overlap = near_pairs(table.image, boxes, min(limit, mask_limit))
    wanted = (classes[first] == classes[second]) == same_class
    told = copies(table) if wanted.any() else {}
    for a, b, iou in zip(
        first[wanted].tolist(), second[wanted].tolist(), overlap[wanted].tolist(), strict=True
    ):
        if a in told or b in told:
            continue
        masks = _mask_overlap(table, a, b)
        if (iou >= limit) if masks is None else (masks >= mask_limit):
            told[b] = a
            yield b, a, iou if masks is None else masks


def _places(table: Table) -> Floats:
    """(N, 4) the boxes; where none is stated, those of outlines."""
    boxes = sane_boxes(table)
    if np.isnan(table.box[:, 0]).any() and any(mask is not None for mask in table.outlines or table.masks):
        return np.where(np.isnan(table.box), table.drawn.extent, boxes)
    return boxes


def near_pairs(image: Ints, boxes: Floats, limit: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of boxes of one image whose intersection over union is at least a limit, in order.

    Args: image (N,), ascending. boxes (N, 4) x, y, w, h; those without an area, and NaN, are in no pair.
    Returns: the earlier row, the later row, and their overlap.
    """
    rows = np.flatnonzero((boxes[:, 2] > 0) & (boxes[:, 3] > 0))
    places = boxes[rows]
    found = [(rows[:0], rows[:0], np.zeros(0))]
    # Where two boxes overlap so much, they start no further apart than this share of the first one's side.
    for first, second in pairs_in_reach(image[rows], places[:, :2], (1 - limit) * places[:, 2:]):
        overlap = _overlap(places[first], places[second])
        near = overlap >= limit
        found.append((rows[first[near]], rows[second[near]], overlap[near]))
    one, other, overlap = (np.concatenate(column) for column in zip(*found, strict=True))
    a, b = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((a, b))
    return a[order], b[order], overlap[order]


def _overlap(one: Floats, other: Floats) -> Floats:
    """(N,) intersection over union of boxes (N, 4) that have an area, pair by pair."""
    ends = np.minimum(one[:, :2] + one[:, 2:], other[:, :2] + other[:, 2:])
    shared = (ends - np.maximum(one[:, :2], other[:, :2])).clip(0).prod(axis=1)
    overlap: Floats = shared / (one[:, 2:].prod(axis=1) + other[:, 2:].prod(axis=1) - shared)
    return overlap


def pairs_in_reach(image: Ints, start: Floats, reach: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of things of one image of which the one starts in reach of the other, and maybe some more.

    Args: image (N,). start (N, 2): x, y. reach (N, 2): how far right and down of it another may start.
    Yields: a million pairs or so at a time, so that a crowd of things fits the memory. They are found along
        the axis on which fewer are in reach.
    """
    order, counts = min(
        (_along(image, start[:, k], reach[:, k]) for k in (0, 1)), key=lambda axis: axis[1].sum()
    )
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(order):
        done = ends[begin] - counts[begin]
        stop = max(begin + 1, int(np.searchsorted(ends, done + _AT_ONCE, side="right")))
        times = counts[begin:stop]
        first = np.repeat(np.arange(begin, stop), times)
        steps = np.arange(len(first)) - np.repeat(np.cumsum(times) - times, times)
        yield order[first], order[first + steps + 1]
        begin = stop


def _along(image: Ints, start: Floats, reach: Floats) -> tuple[Ints, Ints]:
    """The order of things by image and start, and how many of the next ones each has in its reach."""
    if not len(image):
        return image, image
    span = np.ptp(start) + reach.max() + 1  # no thing reaches into the next image
    key = image * span + start
    order = np.argsort(key, kind="stable")
    ends = np.searchsorted(key[order], (key + reach)[order] + _ROUNDING, side="right")
    return order, ends - np.arange(len(order)) - 1


def _mask_overlap(table: Table, a: int, b: int) -> float | None:
    """The overlap of two rows' pixels; None where one has none that can be known."""
    one, other = table.drawn_pixels(a), table.drawn_pixels(b)
    if one is None or other is None or one.sum() != other.sum():
        return None
    shared = rle.intersection_area(one, other)
    total = rle.area(one) + rle.area(other) - shared
    return shared / total if total else None

"""Whether the files of a data set hold the other kind of ids: evidence over all of its frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from labelkit.errors import RecordError
from labelkit.formats.cityscapes.files import FrameFiles
from labelkit.formats.cityscapes.pngs import BY_TRAIN_ID
from labelkit.formats.cityscapes.raw_frame import CityscapesFrame, CityscapesSet
from labelkit.formats.cityscapes.table import CLASSES, IGNORED_TRAIN_ID, class_ids, train_ids
from labelkit.pixels import Labels, read_png, value_counts

_LABEL_IDS = frozenset({0, *CLASSES})
_TRAIN_IDS = frozenset({*BY_TRAIN_ID, IGNORED_TRAIN_ID})
_WITNESSES = 5  # frames whose other files are asked
_LOW = 7  # label ids below it are void, train ids below it are half of all pixels
_CLASSES = 3  # of which a set must show as many before its values alone say anything


class Swap(NamedTuple):
    """Files that hold the other kind of ids. files: how many; first: one of them; evidence: in words."""

    files: int
    first: str
    evidence: str


def swapped(data: CityscapesSet, kind: str) -> Swap | None:
    """Whether all PNGs of a kind (labelIds, labelTrainIds) hold the ids of the other one.

    Every value of every file must be an id of the other kind. Then the other files of some frames decide;
    where there are none, the values alone: some must be no ids of this kind, and the rest implausible.
    """
    own, other = (_LABEL_IDS, _TRAIN_IDS) if kind == "labelIds" else (_TRAIN_IDS, _LABEL_IDS)
    total: Counter[int] = Counter()
    files, first = 0, ""
    for place, values in _values(data, kind):
        if not other.issuperset(values):
            return None
        files, first = files + 1, first or place
        total.update(values)
    strange = {value: count for value, count in total.items() if value not in own}
    agree, disagree = _votes(data, kind) if files else (0, 0)
    if agree + disagree:
        share = 100 * agree / (agree + disagree)
        text = f"so say the other files of their frames, by {share:.3g} % of the pixels"
        return Swap(files, first, text) if agree > disagree else None
    if not strange or not _is_implausible(total, kind):
        return None
    listed = ", ".join(str(value) for value in sorted(strange)[:5])
    share = 100 * sum(strange.values()) / total.total()
    return Swap(files, first, f"{share:.2g} % of the pixels have {listed}, and so no id of theirs")


def _is_implausible(total: Counter[int], kind: str) -> bool:
    """Whether the values could hardly be what the file's name says."""
    counts = {value: count for value, count in total.items() if value != IGNORED_TRAIN_ID}
    low = sum(count for value, count in counts.items() if value < _LOW)
    return len(counts) >= _CLASSES and (kind != "labelIds" or 3 * low > sum(counts.values()))


def _values(data: CityscapesSet, kind: str) -> Iterator[tuple[str, dict[int, int]]]:
    """The values of every PNG of a kind that can be read; no more is read than the caller asks for."""
    for frame in data.frames:
        files = FrameFiles(data.folder, frame)
        if not files.has(kind):
            continue
        try:
            pixels = read_png(files.file(kind))
        except (RecordError, ValueError):
            continue
        if pixels.ndim == 2:
            yield data.place(frame, kind), value_counts(pixels.astype(np.int32))


def _votes(data: CityscapesSet, kind: str) -> tuple[int, int]:
    """How many pixels of some frames have the other kind of id for the class that another file gives them.

    And how many have the right one; pixels for which both are the same say nothing.
    """
    agree = disagree = 0
    for name in [frame for frame in data.frames if kind in frame.kinds and len(frame.kinds) > 1][:_WITNESSES]:
        frame = CityscapesFrame(data.folder, name, "official", data.prefix)
        ids = _witness(frame, kind)
        if ids is None or kind not in frame.pngs:
            continue
        trained = train_ids()[ids].astype(np.int32)
        right, other = (ids, trained) if kind == "labelIds" else (trained, ids)
        shown, differ = frame.pngs[kind], right != other
        agree += int(np.count_nonzero(differ & (shown == other)))
        disagree += int(np.count_nonzero(differ & (shown == right)))
    return agree, disagree


def _witness(frame: CityscapesFrame, kind: str) -> Labels | None:
    """The class ids of a frame by another file than the one that is asked about."""
    for other in ("instanceIds", "labelIds"):
        if other != kind and other in frame.pngs:
            return np.clip(class_ids(frame.pngs[other]), 0, max(CLASSES))
    return class_ids(frame.scene.values) if frame.scene is not None else None

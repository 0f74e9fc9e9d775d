"""Where the files of a frame disagree: PNG with PNG, and PNG with polygons. Arrays, looked at once.

A pixel is told once. Where labelIds and instanceIds disagree, nothing else is said of it; where a whole
object has another number than its place in the file gives it, that is numbering and no matter of pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from labelkit.formats.cityscapes.pngs import OF_OBJECTS, first_of, label_of, shown_as
from labelkit.formats.cityscapes.raw_frame import CityscapesFrame, Scene
from labelkit.formats.cityscapes.scene import Rule
from labelkit.formats.cityscapes.table import BY_ID, PER_CLASS, class_ids
from labelkit.pixels import Labels, value_counts

Where: TypeAlias = NDArray[np.bool_]
_WIDE = 1 << 16  # values of two PNGs as one number
_READ = ("instanceIds", "labelIds", "instanceTrainIds", "labelTrainIds", "color")  # what polygons meet first


@dataclass(frozen=True, eq=False)
class Contradiction:
    """Pixels for which two PNGs say different things.

    kind: the file that is told. other: the one that it is compared with. pairs: how many pixels have which
    two values, the most frequent first; those of other as kind would show them.
    """

    kind: str
    other: str
    where: Where
    pairs: list[tuple[int, int, int]]


def contradictions(frame: CityscapesFrame) -> Iterator[Contradiction]:
    """The PNGs of a frame that contradict labelIds (instanceIds, where there are none)."""
    pngs = frame.pngs
    conflict = _conflict(frame)
    if conflict is not None and conflict.any():
        yield _of_ids(frame, conflict)
    chosen = first_of(("labelIds", "instanceIds"), pngs)
    if chosen is None:
        return
    for kind in ("labelTrainIds", "instanceTrainIds", "color"):
        if kind not in pngs:
            continue
        shown, wanted, other = _as_kind(frame, kind, chosen)
        where = _judged(frame, shown != wanted, kind, other)
        if conflict is not None:
            where &= ~conflict
        if where.any() and frame.scene is not None:
            where &= ~_is_told(frame.scene, kind, shown, other, frame.pngs[other])
        if where.any():
            yield Contradiction(kind, other, where, _pairs(shown, wanted, where))


def _of_ids(frame: CityscapesFrame, where: Where) -> Contradiction:
    """labelIds against instanceIds, told of the one that the polygons agree with less."""
    labels, ids = frame.pngs["labelIds"], class_ids(frame.pngs["instanceIds"])
    if frame.scene is not None:
        painted = class_ids(frame.scene.values)[where]
        votes = [int(np.count_nonzero(painted == said[where])) for said in (labels, ids)]
        if votes[0] > votes[1]:
            return Contradiction("instanceIds", "labelIds", where, _pairs(ids, labels, where))
    return Contradiction("labelIds", "instanceIds", where, _pairs(labels, ids, where))


def _is_told(scene: Scene, kind: str, shown: Labels, other: str, compared: Labels) -> Where:
    """(h, w) where the polygons say that the other file is wrong, which is told of that."""
    told: Where = (shown == shown_as(kind, scene.values)) & (compared != shown_as(other, scene.values))
    return told


def _as_kind(frame: CityscapesFrame, kind: str, chosen: str) -> tuple[Labels, Labels, str]:
    """What a PNG shows, what it should, and by which other; classes alone where only these are known."""
    shown = frame.pngs[kind]
    if kind == "instanceTrainIds" and "instanceIds" in frame.pngs:
        chosen = "instanceIds"
    elif kind == "instanceTrainIds":
        kind, shown = "labelTrainIds", class_ids(shown)
    known = frame.pngs[chosen]
    if frame.strange[chosen]:
        known = np.where(np.isin(known, frame.strange[chosen]), 0, known)
    return shown, shown_as(kind, known), chosen


@lru_cache(maxsize=1)
def _conflict(frame: CityscapesFrame) -> Where | None:
    """(h, w) where labelIds is not the class of instanceIds."""
    pngs = frame.pngs
    if "labelIds" not in pngs or "instanceIds" not in pngs or frame.overflowing:
        return None
    differ = pngs["labelIds"] != class_ids(pngs["instanceIds"])
    return _judged(frame, differ, "labelIds", "instanceIds")


def _judged(frame: CityscapesFrame, where: Where, *kinds: str) -> Where:
    """A condition (h, w), but for pixels of which a PNG says nothing known: these are told as such."""
    for kind in kinds:
        if frame.strange[kind]:
            where = where & ~np.isin(frame.pngs[kind], frame.strange[kind])
    return where


def _pairs(one: Labels, other: Labels, where: Where) -> list[tuple[int, int, int]]:
    counts = Counter(value_counts(one[where].astype(np.int64) * _WIDE + other[where]))
    return [(code // _WIDE, code % _WIDE, count) for code, count in counts.most_common()]


# --- polygons ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Comparison:
    """A PNG beside the polygons.

    kind: the PNG. scene: the polygons, by the rule that the PNG was painted by. borders: how many pixels that
    rule paints otherwise than the one that was asked for. renumbered: the value that the PNG gives to the
    object of each official number that it does not use. unowned: values of objects that no polygon has, with
    their pixels. where: pixels that differ and are explained by none of these. shown: the PNG.
    """

    kind: str
    scene: Scene
    borders: int
    renumbered: Mapping[int, int]
    unowned: Mapping[int, int]
    where: Where
    shown: Labels

    def concerned(self) -> list[tuple[int, int]]:
        """The polygons (positions from 0) of the pixels that differ, with their number, most first."""
        counts = Counter(value_counts(self.scene.owners[self.where]))
        del counts[0]
        found = Counter({owner - 1: count for owner, count in counts.items()})
        if self.kind == "instanceIds":
            place = {self.renumbered.get(v, v): k for k, v in enumerate(self.scene.numbers) if v >= PER_CLASS}
            for value, count in value_counts(self.shown[self.where]).items():
                if value in place:
                    found[place[value]] += count
        return found.most_common()


@lru_cache(maxsize=1)  # several rules look at one frame
def compare(frame: CityscapesFrame) -> Comparison | None:
    """The polygons beside the PNG that says most; None where there are not both, or nothing differs."""
    kind, scene = first_of(_READ, frame.pngs), frame.scene
    if kind is None or scene is None or frame.overflowing:
        return None
    shown, wanted = frame.pngs[kind], shown_as(kind, scene.values)
    if np.array_equal(shown, wanted):
        return None
    judged = _judged(frame, np.ones(shown.shape, dtype=bool), kind)
    conflict = _conflict(frame)
    if conflict is not None:
        judged &= ~conflict
    scene, borders = _painted_by(frame, kind, scene, judged)
    wanted = shown_as(kind, scene.values)
    where = (shown != wanted) & judged
    renumbered: dict[int, int] = {}
    unowned: dict[int, int] = {}
    if kind == "instanceIds" and where.any():
        renumbered, owned = _numbering(wanted, shown)
        unowned = _unowned(scene, shown, renumbered, owned)
        table = np.arange(max(int(wanted.max()), *renumbered, 0) + 1, dtype=np.int32)
        table[list(renumbered)] = list(renumbered.values())
        where &= (table[wanted] != shown) & ~np.isin(shown, list(unowned))
    return Comparison(kind, scene, borders, renumbered, unowned, where, shown)


def _painted_by(frame: CityscapesFrame, kind: str, asked: Scene, judged: Where) -> tuple[Scene, int]:
    """The scene by the rule that the PNG was painted by, and how many pixels the other rule paints otherwise.

    The pixels that the two rules paint differently decide.
    """
    other: Rule = "pillow" if asked.rule == "official" else "official"
    scene = frame.painted(other)
    assert scene is not None  # the other rule gave one
    ours, theirs = shown_as(kind, asked.values), shown_as(kind, scene.values)
    between = (ours != theirs) & judged
    total = int(np.count_nonzero(between))
    shown = frame.pngs[kind][between]
    for_ours = int(np.count_nonzero(shown == ours[between]))
    for_theirs = int(np.count_nonzero(shown == theirs[between]))
    if for_theirs > for_ours and 2 * for_theirs >= total:
        return scene, total
    return asked, 0


def _numbering(wanted: Labels, shown: Labels) -> tuple[dict[int, int], set[int]]:
    """The numbers that whole objects have instead of the official ones, and the values that objects have."""
    numbered = wanted >= PER_CLASS
    most: dict[int, tuple[int, int]] = {}
    total: Counter[int] = Counter()
    pixels = value_counts(shown)
    for code, count in value_counts(wanted[numbered].astype(np.int64) * _WIDE + shown[numbered]).items():
        value, there = code // _WIDE, code % _WIDE
        total[value] += count
        most[value] = max(most.get(value, (0, 0)), (count, there))
    renumbered, owned = {}, set()
    for value, (count, there) in most.items():
        is_same_class = there == value // PER_CLASS or there // PER_CLASS == value // PER_CLASS
        is_same_place = 2 * count > total[value] and (there < PER_CLASS or 2 * count > pixels[there])
        if is_same_class and is_same_place:
            owned.add(there)
            if there != value:
                renumbered[value] = there
    return renumbered, owned


def _unowned(scene: Scene, shown: Labels, renumbered: Mapping[int, int], owned: set[int]) -> dict[int, int]:
    """The values of objects that belong to no polygon, with their pixels."""
    stated = {number for number in scene.numbers if number not in renumbered}
    return {
        value: count
        for value, count in value_counts(shown).items()
        if value >= PER_CLASS
        and label_of("instanceIds", value) is not None
        and value not in owned
        and value not in stated
    }


def said(kind: str, value: int) -> str:
    """What a value of a PNG says, for messages."""
    if kind == "color":
        return BY_ID[value].name
    if kind in ("labelIds", "instanceIds"):
        label = label_of("instanceIds", value)
    else:
        label = label_of("instanceTrainIds", value)
    if label is None:
        return "no class" if kind not in ("labelIds", "instanceIds") else f"value {value}"
    return f"{label.name} {value}" if kind in OF_OBJECTS and value >= PER_CLASS else label.name

"""What became of semantic maps: pixels by what was said of them and what is said now.

A pixel says a class, that it is to be ignored (written ``""``), or nothing (None). Some formats write a map
beside all masks of objects (VOC), others never do (COCO): a map that says no more than the objects is
nobody's work, and is not told where one side only has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.comparing.outcomes import is_gone
from labelkit.implied_maps import is_implied
from labelkit.merge_maps import VOID, Said
from labelkit.model import Record, SemanticMap
from labelkit.pixels import cell_runs, map_pixels, value_counts

Pixels = Mapping[tuple[Said, Said], int]  # how many, by what was said and what is said
MapVerdict = Literal["accepted", "changed", "unchanged", "deleted", "added"]


class MapOutcome(NamedTuple):
    """What became of a map: ``accepted`` or ``unchanged`` (a human's) where no pixel says something else.

    pixels: of a prediction that is still there.
    """

    verdict: MapVerdict
    is_prediction: bool
    pixels: Pixels


@dataclass(frozen=True)
class Agreement:
    """The pixels of predicted maps that are still there after the review."""

    pixels: Pixels

    @property
    def total(self) -> int:
        """All pixels."""
        return sum(self.pixels.values())

    @property
    def changed(self) -> int:
        """Pixels of which something else is said now."""
        return sum(count for (was, now), count in self.pixels.items() if was != now)

    @property
    def labelled(self) -> int:
        """Pixels of which nothing was said, or that were to be ignored, and that have a class now."""
        return sum(count for (was, now), count in self.pixels.items() if not was and now)

    def classes(self) -> list[str]:
        """Every class that some pixel had or has, in order."""
        return sorted({said for pair in self.pixels for said in pair if said})

    def of(self, name: str) -> tuple[int, int, int]:
        """Pixels of a class: before, after, and in both."""
        before = sum(count for (was, _), count in self.pixels.items() if was == name)
        after = sum(count for (_, now), count in self.pixels.items() if now == name)
        return before, after, self.pixels.get((name, name), 0)

    def iou(self, name: str) -> float | None:
        """Of a class, over the pixels that have a class after the review; None where none has this one."""
        before, after, both = self.of(name)
        unsaid = sum(count for (was, now), count in self.pixels.items() if was == name and not now)
        union = before - unsaid + after - both
        return both / union if union else None

    @property
    def mean_iou(self) -> float | None:
        """Over the classes that have one."""
        known = [iou for name in self.classes() if (iou := self.iou(name)) is not None]
        return sum(known) / len(known) if known else None


def map_outcomes(before: Record, after: Record) -> Iterator[MapOutcome]:
    """What became of the semantic maps of an image: those of one name, or the only ones on both sides.

    Raises ValueError where a map cannot be decoded, or two are of different sizes.
    """
    then, now = _maps(before), _maps(after)
    if len(then) == len(now) == 1:
        now = dict(zip(then, now.values(), strict=True))
    for name, was in then.items():
        made, item = was.provenance is not None, now.get(name)
        if item is None or is_gone(item):
            if made or not _is_implied(before, was):
                yield MapOutcome("deleted", made, {})
            continue
        pixels = _pixels(was, item)
        same = all(said == says for said, says in pixels)
        kept: MapVerdict = "accepted" if made else "unchanged"
        yield MapOutcome(kept if same else "changed", made, pixels if made else {})
    for name, item in now.items():
        made = item.provenance is not None
        if name not in then and not is_gone(item) and (made or not _is_implied(after, item)):
            yield MapOutcome("added", made, {})


def _is_implied(record: Record, item: SemanticMap) -> bool:
    """Whether the objects of a record say all that a map does; not where their pixels cannot be known."""
    try:
        return is_implied(record, item, record.objects)
    except ValueError:
        return False


def _maps(record: Record) -> dict[str, SemanticMap]:
    return {name: item for name, item in record.maps.items() if isinstance(item, SemanticMap)}


def _pixels(was: SemanticMap, now: SemanticMap) -> Pixels:
    places: dict[Said, int] = {}
    before, after = _codes(was, places), _codes(now, places)
    if before.shape != after.shape:
        sizes = [f"{shape[1]} x {shape[0]} pixels" for shape in (before.shape, after.shape)]
        raise ValueError(f"a map of {sizes[0]} before the review, of {sizes[1]} after it")
    counts = value_counts(before * len(places) + after)
    said = list(places)
    return {(said[pair // len(said)], said[pair % len(said)]): count for pair, count in counts.items()}


def _codes(item: SemanticMap, places: dict[Said, int]) -> NDArray[np.int64]:
    """What each pixel says, as its place in ``places``, which grows by what was not in it."""
    values = sorted(cell_runs(item))
    said = [VOID if value == item.ignore else item.classes.get(value) for value in values]
    codes = np.array([places.setdefault(each, len(places)) for each in said], dtype=np.int64)
    return codes[np.searchsorted(values, map_pixels(item))]

"""Counting outcomes: by class, and by the score that the machine gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil, floor

from labelkit.comparing.outcomes import Kind, Outcome
from labelkit.errors import UsageError

BINS = 0.1  # the usual width
_NARROWEST = 0.001
_NOISE = 1e-9  # 0.3 / 0.1 is a little less than 3


@dataclass(frozen=True)
class Counts:
    """What became of some objects, or of some image labels.

    predicted: all predictions; each of them is ``accepted``, ``moved`` (objects), ``restated`` (labels),
    ``relabelled`` (of which ``relabelled_moved``) or ``deleted``. right: those that are accepted, or moved by
    no more than was allowed. iou: the sum over those that moved. gained: predictions of another class that
    are of this one now. added: what nobody predicted, of which another run did ``added_predicted``. human:
    what humans had said before; it is ``unchanged``, ``changed`` or ``human_deleted``.
    """

    predicted: int = 0
    accepted: int = 0
    moved: int = 0
    restated: int = 0
    relabelled: int = 0
    relabelled_moved: int = 0
    deleted: int = 0
    right: int = 0
    iou: float = 0.0
    gained: int = 0
    added: int = 0
    added_predicted: int = 0
    human: int = 0
    unchanged: int = 0
    changed: int = 0
    human_deleted: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Counts)))

    @property
    def precision(self) -> float | None:
        """Right predictions of all predictions."""
        return self.right / self.predicted if self.predicted else None

    @property
    def mean_iou(self) -> float | None:
        """Of the predictions that moved, with what they were."""
        return self.iou / self.moved if self.moved else None

    @property
    def there(self) -> int:
        """What is there after the review, without what humans had said before: predictions and additions."""
        return self.accepted + self.moved + self.restated + self.gained + self.added


@dataclass(frozen=True)
class Bin:
    """Predictions with a score from low (inclusive) to high; both None where there is no score.

    The last bin that is in range has 1, too. Below 0 low is None, above 1 high.
    """

    low: float | None
    high: float | None
    counts: Counts


@dataclass(frozen=True)
class Table:
    """Outcomes of objects, or of image labels: by class, and by class and score, where there are any."""

    classes: Mapping[str, Counts]
    bins: Mapping[str, Sequence[Bin]]

    @property
    def total(self) -> Counts:
        """Over all classes."""
        return sum(self.classes.values(), Counts())

    def all_bins(self) -> list[Bin]:
        """Over all classes, by rising score; what has none comes last."""
        found: dict[tuple[float | None, float | None], Counts] = {}
        for each in (each for bins in self.bins.values() for each in bins):
            found[each.low, each.high] = found.get((each.low, each.high), Counts()) + each.counts
        return sorted((Bin(low, high, counts) for (low, high), counts in found.items()), key=_order)


class Counting:
    """Outcomes, counted as they come. The memory that it needs grows with classes and bins only."""

    def __init__(self, *, bins: float, min_iou: float) -> None:
        if not _NARROWEST <= bins <= 1:
            raise UsageError("--bins", f"{bins:g}", f"a width from {_NARROWEST:g} to 1")
        self._width = bins
        self._last = ceil(1 / bins - _NOISE) - 1
        self._min_iou = min_iou
        self._tally: dict[tuple[Kind, str, int | None, str], float] = {}
        self.relabelled: Counter[tuple[Kind, str, str]] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        place = self._bin(outcome.score) if outcome.is_prediction and outcome.was is not None else None
        for name, word, amount in _words(outcome, self._min_iou):
            key = (outcome.kind, name, place if name == outcome.was else None, word)
            self._tally[key] = self._tally.get(key, 0) + amount
        if outcome.verdict == "relabelled":
            assert outcome.was is not None
            assert outcome.now is not None
            self.relabelled[outcome.kind, outcome.was, outcome.now] += 1

    def table(self, kind: Kind, order: Sequence[str]) -> Table:
        """What was counted of one kind. order: of the classes; others come last, by name."""
        classes: dict[str, dict[str, float]] = {}
        bins: dict[str, dict[int, dict[str, float]]] = {}
        for (counted, name, place, word), amount in self._tally.items():
            if counted != kind:
                continue
            _add(classes.setdefault(name, {}), word, amount)
            if place is not None:
                _add(bins.setdefault(name, {}).setdefault(place, {}), word, amount)
        places = {name: place for place, name in enumerate(order)}
        names = sorted(classes, key=lambda name: (places.get(name, len(places)), name))
        return Table(
            {name: Counts(**classes[name]) for name in names},  # type: ignore[arg-type]
            {
                name: [self._said(*row) for row in sorted(bins[name].items())]
                for name in names
                if name in bins
            },
        )

    def _bin(self, score: float | None) -> int:
        """The number of a score's bin; one before the first and two after the last are for the others."""
        if score is None:
            return self._last + 2
        if not 0 <= score <= 1:
            return -1 if score < 0 else self._last + 1
        return min(floor(score / self._width + _NOISE), self._last)

    def _said(self, place: int, words: Mapping[str, float]) -> Bin:
        counts = Counts(**words)  # type: ignore[arg-type]
        if place == self._last + 2:
            return Bin(None, None, counts)
        low = None if place < 0 else 1.0 if place > self._last else round(place * self._width, 9)
        high = None if place > self._last else min(round((place + 1) * self._width, 9), 1.0)
        return Bin(low, high, counts)


def _words(outcome: Outcome, min_iou: float) -> Iterator[tuple[str, str, float]]:
    """What an outcome adds: to the counts of which class, to which of them, and how much."""
    verdict, was, now = outcome.verdict, outcome.was, outcome.now
    if was is None:
        assert now is not None
        yield now, "added", 1
        if outcome.is_prediction:
            yield now, "added_predicted", 1
    elif outcome.is_prediction:
        yield was, "predicted", 1
        yield was, verdict, 1
        if outcome.is_right(min_iou):
            yield was, "right", 1
        if verdict == "moved":
            yield was, "iou", outcome.iou or 0.0
        if verdict == "relabelled":
            yield was, "relabelled_moved", int(outcome.iou is not None)
            assert now is not None
            yield now, "gained", 1
    else:
        yield was, "human", 1
        yield was, "human_deleted" if verdict == "deleted" else verdict, 1


def _add(words: dict[str, float], word: str, amount: float) -> None:
    words[word] = words.get(word, 0) + amount


def _order(bin: Bin) -> tuple[bool, float, float]:
    """By score, without any last."""
    low, high = bin.low, bin.high
    return (low is None and high is None, -1.0 if low is None else low, 2.0 if high is None else high)

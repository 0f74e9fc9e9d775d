"""The least score that gives a wanted precision.

Precision at t is right predictions with a score of at least t, of all predictions with such a score in images
that were reviewed; recall is the same right predictions of all that is there after the review (what was kept
of the predictions, and what was added). Precision does not always rise with t: the threshold is the lowest of
the scores that has the wanted precision, for it keeps most.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelkit.comparing.outcomes import Outcome

MIN_PREDICTIONS = 50  # where 90 % are right the error of a precision (one sigma) is then 4 %


@dataclass(frozen=True)
class Threshold:
    """For a wanted precision: from which score on predictions have it.

    category: None for all classes together. score: None where no score gives it. precision, recall: at that
    score, or else at the one with the best precision. kept: predictions with at least that score, of
    ``predictions`` that have one.
    """

    wanted: float
    category: str | None
    score: float | None
    precision: float | None
    recall: float | None
    kept: int
    predictions: int


class Scores:
    """The score of every prediction and whether it was right: nine bytes each."""

    def __init__(self, min_iou: float) -> None:
        self._min_iou = min_iou
        self._scores: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self._right: defaultdict[str, array[int]] = defaultdict(lambda: array("b"))
        self._there: defaultdict[str, int] = defaultdict(int)

    def add(self, outcome: Outcome) -> None:
        """Note one."""
        if outcome.now is not None and (outcome.is_prediction or outcome.was is None):
            self._there[outcome.now] += 1
        if outcome.is_prediction and outcome.was is not None and outcome.score is not None:
            self._scores[outcome.was].append(outcome.score)
            self._right[outcome.was].append(outcome.is_right(self._min_iou))

    def thresholds(self, wanted: float, order: Sequence[str]) -> list[Threshold]:
        """For all classes together, then for each in that order; others come last, by name."""
        places = {name: place for place, name in enumerate(order)}
        names = sorted(self._scores, key=lambda name: (places.get(name, len(places)), name))
        pooled = self._threshold(wanted, None, names, sum(self._there.values()))
        return [pooled, *(self._threshold(wanted, name, [name], self._there[name]) for name in names)]

    def _threshold(self, wanted: float, category: str | None, names: Iterable[str], there: int) -> Threshold:
        scores = np.concatenate([np.zeros(0), *(np.asarray(self._scores[name]) for name in names)])
        right = np.concatenate([np.zeros(0, np.int8), *(np.asarray(self._right[name]) for name in names)])
        values, kept, hits = curve(scores, right)
        if not len(values):
            return Threshold(wanted, category, None, None, None, 0, len(scores))
        precision = hits / kept
        good = np.flatnonzero(precision >= wanted)
        place = int(good[-1] if len(good) else precision.argmax())
        return Threshold(
            wanted,
            category,
            float(values[place]) if len(good) else None,
            float(precision[place]),
            int(hits[place]) / there if there else None,
            int(kept[place]),
            len(scores),
        )


def curve(
    scores: NDArray[np.float64], right: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Each score from 0 to 1 that occurs, falling; how many have at least it; how many of these are right.

    Args: scores, right (N,).
    """
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(right[order], dtype=np.int64)
    is_last = np.append(scores[1:] != scores[:-1], True)[: len(scores)]  # equal scores stand or fall together
    places = np.flatnonzero(is_last & (scores >= 0) & (scores <= 1))
    return scores[places], places + 1, hits[places]

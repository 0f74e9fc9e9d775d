"""What comparing two data sets gives, and the thresholds that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelkit.comparing.counts import BINS, Table
from labelkit.comparing.maps import Agreement
from labelkit.comparing.outcomes import Kind
from labelkit.comparing.places import TOLERANCE
from labelkit.comparing.precision import MIN_PREDICTIONS, Threshold
from labelkit.comparing.shelf import Left
from labelkit.errors import RecordError, UsageError
from labelkit.loss import Ledger
from labelkit.thresholds import REST, Thresholds

MIN_IOU = 0.5
_NOT_COMPARED = frozenset({"CMP101", "CMP102"})  # an image that could be several, or is there twice


@dataclass(frozen=True)
class Settings:
    """What was asked for. See ``compare``."""

    min_iou: float = MIN_IOU
    tolerance: float = TOLERANCE
    bins: float = BINS
    precisions: tuple[float, ...] = ()
    min_predictions: int = MIN_PREDICTIONS


@dataclass(frozen=True)
class Maps:
    """Semantic maps, by what became of them. changed_human: those that a human had made and changed."""

    accepted: int = 0
    changed: int = 0
    deleted: int = 0
    added: int = 0
    unchanged_human: int = 0
    changed_human: int = 0
    deleted_human: int = 0


@dataclass(frozen=True)
class Comparison:
    """What became of predictions, and of what humans had said before.

    images: on both sides, and reviewed. not_reviewed: images that only PRELABELS has, or of which every
    prediction is still pending where REVIEWED tells statuses, and how many predictions (objects, image
    labels, maps) are in them. only_reviewed: images that only REVIEWED has, and
    how many labels of any kind. strangers: an image of each, where the data sets have none in common.
    agreement: of the pixels of predicted maps. relabelled: how often each class became each other one, most
    first. thresholds: for each wanted precision all classes together, then each class. errors: what could not
    be read or compared, and is not counted. ledger: what else is worth telling.
    """

    prelabels: str
    reviewed: str
    formats: tuple[str, str]
    settings: Settings
    images: int
    not_reviewed: Left
    only_reviewed: Left
    strangers: tuple[str, str] | None
    objects: Table
    labels: Table
    maps: Maps
    agreement: Agreement
    relabelled: Sequence[tuple[Kind, str, str, int]]
    thresholds: Sequence[Threshold]
    errors: Sequence[RecordError]
    ledger: Ledger

    @property
    def is_whole(self) -> bool:
        """Whether all could be read and compared."""
        return not self.errors and _NOT_COMPARED.isdisjoint(self.ledger.counts)

    def proposed(self) -> Thresholds:
        """Thresholds for the one precision that was wanted: classes with enough predictions have their own.

        A class of which no score has it gets 1, with which next to nothing of it is kept.

        Raises UsageError: another number of precisions than one was wanted, or nothing reviewed has a score.
        """
        if len(self.settings.precisions) != 1:
            raise UsageError("--thresholds-out", f"{len(self.settings.precisions)} --precision", "one of it")
        pooled, *each = self.thresholds
        if not pooled.predictions:
            raise UsageError(
                "--thresholds-out", "no prediction in a reviewed image has a score", "scored predictions"
            )
        own = {
            item.category: _least(item) for item in each if item.category is not None and self.has_own(item)
        }
        return Thresholds(_least(pooled), own)

    def has_own(self, threshold: Threshold) -> bool:
        """Whether a class has predictions enough for a threshold of its own."""
        return threshold.predictions >= self.settings.min_predictions and threshold.category != REST


def _least(threshold: Threshold) -> float:
    return 1.0 if threshold.score is None else threshold.score

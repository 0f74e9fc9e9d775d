"""What a reviewer did with a machine's labels: two data sets compared, image by image.

Images are paired by their path; those that another format named otherwise by their path without its suffix,
where only one on either side has it. An image that is on one side only was not reviewed (or nothing predicted
on it): nothing in it counts as deleted or added. Nor was one of which every prediction is still pending,
where REVIEWED says of any prediction what a person made of it: then its tool tells who was there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelkit.comparing.comparison import MIN_IOU, Comparison, Maps, Settings
from labelkit.comparing.counts import BINS, Counting
from labelkit.comparing.maps import Agreement, MapOutcome, map_outcomes
from labelkit.comparing.outcomes import outcomes
from labelkit.comparing.places import TOLERANCE
from labelkit.comparing.precision import MIN_PREDICTIONS, Scores
from labelkit.comparing.shelf import Left, Shelf, shelves
from labelkit.dataset import Dataset, open_dataset, source_format
from labelkit.errors import RecordError, UsageError
from labelkit.findings import Finding
from labelkit.loss import Ledger
from labelkit.merge_maps import Said
from labelkit.model import ImageLabel, Object, Record, SemanticMap

__all__ = ["BINS", "MIN_IOU", "MIN_PREDICTIONS", "TOLERANCE", "Comparison", "Maps", "Settings", "compare"]

Progress = Callable[[int, int | None], None]


def compare(
    prelabels: str | Path,
    reviewed: str | Path,
    *,
    formats: tuple[str | None, str | None] = (None, None),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    min_iou: float = MIN_IOU,
    tolerance: float = TOLERANCE,
    bins: float = BINS,
    precisions: Sequence[float] = (),
    min_predictions: int = MIN_PREDICTIONS,
    progress: Progress | None = None,
) -> Comparison:
    """Tell what a reviewer did with the labels of a machine.

    prelabels: the data set as the machine left it; reviewed: as the reviewer did; both in any format, with
    their carriers if they have some. formats: their names; detected if not said. options: for reading, by
    format. min_iou: with which a prediction that moved was right. tolerance: pixels by which an edge must be
    off to have moved (see ``comparing.places``). bins: the width of those of the scores. precisions: for
    which thresholds are looked for. min_predictions: with which a class has one of its own. progress: called
    with how many records are done, and of how many.

    Raises UsageError: a setting out of range, a format or an option that there is not. FormatError: a data
    set cannot be read at all. DestinationError: there is no place for temporary files. What else cannot be
    read or compared is an error of the result.
    """
    settings = Settings(min_iou, tolerance, bins, tuple(dict.fromkeys(precisions)), min_predictions)
    _check(settings)
    sets = _open(Path(prelabels), Path(reviewed), formats, options or {})
    work = _Work(settings, sets, progress)
    with shelves(2) as (after, waiting):
        for record in work.records(sets[1]):
            work.look_for_statuses(record)
            if not after.put(record, _weight(record, predictions=False)):
                work.tell_twice(sets[1], record)
        for record in work.records(sets[0]):
            _meet(work, record, after, waiting)
        _pair_by_stem(work, after, waiting)
        return work.finish(waiting, after)


def _check(settings: Settings) -> None:
    if not 0 <= settings.min_iou <= 1:
        raise UsageError("--min-iou", f"{settings.min_iou:g}", "a number from 0 to 1")
    if not 0 <= settings.tolerance < float("inf"):
        raise UsageError("--tolerance", f"{settings.tolerance:g}", "pixels, 0 or more")
    if settings.min_predictions < 1:
        raise UsageError("--min-predictions", str(settings.min_predictions), "1 or more")
    for wanted in settings.precisions:
        if not 0 < wanted <= 1:
            raise UsageError("--precision", f"{wanted:g}", "a number above 0, up to 1")


def _open(
    prelabels: Path,
    reviewed: Path,
    formats: tuple[str | None, str | None],
    options: Mapping[str, Mapping[str, Any]],
) -> tuple[Dataset, Dataset]:
    chosen = [
        source_format(path, name, option=option)
        for path, name, option in zip(
            (prelabels, reviewed), formats, ("--prelabels-format", "--reviewed-format"), strict=True
        )
    ]
    for name in options:
        if name not in {each.name for each in chosen}:
            found = f"does nothing, for the data sets are {chosen[0].name} and {chosen[1].name}"
            raise UsageError(f"--{name}-…", found, "an option of their formats")
    first, second = (
        open_dataset(path, format=each.name, **options.get(each.name, {}))
        for path, each in zip((prelabels, reviewed), chosen, strict=True)
    )
    return first, second


def _weight(record: Record, *, predictions: bool) -> int:
    """How many labels of any kind a record has, or how many predictions."""
    return sum(not predictions or each.provenance is not None for each in _said(record))


def _said(record: Record) -> list[Object | ImageLabel | SemanticMap]:
    """Its labels of every kind."""
    maps = (item for item in record.maps.values() if isinstance(item, SemanticMap))
    return [*record.objects, *record.labels, *maps]


def _statuses(record: Record) -> set[str]:
    """Those of its predictions."""
    return {each.provenance.status for each in _said(record) if each.provenance is not None}


def _meet(work: _Work, record: Record, after: Shelf, waiting: Shelf) -> None:
    """Compare a record with the one of its path, or let it wait for one of another suffix."""
    path = record.image.path
    now = after.take(path)
    if now is not None:
        work.compare(record, now)
    elif after.is_taken(path) or not waiting.put(record, _weight(record, predictions=True)):
        work.tell_twice(work.sets[0], record)


def _pair_by_stem(work: _Work, after: Shelf, waiting: Shelf) -> None:
    """Compare records whose paths are one but for the suffix, where there is one of each."""
    for path in waiting.paths():
        mine, theirs = waiting.alike(path), after.alike(path)
        if len(mine) == len(theirs) == 1:
            record, now = waiting.take(path), after.take(theirs[0])
            assert record is not None
            assert now is not None
            work.ledger.add(Finding("CMP103", path, f"is {theirs[0]} there"))
            work.compare(record, now)
        elif theirs:
            found = f"could be {' or '.join(theirs)}, as {' or '.join(mine)} could; not compared"
            work.ledger.add(Finding("CMP101", path, found))


class _Work:
    """A comparison on its way."""

    def __init__(self, settings: Settings, sets: tuple[Dataset, Dataset], progress: Progress | None) -> None:
        self.sets = sets
        self.ledger = Ledger()
        self._settings = settings
        self._progress = progress
        self._errors: list[RecordError] = []
        self._images = 0
        self._has_statuses = False
        self._pending = Left(0, 0)
        self._done = 0
        self._counting = Counting(bins=settings.bins, min_iou=settings.min_iou)
        self._scores = Scores(settings.min_iou)
        self._maps: Counter[str] = Counter()
        self._pixels: Counter[tuple[Said, Said]] = Counter()
        parts = [part for each in sets for part in each.reader.parts()]
        self._total = sum(part.count for part in parts) if all(part.count for part in parts) else None

    def records(self, dataset: Dataset) -> Iterator[Record]:
        """The records of a data set; what else comes is noted."""
        for note in dataset.notes:
            self.ledger.add(note)
        for part in dataset.reader.parts():
            for item in dataset.items(part):
                if isinstance(item, Finding):
                    self.ledger.add(item)
                    continue
                self._done += 1
                if self._progress:
                    self._progress(self._done, self._total)
                if isinstance(item, RecordError):
                    self._errors.append(item)
                else:
                    yield item

    def look_for_statuses(self, record: Record) -> None:
        """Note whether REVIEWED says of a prediction what a person made of it."""
        self._has_statuses = self._has_statuses or bool(_statuses(record) - {"pending"})

    def tell_twice(self, dataset: Dataset, record: Record) -> None:
        """Say that a data set has an image twice."""
        found = f"twice in {dataset.path}; the first one counts"
        self.ledger.add(Finding("CMP102", record.image.path, found))

    def compare(self, before: Record, after: Record) -> None:
        """Count what became of an image: all of it, or nothing where a part cannot be compared.

        All records of REVIEWED have been looked at before: an image may turn out not to be reviewed.
        """
        if self._has_statuses and _statuses(after) == {"pending"}:
            images, weight = self._pending
            self._pending = Left(images + 1, weight + _weight(before, predictions=True))
            return
        try:
            found = list(outcomes(before, after, self._settings.tolerance))
            maps = list(map_outcomes(before, after))
        except ValueError as error:
            self._errors.append(RecordError(before.image.path, str(error), "labels that can be compared"))
            return
        self._images += 1
        for outcome in found:
            self._counting.add(outcome)
            self._scores.add(outcome)
        for each in maps:
            self._maps[_map_word(each)] += 1
            self._pixels.update(each.pixels)

    def finish(self, waiting: Shelf, after: Shelf) -> Comparison:
        """The result."""
        first, second = self.sets
        order = [category.name for each in self.sets for category in each.header.categories]
        order = list(dict.fromkeys(order))
        mine, theirs = next(waiting.paths(), None), next(after.paths(), None)
        relabelled = sorted(self._counting.relabelled.items(), key=lambda pair: (-pair[1], pair[0]))
        objects, labels = (self._counting.table(kind, order) for kind in ("objects", "labels"))
        if foreign := objects.total.added_predicted + labels.total.added_predicted:
            found = "predictions that are not among those of PRELABELS; they count as added"
            self.ledger.add(Finding("CMP104", str(second.path), found, count=foreign))
        left = waiting.left()
        common = self._images + self._pending.images
        return Comparison(
            prelabels=str(first.path),
            reviewed=str(second.path),
            formats=(first.format.name, second.format.name),
            settings=self._settings,
            images=self._images,
            not_reviewed=Left(left.images + self._pending.images, left.weight + self._pending.weight),
            only_reviewed=after.left(),
            strangers=None if common or mine is None or theirs is None else (mine, theirs),
            objects=objects,
            labels=labels,
            maps=Maps(**self._maps),
            agreement=Agreement(dict(self._pixels)),
            relabelled=[(*key, count) for key, count in relabelled],
            thresholds=[
                each
                for wanted in self._settings.precisions
                for each in self._scores.thresholds(wanted, order)
            ],
            errors=self._errors,
            ledger=self.ledger,
        )


def _map_word(outcome: MapOutcome) -> str:
    """The count that a map belongs to."""
    if outcome.verdict == "added" or outcome.is_prediction:
        return outcome.verdict
    return f"{outcome.verdict}_human"

"""The record of a run, beside its labels: ``run.json``, and ``queue.jsonl``, in which order to review.

Both are made while the labels are written, an image at a time, and appear when the labels are there. They
hold no times and no hosts: the same images and options give the same bytes.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any

import numpy as np

from labelkit.canonical import decode_record
from labelkit.journal import Entry, Journal
from labelkit.model import Record
from labelkit.prelabels import Making, is_labelled, make_labels
from labelkit.publish import replacing

ORDERS = ("name", "uncertainty")
RECORD = "run.json"
QUEUE = "queue.jsonl"
_SPOOL = "images.part"
_TOLD = 100  # images by name: there may be millions


@dataclass
class Tally:
    """What became of images and labels.

    counts: by what is counted. triage: by verdict (``matching``). faults: the first images that were not
    labelled, and why; notes: the first of which something else is to be told. The record of the run has all.
    """

    counts: Counter[str] = field(default_factory=Counter)
    triage: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


class Recorder:
    """Makes labels of a journal, record by record, and keeps count.

    forgets_unread: whether a record whose image cannot be read says nothing, so that it is left out.
    """

    def __init__(self, journal: Journal, making: Making, *, forgets_unread: bool) -> None:
        self.journal = journal
        self.making = making
        self.tally = Tally()
        self.forgets_unread = forgets_unread
        self._windows = journal.windows()
        self._window: dict[str, Entry] = {}
        self._spool_file = journal.folder / _SPOOL
        self._places = array("q")
        self._uncertainties = array("d")

    def __enter__(self) -> Recorder:
        self._spool: IO[bytes] = self._spool_file.open("w+b")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()
        self._spool_file.unlink(missing_ok=True)

    def edit(self, record: Record) -> Record | None:
        """A record with the labels that the model has for it; what ``convert`` calls an edit."""
        if self.making.existing == "only-unlabelled" and is_labelled(record, self.making.task):
            self.tally.counts["images that were labelled already"] += 1
            return record
        entry = self._find(record.image.path)
        self.tally.counts["images"] += 1
        said: dict[str, Any] = {"image": entry.path, "sha256": entry.sha256}
        if entry.notes:
            said["notes"] = entry.notes
            self.tally.counts["images with a note"] += 1
            self.tally.notes += [(entry.path, note) for note in entry.notes if len(self.tally.notes) < _TOLD]
        if entry.fault:
            if len(self.tally.faults) < _TOLD:
                self.tally.faults.append((entry.path, entry.fault))
            self.tally.counts["images that could not be labelled"] += 1
            self._write({**said, "fault": entry.fault}, None)
            return None if self.forgets_unread else record
        guessed = decode_record(bytes(entry.record))
        made = make_labels(record, guessed, entry.confidence, self.making, entry.sha256)
        kept = len(guessed.labels) + len(guessed.objects) + len(guessed.maps)
        self._count(kept, made.written, made.replaced, entry.unknown)
        self.tally.triage += made.triage
        said |= {"kept": kept, "written": made.written, "uncertainty": made.uncertainty}
        said |= {"triage": dict(sorted((+made.triage).items()))}
        self._write(said, made.uncertainty)
        return made.record

    def _find(self, path: str) -> Entry:
        """What the journal says of an image. Records come in its order, window by window."""
        if path not in self._window:
            self._window = next(self._windows, {})
        return self._window.get(path) or Entry(
            path, fault="came while the others were labelled; --resume takes it"
        )

    def _count(self, kept: int, written: int, replaced: int, unknown: int) -> None:
        counts = self.tally.counts
        counts["predictions"] += kept
        counts["labels written"] += written
        counts["labels replaced"] += replaced
        counts["predictions of no class or pixel"] += unknown
        counts["images without a prediction"] += not kept

    def _write(self, said: dict[str, Any], uncertainty: float | None) -> None:
        place = self._spool.tell()
        self._spool.write(json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        if uncertainty is not None:
            self._places.append(place)
            self._uncertainties.append(uncertainty)

    def publish(self, order: str, left_out: Sequence[str] = ()) -> None:
        """Write the record and the queue.

        order: ``name``, as the data set has it, or ``uncertainty``. left_out: records that were not written.
        """
        making = self.making
        head = {
            "labelkit-run": 1,
            "run": making.run,
            "facts": self.journal.facts,
            "thresholds": {**making.thresholds.classes, "*": making.thresholds.default},
            "class_map": dict(making.names),
            "existing": making.existing,
            "counts": dict(sorted(self.tally.counts.items())),
            "triage": dict(sorted((+self.tally.triage).items())),
            **({"left_out": list(left_out)} if left_out else {}),
        }
        with replacing(self.journal.folder / RECORD) as stream:
            text = json.dumps(head, indent=2, ensure_ascii=False)
            stream.write(text.removesuffix("\n}") + ',\n  "images": [')
            self._spool.seek(0)
            for number, line in enumerate(self._spool):
                stream.write(
                    (",\n    " if number else "\n    ") + line.decode("utf-8", "surrogatepass").rstrip("\n")
                )
            stream.write("\n  ]\n}\n")
        with replacing(self.journal.folder / QUEUE) as stream:
            for line in self._queue(order):
                stream.write(line.decode("utf-8", "surrogatepass"))

    def _queue(self, order: str) -> Iterator[bytes]:
        places = np.frombuffer(self._places, dtype=np.int64)
        ranks = np.arange(places.size)
        if order == "uncertainty":
            ranks = np.argsort(-np.frombuffer(self._uncertainties, dtype=np.float64), kind="stable")
        for rank in ranks:
            self._spool.seek(int(places[rank]))
            yield self._spool.readline()

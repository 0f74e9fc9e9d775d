"""Running a model over a data set, batch by batch, into a journal; and what decides what it says."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

import labelkit
from labelkit.canonical import encode_record
from labelkit.dataset import Dataset
from labelkit.engine import available
from labelkit.errors import UsageError
from labelkit.journal import LOG, Entry, Journal, Line
from labelkit.model import Image, Record
from labelkit.predict import torchvision_models
from labelkit.predict.adapters import Guess, Settings
from labelkit.predict.inputs import NO_ROOM, Loaded, Loader, digest_of, loaded
from labelkit.predict.loading import Choice, choose
from labelkit.predict.plan import Batch, Shot, batches, take
from labelkit.predict.registry import Classes
from labelkit.predict.running import SEED, Runner, batch_size, device_name, find_device
from labelkit.prelabels import confidence_text, is_labelled

Progress = Callable[[int, int | None], None]
_LIBRARIES = ("torch", "torchvision", "numpy", "pillow")
_MOST_WORKERS = 8


@dataclass(frozen=True)
class Asked:
    """What a person asks of a model; None: what suits it and the device."""

    task: str
    model: str | None
    weights: str | None
    classes: Path | None
    model_options: Mapping[str, Any]
    transform_options: Mapping[str, Any]
    keep_threshold: float
    nms_iou: float | None
    max_per_image: int | None
    top_k: int
    multi_label: bool
    device: str
    batch_size: int | None
    amp: bool
    workers: int | None
    unlabelled_only: bool


class Labelling:
    """A model that is chosen, and built only when there is an image that it has not seen.

    Raises UsageError, FormatError, ModelError.
    """

    def __init__(self, asked: Asked) -> None:
        torchvision_models()  # or say what is to be installed
        self.asked = asked
        self.device = find_device(asked.device)
        self.choice: Choice = choose(
            asked.task,
            asked.model,
            asked.weights,
            asked.classes,
            asked.model_options,
            asked.transform_options,
        )
        self.batch_size = asked.batch_size or batch_size(asked.task, self.device)
        self.told: list[str] = []

    @property
    def classes(self) -> Classes:
        """The class of each of the model's outputs."""
        return self.choice.classes

    @property
    def model_name(self) -> str:
        """The model and its weights, as provenance names them."""
        return f"{self.choice.model}:{self.choice.weights}"

    @cached_property
    def facts(self) -> dict[str, Any]:
        """All that decides what the model says of an image: equal facts and images give equal labels."""
        asked, choice = self.asked, self.choice
        return {
            "task": asked.task,
            "model": choice.model,
            "model_options": dict(choice.options),
            "weights": choice.weights,
            "weights_sha256": choice.sha256,
            "classes": list(choice.classes),
            "transforms": " ".join(repr(choice.transforms).split()),
            "keep_threshold": asked.keep_threshold,
            "nms_iou": asked.nms_iou,
            "max_per_image": asked.max_per_image,
            "top_k": asked.top_k,
            "multi_label": asked.multi_label,
            "device": device_name(self.device),
            "batch_size": self.batch_size,
            "amp": asked.amp,
            "seed": SEED,
            "unlabelled_only": asked.unlabelled_only,
            "versions": {"labelkit": labelkit.__version__, **{name: version(name) for name in _LIBRARIES}},
        }

    @cached_property
    def run(self) -> str:
        """The name of a run: 16 hexadecimal digits of its facts."""
        text = json.dumps(self.facts, sort_keys=True).encode()
        return blake2b(text, digest_size=8).hexdigest()

    def fill(self, journal: Journal, dataset: Dataset, progress: Progress | None) -> int:
        """Write into the journal what the model says of the images that are not in it yet.

        Returns how many images that were. Raises UsageError where the journal is of other images.
        """
        log = Log(journal.folder)
        parts = dataset.reader.parts()
        total = sum(part.count for part in parts) if all(part.count for part in parts) else None
        passed = _Passed(progress, total)
        loader = Loader(self.choice.transforms)
        plan = batches(
            self._shots(dataset), self.batch_size, any_size=_makes_one_size(self.choice.transforms)
        )
        ahead = _missing(plan, journal, passed)
        first = next(ahead, None)
        if first is None:
            return 0
        log.write("resumed" if journal.count else "started", run=self.run, batches=journal.count)
        runner = self.runner
        began, images = time.monotonic(), 0
        workers = self._workers()
        for each in loaded(chain([first], ahead), loader, workers, pinned=self.device.type == "cuda"):
            said = runner.guesses(each, on_device=loader.on_device)
            journal.append(_line(each, said))
            images += len(said)
            passed.add(len(said))
            log.write("batch", number=each.batch.number, images=len(said))
        for text in self.told:
            log.write("memory", text=text)
        log.write("predicted", images=images, seconds=round(time.monotonic() - began, 3))
        return images

    @cached_property
    def runner(self) -> Runner:
        """The model, built when someone asks for it. Raises ModelError."""
        asked, choice = self.asked, self.choice
        settings = Settings(asked.task, choice.classes, asked.keep_threshold, asked.top_k, asked.multi_label)
        return Runner(
            choice,
            settings,
            self.device,
            nms_iou=asked.nms_iou,
            max_per_image=asked.max_per_image,
            amp=asked.amp,
            tell=self.told.append,
        )

    def _workers(self) -> int:
        if self.asked.workers is not None:
            return self.asked.workers
        return 0 if self.device.type == "cpu" else min(available(), _MOST_WORKERS)

    def _shots(self, dataset: Dataset) -> Iterator[Shot]:
        """The images of a data set that are to be labelled; what cannot be read is told on writing."""
        for part in dataset.reader.parts():
            for read, item in dataset.readings(part):
                if read is None or not isinstance(item, Record):
                    continue
                if self.asked.unlabelled_only and is_labelled(item, self.asked.task):
                    continue
                yield _shot(dataset, read, item)


class Log:
    """When and where a run ran: times and hosts, which are in no result."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / LOG

    def write(self, event: str, **said: Any) -> None:
        """One line. A log that cannot be written ends no run."""
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "host": platform.node(),
            "event": event,
            **said,
        }
        try:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
        except OSError:
            return


def _shot(dataset: Dataset, read: Record, item: Record) -> Shot:
    try:
        file = dataset.image_file(read)
    except ValueError as error:  # a link that leaves its folder
        return Shot(item.image, None, fault=str(error))
    return take(item.image, file)


class _Passed:
    """How many images are done, told to whoever waits."""

    def __init__(self, progress: Progress | None, total: int | None) -> None:
        self.progress = progress
        self.total = total
        self.count = 0

    def add(self, count: int) -> None:
        self.count += count
        if self.progress:
            self.progress(self.count, self.total)


def _makes_one_size(transforms: Any) -> bool:
    """Whether images are cropped to one size, so that any may share a batch."""
    return getattr(transforms, "crop_size", None) is not None


def _missing(plan: Iterable[Batch], journal: Journal, passed: _Passed) -> Iterator[Batch]:
    """The batches that are not in the journal; what it says from an image on that has changed is dropped."""
    number = -1
    for number, batch in enumerate(plan):
        if number < journal.count:
            line = journal.line(number)
            if _is_said(batch, line):
                passed.add(len(batch.shots))
                continue
            _refuse_others(batch, line, journal)
            journal.forget(number)
        yield batch
    if number + 1 < journal.count:  # the data set has become smaller
        journal.forget(number + 1)


def _refuse_others(batch: Batch, line: Line, journal: Journal) -> None:
    """Raise UsageError where a run is of other images, so that going on would throw away what it says.

    Images that were added or removed in the last window of the run cost that window at most.
    """
    now, then = [shot.image.path for shot in batch.shots], [entry.path for entry in line.images]
    if now != then and (line.window < journal.line(journal.count - 1).window or not set(now) & set(then)):
        raise UsageError(
            "--resume",
            f"the run in {journal.folder} is of other images: {then[0]!r} is where {now[0]!r} is now",
            "the same images, but for new ones behind the last",
            "--overwrite without --resume begins a new run",
        )


def _is_said(batch: Batch, line: Line) -> bool:
    """Whether a batch of the journal is of these images, byte for byte and turned as they are now.

    Where memory was short it is not: there may be more of it now.
    """
    paths = [entry.path for entry in line.images]
    if line.window != batch.window or paths != [shot.image.path for shot in batch.shots]:
        return False
    return all(
        entry.seen == _seen(shot)
        and (entry.fault == shot.fault if shot.fault else NO_ROOM not in entry.fault)
        and entry.sha256 == (digest_of(shot.file) if shot.file else "")
        for entry, shot in zip(line.images, batch.shots, strict=True)
    )


def _seen(shot: Shot) -> tuple[int, int, int]:
    return (*shot.size, shot.orientation)


def _line(each: Loaded, said: list[Guess | str]) -> Line:
    entries = [
        _entry(shot, digest, guess)
        for shot, digest, guess in zip(each.batch.shots, each.digests, said, strict=True)
    ]
    return Line(each.batch.number, each.batch.window, entries)


def _entry(shot: Shot, digest: str, said: Guess | str) -> Entry:
    if isinstance(said, str):
        return Entry(shot.image.path, digest, _seen(shot), fault=said, notes=shot.notes)
    width, height = shot.size
    record = Record(
        image=Image(path=shot.image.path, width=width, height=height),
        labels=said.labels,
        objects=said.objects,
        maps=dict(said.maps),
    )
    text = confidence_text(said.confidence) if said.confidence is not None else ""
    return Entry(
        path=shot.image.path,
        sha256=digest,
        seen=_seen(shot),
        record=msgspec.Raw(encode_record(record)),
        confidence=text,
        unknown=said.unknown,
        notes=shot.notes,
    )

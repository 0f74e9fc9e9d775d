"""Pre-labelling: images → a plan of batches → a model → a journal → labels beside those that are there.

What a model says goes into the journal first, and the labels are made of the journal: so a stopped run goes
on where it was, and thresholds can be changed without running a model again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelkit.dataset import Dataset, open_dataset, source_format
from labelkit.errors import FormatError, UsageError
from labelkit.formats import FEATURES, formats, get_format
from labelkit.image_folder import FORMAT as IMAGES
from labelkit.image_folder import NAME, is_images, open_images
from labelkit.journal import FILE, Journal, refuse_old_run
from labelkit.labelling import Asked, Labelling
from labelkit.model import Header
from labelkit.pipeline import Progress, Report, check_destination, options_of, write_dataset
from labelkit.predict import OBJECT_TASKS, TASKS
from labelkit.prelabels import EXISTING, Making, with_classes
from labelkit.run_record import ORDERS, Recorder, Tally
from labelkit.select import load_class_map
from labelkit.thresholds import Thresholds, read_thresholds

# The least score that becomes a label where nobody says it. An image of one class gets the likeliest.
THRESHOLDS = {"classification": 0.0, "localization": 0.5, "detection": 0.5, "semantic": 0.5, "instance": 0.5}

# What a format must carry to hold what a task makes.
_NEEDED = {
    "classification": "labels",
    "localization": "boxes",
    "detection": "boxes",
    "semantic": "semantic",
    "instance": "instances",
}


@dataclass(frozen=True)
class Run:
    """What a run did.

    folder: where its journal and its record lie. predicted: images that went through the model now; the rest
    were in the journal. tally: what became of them. report: how the labels were written. told: what happened
    on the way (memory that ran out).
    """

    id: str
    task: str
    model: str
    folder: Path
    predicted: int
    tally: Tally
    report: Report
    told: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """The run as JSON values."""
        return {
            "run": self.id,
            "task": self.task,
            "model": self.model,
            "folder": str(self.folder),
            "predicted_now": self.predicted,
            "counts": dict(sorted(self.tally.counts.items())),
            "triage": dict(sorted((+self.tally.triage).items())),
            "told": list(self.told),
            "not_labelled": [{"image": path, "why": why} for path, why in self.tally.faults],
            "notes": [{"image": path, "note": note} for path, note in self.tally.notes],
            "written": self.report.as_json(),
        }


def run_folder(destination: str | Path) -> Path:
    """Where the journal and the record of a run lie: beside its labels."""
    place = Path(os.path.abspath(destination))  # noqa: PTH100 (links stay)
    return place.with_name(f"{place.name}.labelkit-run")


def prelabel(
    source: str | Path,
    destination: str | Path,
    *,
    task: str,
    model: str | None = None,
    weights: str | None = None,
    classes: str | Path | None = None,
    model_options: Mapping[str, Any] | None = None,
    transform_options: Mapping[str, Any] | None = None,
    to: str = "coco",
    from_: str | None = None,
    images_dir: str | Path | None = None,
    images: str = "copy",
    threshold: str | float | None = None,
    keep_threshold: float = 0.05,
    nms_iou: float | None = None,
    max_per_image: int | None = None,
    top_k: int = 1,
    multi_label: bool = False,
    class_map: str | Mapping[str, str] | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    amp: bool = False,
    workers: int | None = None,
    existing: str = "keep",
    resume: bool = False,
    order: str = "name",
    carrier: bool = True,
    overwrite: bool = False,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Label images with a model, for a human to review; the destination appears whole, or not at all.

    source: a folder of images, a glob, an image, or a data set. task: one of ``predict.TASKS``. model,
    weights: of torchvision's registry, or a checkpoint with a file of its ``classes``. threshold: a number,
    or a JSON file of numbers by class: what becomes a label; all from keep_threshold on stays in the journal.
    model_options, transform_options: of the model's builder, and of what is done to an image before.
    nms_iou, max_per_image: of detectors. top_k, multi_label: of classifiers. class_map: names of the set for
    names of the model. existing: ``keep`` labels that are there, ``replace-pending`` or ``replace`` those of
    the task, or label ``only-unlabelled`` images. resume: go on with what a run left, finished or not. order:
    of the review queue, ``name`` or ``uncertainty``. options: of the formats, as ``convert`` has them.

    Raises UsageError, FormatError, DestinationError, ModelError; a failure keeps the batches that are done.
    """
    _check(task, existing, order)
    _check_numbers(task, keep_threshold, nms_iou, max_per_image, top_k, batch_size, multi_label=multi_label)
    folder = run_folder(destination)
    place = Path(os.path.abspath(destination))  # noqa: PTH100 (links stay)
    is_folder = from_ == NAME or (from_ is None and is_images(source))
    origin = IMAGES if is_folder else source_format(Path(source), from_)
    reading, writing = options_of(origin, get_format(to), options or {})
    if is_folder and images_dir:
        raise UsageError("--images-dir", "together with images", "a data set of which they are the images")
    if is_folder:
        dataset = open_images(source, without=(place, folder))
    else:
        dataset = open_dataset(source, format=origin.name, images_dir=images_dir, **reading)
    _refuse_unfit(task, to)
    check_destination(dataset.path, destination, overwrite=overwrite)
    asked = Asked(
        task=task,
        model=model,
        weights=weights,
        classes=Path(classes) if classes else None,
        model_options=model_options or {},
        transform_options=transform_options or {},
        keep_threshold=keep_threshold,
        nms_iou=nms_iou,
        max_per_image=max_per_image,
        top_k=top_k,
        multi_label=multi_label,
        device=device,
        batch_size=batch_size,
        amp=amp,
        workers=workers,
        unlabelled_only=existing == "only-unlabelled",
    )
    labelling = Labelling(asked)
    names = _names(class_map, labelling)
    header = with_classes(dataset.header, labelling.classes, names, task)
    limits = _thresholds(threshold, task, header, keep_threshold, multi_label=multi_label)
    apart = "instances.overlap" not in get_format(to).carries
    making = Making(labelling.run, labelling.model_name, task, limits, names, existing, multi_label, apart)
    if not (resume or overwrite):
        refuse_old_run(folder)
    if not (resume and (folder / FILE).exists()):
        _ = labelling.runner  # a model that cannot be built takes no earlier run away
    with closing(Journal(folder, labelling.facts, resume=resume, overwrite=overwrite)) as journal:
        predicted = labelling.fill(journal, dataset, progress)
        if existing != "only-unlabelled":
            _refuse_unread(journal, dataset)
        with Recorder(journal, making, forgets_unread=dataset.format.name == NAME) as recorder:
            report = write_dataset(
                replace(dataset, header=header),
                destination,
                to=to,
                images=images,
                edit=recorder.edit,
                carrier=carrier,
                on_error="skip",
                overwrite=overwrite,
                options=writing,
                progress=progress,
            )
            recorder.publish(order, [str(error) for error in report.errors])
    return Run(
        making.run, task, making.model, folder, predicted, recorder.tally, report, tuple(labelling.told)
    )


def _check(task: str, existing: str, order: str) -> None:
    for name, value, known in (
        ("--task", task, TASKS),
        ("--existing", existing, EXISTING),
        ("--order", order, ORDERS),
    ):
        if value not in known:
            raise UsageError(name, repr(value), f"one of {', '.join(known)}")


def _check_numbers(
    task: str,
    keep: float,
    nms_iou: float | None,
    max_per_image: int | None,
    top_k: int,
    batch_size: int | None,
    *,
    multi_label: bool,
) -> None:
    """Raise UsageError for a number that is none of its kind, and for one that does nothing."""
    for name, value in (("--keep-threshold", keep), ("--nms-iou", nms_iou)):
        if value is not None and not 0 <= value <= 1:
            raise UsageError(name, str(value), "a number from 0 to 1")
    for name, count in (("--max-per-image", max_per_image), ("--top-k", top_k), ("--batch-size", batch_size)):
        if count is not None and count < 1:
            raise UsageError(name, str(count), "a number from 1 on")
    of_detectors = {"--nms-iou": nms_iou is not None, "--max-per-image": max_per_image is not None}
    of_classifiers = {"--top-k": top_k != 1, "--multi-label": multi_label}
    idle = {} if task == "classification" else of_classifiers
    idle |= {} if task in OBJECT_TASKS else of_detectors
    for name, is_said in idle.items():
        if is_said:
            raise UsageError(name, f"does nothing for {task}", "an option of this task")


def _refuse_unread(journal: Journal, dataset: Dataset) -> None:
    """Raise FormatError where there are images, and not one of them could be labelled."""
    entries = (entry for window in journal.windows() for entry in window.values())
    first = next(entries, None)
    if first is not None and first.fault and all(entry.fault for entry in entries):
        text = f"no image could be labelled (first {first.path}: {first.fault})"
        raise FormatError(str(dataset.path), text, "", "--images-dir says where the images are")


def _names(class_map: str | Mapping[str, str] | None, labelling: Labelling) -> Mapping[str, str]:
    """The set's names of the model's classes. Raises UsageError for a map that renames none of them."""
    names = load_class_map(class_map) if isinstance(class_map, str) else class_map or {}
    if names and not names.keys() & set(labelling.classes):
        known = ", ".join(name for name in labelling.classes if name)
        raise UsageError("--map", "renames no class of the model", f"some of {known[:200]}")
    if not all(names.values()):
        raise UsageError("--map", "an empty name", "names")
    return names


def _refuse_unfit(task: str, to: str) -> None:
    """Raise UsageError where a format has no place for what a task makes: everything would be dropped."""
    needed = _NEEDED[task]
    if needed not in get_format(to).carries:
        able = ", ".join(name for name, item in formats().items() if needed in item.carries)
        raise UsageError(f"--to {to}", f"holds no {FEATURES[needed]}", f"one of {able}")


def _thresholds(
    said: str | float | None, task: str, header: Header, keep: float, *, multi_label: bool
) -> Thresholds:
    """What becomes a label. Raises UsageError where that would need scores that are not kept."""
    default = 0.5 if multi_label else THRESHOLDS[task]
    if said is None:
        return Thresholds(default)
    known = [category.name for category in header.categories]
    limits = read_thresholds(str(said), known, default)
    lowest = min((limits.default, *limits.classes.values()))
    if lowest < keep and task != "semantic":
        text = f"{lowest}, and nothing under {keep} is kept"
        raise UsageError(
            "--threshold", text, "a threshold from --keep-threshold on", "say a lower --keep-threshold"
        )
    return limits

"""From what a model said of an image to the labels that a reviewer gets: thresholds, names, who made it.

What is there already is never touched, unless it is asked for; a guess that speaks of a thing that has a
label is counted (``matching``), and not put beside it.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from io import BytesIO
from itertools import count
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry import rle
from labelkit.matching import NEW, Triage, is_pending, match_labels, match_maps, match_objects
from labelkit.model import (
    Category,
    Header,
    Image,
    ImageLabel,
    Layer,
    Layers,
    Object,
    Provenance,
    Record,
    SemanticMap,
)
from labelkit.pixels import decoding, map_pixels, mask_runs, rle_mask
from labelkit.predict import OBJECT_TASKS
from labelkit.predict.adapters import STEPS
from labelkit.thresholds import Thresholds

EXISTING = ("keep", "replace-pending", "replace", "only-unlabelled")
_SEMANTIC = "semantic"
_VOID = 255  # the value of pixels to be ignored, as in VOC, unless a class has it


@dataclass(frozen=True)
class Making:
    """What decides which labels are made of guesses.

    names: a class of the set for a class of the model. thresholds: by the names of the set. existing: what
    becomes of labels that are there: ``replace-pending`` takes away what a model said and nobody looked at,
    ``replace`` all of them. apart: whether a pixel of the target has one owner.
    """

    run: str
    model: str
    task: str
    thresholds: Thresholds
    names: Mapping[str, str] = field(default_factory=dict)
    existing: str = "keep"
    multi_label: bool = False
    apart: bool = False


class Made(NamedTuple):
    """A record with its new labels.

    written: how many. replaced: how many labels that were there are gone. uncertainty: from 0 to 1.
    """

    record: Record
    written: int
    replaced: int
    triage: Counter[str]
    uncertainty: float


def with_classes(
    header: Header, classes: Sequence[str | None], names: Mapping[str, str], task: str
) -> Header:
    """A set's header with the classes that a model can say, behind its own."""
    known = {category.name for category in header.categories}
    thing = True if task in OBJECT_TASKS else None
    said = dict.fromkeys(names.get(name, name) for name in classes if name is not None)
    new = tuple(Category(name=name, thing=thing) for name in said if name not in known)
    return header.model_copy(update={"categories": header.categories + new})


def is_labelled(record: Record, task: str) -> bool:
    """Whether a record has labels of the kind that a task makes."""
    if task == "classification":
        return any(label.state == "present" for label in record.labels)
    return _there(record) is not None if task == "semantic" else bool(record.objects)


def _there(record: Record) -> SemanticMap | None:
    """The semantic map that a record has; a panoptic one is one too."""
    for name in (_SEMANTIC, "panoptic"):
        item = record.maps.get(name)
        if isinstance(item, SemanticMap):
            return item
    return None


def make_labels(record: Record, guessed: Record, confidence: str, making: Making, sha256: str = "") -> Made:
    """A record with what a model said of its image at or above the thresholds.

    guessed: everything at or above the keep-threshold. confidence: of its semantic map, a PNG in base64.
    sha256: of the image.
    """
    image = record.image
    if image.width is None or image.height is None:
        image = Image(path=image.path, width=guessed.image.width, height=guessed.image.height)
    sized = record.model_copy(update={"image": image})
    uncertainty = round(_uncertainty(guessed, confidence, making), 6)
    if making.task == "semantic":
        return _with_map(sized, guessed, confidence, making, uncertainty)
    if making.task == "classification":
        return _with_labels(sized, guessed, making, uncertainty)
    return _with_objects(sized, guessed, making, uncertainty, sha256)


_Said = TypeVar("_Said", Object, ImageLabel)


def _kept(there: tuple[_Said, ...], making: Making) -> tuple[_Said, ...]:
    """The labels that stay."""
    if making.existing == "replace":
        return ()
    if making.existing == "replace-pending":
        return tuple(item for item in there if not is_pending(item))
    return there


def _uncertainty(guessed: Record, confidence: str, making: Making) -> float:
    """How unsure a model is of an image, from 0 to 1.

    Of one class an image: what the likeliest lacks to 1. Of a map: what its mean confidence lacks. Else of
    its least certain guess, where 0.5 is the least certain score; 0 where it has none.
    """
    if making.task == "semantic":
        return 1 - float(confidences(confidence).mean(dtype=np.float64)) / STEPS
    scores = [item.score or 0.0 for item in (*guessed.labels, *guessed.objects)]
    if making.task == "classification" and not making.multi_label:
        return 1 - max(scores, default=0.0)
    return max((1 - abs(2 * score - 1) for score in scores), default=0.0)


def _with_objects(record: Record, guessed: Record, making: Making, uncertainty: float, sha256: str) -> Made:
    before = _kept(record.objects, making)
    taken = {item.uid for item in before}
    renamed = []
    for number, item in enumerate(guessed.objects):
        uid = _uid(making.run, record.image.path, sha256, number, taken)
        taken.add(uid)
        renamed.append(_signed(item, making, uid))
    sure = [item for item in renamed if (item.score or 0.0) >= making.thresholds.of(item.category)]
    if making.task == "localization":
        sure = sure[:1]  # they come by score
    there = record.model_copy(update={"objects": before})
    triage = match_objects(there, record.model_copy(update={"objects": tuple(sure)}))
    new = [sure[k] for k in triage.new]
    if making.task == "localization" and before:
        new = []  # there is a single object, and somebody has said which
    if making.apart and new:
        new = _beside(there, new)
    made = record.model_copy(update={"objects": (*before, *new)})
    return Made(made, len(new), len(record.objects) - len(before), triage.counts, uncertainty)


def _beside(there: Record, new: list[Object]) -> list[Object]:
    """New instances without the pixels that objects have which are there: those would lose them.

    One that has none left is left out.
    """
    owned = [mask_runs(there, item.mask) for item in there.objects if item.kind == "instance"]
    height, width = there.image.height, there.image.width
    if not owned or height is None or width is None:
        return new
    theirs = rle.union(owned)
    kept: list[Object] = []
    for item in new:
        if item.kind == "instance":
            runs = rle.minus(mask_runs(there, item.mask), theirs)
            if not rle.area(runs):
                continue
            item = item.model_copy(update={"mask": rle_mask(runs, height, width)})
        kept.append(item)
    return kept


def _uid(run: str, path: str, sha256: str, number: int, taken: Collection[str | None]) -> str:
    """12 hexadecimal digits that depend on the run, the image and the rank, and that no other object has."""
    for attempt in count():
        key = f"{run}\0{path}\0{sha256}\0{number}\0{attempt}".encode("utf-8", "surrogatepass")
        uid = blake2b(key, digest_size=6).hexdigest()
        if uid not in taken:
            return uid
    raise AssertionError("there is always a next number")


def _signed(item: Object, making: Making, uid: str) -> Object:
    """A guess under the name of the set's class, with who made it."""
    update: dict[str, Any] = {
        "category": making.names.get(item.category, item.category),
        "uid": uid,
        "provenance": _provenance(making, item.score),
    }
    return item.model_copy(update=update)


def _provenance(making: Making, score: float | None) -> Provenance:
    return Provenance(run=making.run, model=making.model, score=score, status="pending")


def _with_labels(record: Record, guessed: Record, making: Making, uncertainty: float) -> Made:
    sure = {}
    for label in guessed.labels:
        name = making.names.get(label.category, label.category)
        if (label.score or 0.0) >= making.thresholds.of(name) and name not in sure:
            update = {"category": name, "provenance": _provenance(making, label.score)}
            sure[name] = label.model_copy(update=update)
    before = _kept(record.labels, making)
    triage = match_labels(before, list(sure.values()), multi_label=making.multi_label)
    new = tuple(list(sure.values())[k] for k in triage.new)
    made = record.model_copy(update={"labels": before + new})
    return Made(made, len(new), len(record.labels) - len(before), triage.counts, uncertainty)


def _with_map(record: Record, guessed: Record, confidence: str, making: Making, uncertainty: float) -> Made:
    item = guessed.maps[_SEMANTIC]
    assert isinstance(item, SemanticMap)
    sure = _above(item, confidences(confidence), making)
    there = _there(record)
    goes = making.existing == "replace" or (
        making.existing == "replace-pending" and there and is_pending(there)
    )
    if there is not None and not goes:
        return Made(record, 0, 0, match_maps(there, sure).counts, uncertainty)
    said = map_pixels(sure)
    triage = Triage(Counter({NEW: int((said != sure.ignore).sum() - (said == 0).sum())}))
    kept = {name: other for name, other in record.maps.items() if other is not there}
    made = record.model_copy(update={"maps": {**kept, _SEMANTIC: sure}})
    return Made(made, 1, int(there is not None), triage.counts, uncertainty)


def _above(item: SemanticMap, confidence: NDArray[np.uint8], making: Making) -> SemanticMap:
    """The map whose unsure pixels are to be ignored, under the names of the set's classes.

    The background has no name: a sure pixel of it stays without a class, an unsure one is to be ignored.
    """
    values = map_pixels(item)
    names = {value: making.names.get(name, name) for value, name in item.classes.items()}
    ignore = _VOID if _VOID not in names else max(names) + 1
    limits = np.full(max((ignore, *names)) + 1, making.thresholds.default, dtype=np.float64)
    for value, name in names.items():
        limits[value] = making.thresholds.of(name)
    steps = np.minimum(limits * STEPS, STEPS - 1)  # the last step is of all that is surer
    sure = np.where(confidence >= steps[values], values, ignore)
    height, width = sure.shape
    layers = tuple(
        Layer(value=value, mask=rle_mask(runs, height, width))
        for value, runs in rle.from_labels(sure).items()
        if value
    )
    score = round(float(confidence.mean(dtype=np.float64)) / STEPS, 6)
    return SemanticMap(
        source=Layers(height=height, width=width, layers=layers),
        classes=names,
        ignore=ignore,
        provenance=_provenance(making, score),
    )


def confidence_text(confidence: NDArray[np.uint8]) -> str:
    """The confidence of an image's pixels, (h, w), as a PNG in base64."""
    from PIL import Image as Pictures

    out = BytesIO()
    Pictures.fromarray(confidence).save(out, "PNG", compress_level=1)
    return base64.b64encode(out.getvalue()).decode()


def confidences(text: str) -> NDArray[np.uint8]:
    """The confidence of an image's pixels, (h, w), in 256 steps. Raises ValueError where the text is none."""
    from PIL import Image as Pictures

    with decoding("the confidence"), Pictures.open(BytesIO(base64.b64decode(text))) as image:
        return np.array(image, dtype=np.uint8)

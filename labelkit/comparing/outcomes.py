"""What became of every object and image label of an image that was reviewed.

A prediction is what has a provenance; everything else a human said before. What the reviewer marked as
``rejected`` is gone, whether or not it still stands there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from labelkit.comparing.pairing import pairs
from labelkit.comparing.places import moved
from labelkit.model import ImageLabel, Object, Provenance, Record, SemanticMap

Verdict = Literal["accepted", "moved", "restated", "relabelled", "deleted", "added", "unchanged", "changed"]
Kind = Literal["objects", "labels"]


class Outcome(NamedTuple):
    """What became of one object or image label.

    verdict: of a prediction, ``accepted``, ``moved`` (an object: the same class elsewhere), ``restated`` (a
    label: the same class in another state), ``relabelled`` (another class, perhaps elsewhere too) or
    ``deleted``; of what a human had said, ``unchanged``, ``changed`` or ``deleted``; or ``added``.
    was, now: the class before and after; None where it was not there. iou: with what it was, where it is
    elsewhere. is_prediction: of what was added, whether another run predicted it. score: the machine's.
    """

    kind: Kind
    verdict: Verdict
    was: str | None
    now: str | None
    is_prediction: bool
    score: float | None = None
    iou: float | None = None

    def is_right(self, min_iou: float) -> bool:
        """Whether a prediction was right: its class stayed, and it did not move too far."""
        return self.verdict == "accepted" or (
            self.verdict == "moved" and self.iou is not None and self.iou >= min_iou
        )


def outcomes(before: Record, after: Record, tolerance: float) -> Iterator[Outcome]:
    """What became of the objects and the image labels of an image; what was added comes last of each.

    Raises ValueError where the image is of two sizes, or a mask cannot be decoded.
    """
    before, after = _of_one_size(before, after)
    yield from _objects(before, after, tolerance)
    yield from _labels(before, after)


def is_gone(item: Object | ImageLabel | SemanticMap) -> bool:
    """Whether the reviewer marked something as wrong that still stands there."""
    return item.provenance is not None and item.provenance.status == "rejected"


def _of_one_size(before: Record, after: Record) -> tuple[Record, Record]:
    """Both records with the size of the image, if one of them says it."""
    sizes = [(record.image.width, record.image.height) for record in (before, after)]
    (width, height), (other_width, other_height) = sizes
    for old, new in ((width, other_width), (height, other_height)):
        if old is not None and new is not None and old != new:
            raise ValueError(
                f"{width} x {height} pixels before the review, {other_width} x {other_height} after it"
            )
    if sizes[0] == sizes[1]:
        return before, after
    update = {"width": width or other_width, "height": height or other_height}
    first, second = (
        record.model_copy(update={"image": record.image.model_copy(update=update)})
        for record in (before, after)
    )
    return first, second


# --- objects -----------------------------------------------------------------------------------------------


def _objects(before: Record, after: Record, tolerance: float) -> Iterator[Outcome]:
    found = pairs(before, after, tolerance)
    for position, was in enumerate(before.objects):
        now = after.objects[found[position]] if position in found else None
        score = _score(was.score, was.provenance)
        if now is None or is_gone(now):
            yield Outcome("objects", "deleted", was.category, None, was.provenance is not None, score)
            continue
        iou = moved(before, was, after, now, tolerance)
        verdict = _verdict(was, now, is_moved=iou is not None)
        made = was.provenance is not None
        yield Outcome("objects", verdict, was.category, now.category, made, score, iou)
    taken = set(found.values())
    for position, now in enumerate(after.objects):
        if position not in taken and not is_gone(now):
            yield Outcome("objects", "added", None, now.category, now.provenance is not None)


def _verdict(was: Object, now: Object, *, is_moved: bool) -> Verdict:
    if was.provenance is None:
        return "changed" if is_moved or was.category != now.category else "unchanged"
    if was.category != now.category:
        return "relabelled"
    return "moved" if is_moved else "accepted"


def _score(score: float | None, made: Provenance | None) -> float | None:
    return score if made is None or made.score is None else made.score


# --- image labels ------------------------------------------------------------------------------------------


def _labels(before: Record, after: Record) -> Iterator[Outcome]:
    then = {label.category: label for label in reversed(before.labels)}
    now = {label.category: label for label in reversed(after.labels) if not is_gone(label)}
    added = [
        label for label in after.labels if label.category not in then and _is_said(now.get(label.category))
    ]
    replaced = _replaced(then, now)
    for label in before.labels:
        if then[label.category] is label:
            yield _label(label, (_is_said(label) and replaced) or now.get(label.category))
    for label in added:
        if label is now[label.category] and label is not replaced:
            yield Outcome("labels", "added", None, label.category, label.provenance is not None)


def _replaced(then: Mapping[str, ImageLabel], now: Mapping[str, ImageLabel]) -> ImageLabel | None:
    """The label after the review of an image that had one and has one, of another class."""
    old, new = ([label for label in labels.values() if _is_said(label)] for labels in (then, now))
    if len(old) == len(new) == 1 and old[0].category != new[0].category and new[0].category not in then:
        return new[0]
    return None


def _is_said(label: ImageLabel | None) -> bool:
    """Whether a class is there, or may be."""
    return label is not None and label.state != "absent"


def _label(was: ImageLabel, now: ImageLabel | None) -> Outcome:
    score, is_prediction = _score(was.score, was.provenance), was.provenance is not None
    if now is None or (_is_said(was) and not _is_said(now)):
        return Outcome("labels", "deleted", was.category, None, is_prediction, score)
    if now.category != was.category:
        verdict: Verdict = "relabelled" if is_prediction else "changed"
    elif now.state != was.state:
        verdict = "restated" if is_prediction else "changed"
    else:
        verdict = "accepted" if is_prediction else "unchanged"
    return Outcome("labels", verdict, was.category, now.category, is_prediction, score)

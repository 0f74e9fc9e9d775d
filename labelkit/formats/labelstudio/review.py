"""Who made a region: a model, whose prediction waits or was accepted or changed by a reviewer, or a human."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec

from labelkit.formats.labelstudio.config import SEMANTIC
from labelkit.formats.labelstudio.native import TaskError
from labelkit.formats.labelstudio.region import Said, read_region
from labelkit.formats.labelstudio.task import Choice, Container
from labelkit.model import Box, Mask, Polygons, Provenance

_NEAR = 1e-6  # pixels by which an editor that counts in screen pixels moves what nobody touched


class Review:
    """Predictions and what an annotation made of them.

    faults: of the prediction that the annotation stands for, whose regions cannot be compared.
    """

    def __init__(self, choice: Choice) -> None:
        self.parent = choice.parent
        self.faults: list[TaskError] = []
        self._read: dict[int, Said | None] = {}
        self.before = list(self._before())

    def said(self, raw: msgspec.Raw) -> Said | None:
        """What a region says, read once. Raises TaskError."""
        if id(raw) not in self._read:
            self._read[id(raw)] = read_region(raw)
        return self._read[id(raw)]

    def _before(self) -> Iterator[Said]:
        for number, raw in enumerate(self.parent.results if self.parent else []):
            try:
                said = self.said(raw)
            except TaskError as error:
                assert self.parent is not None
                self.faults.append(error.within(f"{self.parent.element}.result[{number}]"))
                continue
            if said is not None:
                yield said

    def provenance(self, container: Container, said: Said) -> Provenance | None:
        """Who made a region that has a shape."""
        own = said.own.provenance.provenance() if said.own.provenance else None
        if container.is_prediction:
            return own or implied(container, said.score)
        if own is not None and own.status != "pending":
            return own
        known = self._known(said)
        if known is not None:
            assert self.parent is not None
            made = known.own.provenance.provenance() if known.own.provenance else None
            status = "accepted" if alike(said, known) else "changed"
            return (made or implied(self.parent, known.score)).model_copy(update={"status": status})
        return own and _without_parent(own, said)

    def _known(self, said: Said) -> Said | None:
        """The region of the prediction that has the same id."""
        if said.key is None:
            return None
        return next((each for each in self.before if each.key == said.key and each.shape is not None), None)

    def stands_for(self, key: str) -> bool:
        """Whether the annotation's region of an id is what a reviewer made of a prediction."""
        return any(each.key == key for each in self.before)

    def label(self, container: Container, said: Said, name: str) -> tuple[float | None, Provenance | None]:
        """The score of a choice, and who made it."""
        score = label_score(said, name)
        own = label_maker(said, name)
        if container.is_prediction:
            return score, own or (None if said.own.labels else implied(container, score))
        if own is not None and own.status != "pending":
            return score, own
        known = next(
            (
                each
                for each in self.before
                if (each.kind, each.name) == (said.kind, said.name) and name in each.labels
            ),
            None,
        )
        if known is not None:
            assert self.parent is not None
            made = label_maker(known, name)
            if made is None and not known.own.labels:
                made = implied(self.parent, label_score(known, name))
            return score, made and made.model_copy(update={"status": "accepted"})
        return score, own and _without_parent(own, said)

    def map_provenance(self, container: Container, layers: Sequence[Said]) -> Provenance | None:
        """Who made the map of some regions: it is as it was where all of them are, and none is gone."""
        made = [self.provenance(container, said) for said in layers]
        first = next((each for each in made if each is not None), None)
        if first is None or container.is_prediction or first.status not in ("accepted", "changed"):
            return first
        before = [said for said in self.before if said.kind == SEMANTIC]
        if before and (len(before) != len(layers) or any(each != first for each in made)):
            return first.model_copy(update={"status": "changed"})
        return first


def implied(container: Container, score: float | None) -> Provenance:
    """Who made a region of a prediction that does not say more."""
    return Provenance(run="", model=container.model, score=score)


def label_score(said: Said, name: str) -> float | None:
    """The score of one of some choices: its own, or that of the region where it is the only one."""
    if said.own.labels:
        return said.own.labels[name].score if name in said.own.labels else None
    return said.score if len(said.labels) == 1 else None


def label_maker(said: Said, name: str) -> Provenance | None:
    """Who made one of some choices, where it is said."""
    own = said.own.labels.get(name)
    return own.provenance.provenance() if own and own.provenance else None


def _without_parent(own: Provenance, said: Said) -> Provenance:
    """What became of a prediction that the export left out, by what the editor noted of its region."""
    status = "changed" if said.origin == "prediction-changed" else "accepted"
    return own.model_copy(update={"status": status})


def alike(a: Said, b: Said) -> bool:
    """Whether two regions have one class and one place, but for what an editor's arithmetic does to it."""
    if (a.kind, a.labels) != (b.kind, b.labels):
        return False
    if isinstance(a.shape, Mask) and isinstance(b.shape, Mask):
        first, second = a.shape.shape, b.shape.shape
        if isinstance(first, Polygons) and isinstance(second, Polygons):
            return _near(_numbers(first), _numbers(second))
        return first == second
    if isinstance(a.shape, Box) and isinstance(b.shape, Box):
        return _near(a.shape, b.shape)
    return a.shape == b.shape


def _numbers(shape: Polygons) -> list[float]:
    return list(chain.from_iterable(chain.from_iterable(shape.parts)))


def _near(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= _NEAR for x, y in zip(a, b, strict=True))

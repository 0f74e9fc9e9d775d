"""From a task to its record: who made each region, and what a reviewer did with it.

A region of a prediction waits for review. One of an annotation that the prediction had under the same id was
accepted where class and place are as they were, and changed where not; what the prediction had besides was
deleted; all else was made by the human.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import ValidationError

from labelkit.canonical import fault
from labelkit.errors import RecordError
from labelkit.findings import Finding
from labelkit.formats._files import brief, safe_path
from labelkit.formats.labelstudio import images
from labelkit.formats.labelstudio.config import SEMANTIC
from labelkit.formats.labelstudio.native import (
    CHOICES,
    LAYER,
    NAME,
    NOTHING,
    At,
    OwnTask,
    Raws,
    TaskError,
    decode,
    encoded,
    first_byte,
    task_meta,
)
from labelkit.formats.labelstudio.native import OBJECT as OBJECT_MARK
from labelkit.formats.labelstudio.region import (
    Said,
    is_ignored,
    object_of,
    without_code,
)
from labelkit.formats.labelstudio.review import Review
from labelkit.formats.labelstudio.task import Choice, Container, choose, not_data, open_task, with_results
from labelkit.model import (
    Image,
    ImageLabel,
    Layer,
    Layers,
    Mask,
    Object,
    Provenance,
    Record,
    SemanticMap,
)

_LISTED = "a class of the labelling configuration"
Item = Record | RecordError | Finding


def read_task(data: msgspec.Raw, place: str, values: Mapping[str, int], key: str) -> Iterator[Item]:
    """The record of a task, or what is wrong with it, and what was assumed.

    values: of the classes in a map. key: under which data names the image.
    """
    try:
        task = open_task(data)
        said, how = image_of(task, key)
        scene = _Scene(task, choose(task), values, said)
        faults = list(scene.read())
        record = None if faults else scene.record()
    except TaskError as error:
        faults, record = [error], None
    except ValidationError as error:
        faults, record = [TaskError("", fault(error))], None
    if record is None:
        for each in faults:
            yield RecordError(f"{place}{each.element}", each.found, each.expected, code=each.code)
        return
    for note in [*([f"data.{key}: {how}"] if how else []), *scene.choice.notes, *scene.notes]:
        yield Finding("NOTE01", place, note)
    yield record


def image_of(task: Raws, key: str) -> tuple[OwnTask, str]:
    """Path, size and splits of a task's image, and how its path was guessed. Raises TaskError."""
    if first_byte(task.get("data", NOTHING)) != b"{":
        raise not_data(task)
    own = task_meta(task.get("meta", NOTHING))
    data: dict[str, Any] = decode(task["data"], dict[str, Any], ".data")
    text = data.get(key)
    if text is None:
        likely = [name for name, value in data.items() if images.looks_like_image(value)]
        text = data[likely[0]] if len(likely) == 1 else None
    if not isinstance(text, str):
        found = f"no {key!r}" if text is None else f"{key!r} is {brief(text)}"
        raise TaskError(
            ".data", found, "the address of an image, under the key that --labelstudio-image-key names"
        )
    try:
        known = images.Place(safe_path(own.path)) if own.path is not None else images.place(text)
    except ValueError as error:
        raise TaskError(f".data.{key}", str(error), code="STR108") from None
    return OwnTask(known.path, own.width, own.height, own.splits), known.how


@dataclass
class _Scene:
    """What is gathered of one task."""

    task: Raws
    choice: Choice
    values: Mapping[str, int]
    image: OwnTask
    notes: list[str] = field(default_factory=list)
    objects: list[Object] = field(default_factory=list)
    labels: list[ImageLabel] = field(default_factory=list)
    layers: list[tuple[Said, Container, dict[str, Any]]] = field(default_factory=list)
    size: tuple[int, int] | None = None
    results: dict[At, list[msgspec.Raw]] = field(default_factory=dict)

    def read(self) -> Iterator[TaskError]:
        """Read all regions; what is wrong with any of them."""
        if self.image.width is not None and self.image.height is not None:
            self.size = self.image.width, self.image.height
        self.review = Review(self.choice)
        yield from self.review.faults
        for container in self.choice.read:
            shapes = {said.key for said in self._shapes(container)}
            kept: list[msgspec.Raw] = []
            for number, raw in enumerate(container.results):
                try:
                    mark = self._add(container, raw, shapes)
                except TaskError as error:
                    yield error.within(f"{container.element}.result[{number}]")
                    continue
                kept.append(msgspec.Raw(encoded(mark)) if mark else raw)
            if container.results:
                self.results[container.at] = kept

    def _shapes(self, container: Container) -> Iterator[Said]:
        """The regions of a container that have a shape, as far as they can be read."""
        for raw in container.results:
            try:
                said = self.review.said(raw)
            except TaskError:
                continue
            if said is not None and said.shape is not None and said.key is not None:
                yield said

    def _add(self, container: Container, raw: msgspec.Raw, shapes: set[str | None]) -> str | None:
        """Add a region; the mark that stands for it in the native text, or None where it stays there."""
        said = self.review.said(raw)
        if said is None:
            return None
        if said.kind == "choices":
            if said.key in shapes:
                return None  # of a region, and not of the image
            return self._add_choices(container, raw, said)
        self._check(said)
        if said.kind == SEMANTIC:
            if self.layers and self.layers[0][1] is not container:
                self.notes.append("a second semantic map, which is not read")
                return None
            self.layers.append((said, container, kept_text(container.at, raw, said)))
            return LAYER
        if len(said.labels) > 1:
            self.notes.append("a region of several classes; the first is the class of its object")
        if said.is_turned:
            self.notes.append("a rotated rectangle, which is read as the polygon of its corners")
        item = object_of(said, self.review.provenance(container, said))
        self.objects.append(item.model_copy(update={"raw": {NAME: kept_text(container.at, raw, said)}}))
        return OBJECT_MARK

    def _check(self, said: Said) -> None:
        """Refuse classes that are none, and images of two sizes."""
        if said.labels[0] not in self.values and not is_ignored(said):
            raise TaskError(".value", f"the class {said.labels[0]!r}", _LISTED, code="REF105")
        if self.size is None:
            self.size = said.size
        if said.size != self.size and said.size is not None and self.size is not None:
            found, expected = (f"{width} x {height} pixels" for width, height in (said.size, self.size))
            raise TaskError(".original_width", found, f"{expected}, as the image")

    def _add_choices(self, container: Container, raw: msgspec.Raw, said: Said) -> str:
        for name in dict.fromkeys(said.labels):
            if name not in self.values:
                raise TaskError(".value.choices", f"the class {name!r}", _LISTED, code="REF105")
            score, provenance = self.review.label(container, said, name)
            kept = {NAME: kept_text(container.at, raw, said)}
            self.labels.append(ImageLabel(category=name, score=score, provenance=provenance, raw=kept))
        return CHOICES

    def record(self) -> Record:
        """The record. Raises ValidationError where there can be none."""
        assert self.image.path is not None
        width, height = self.size or (self.image.width, self.image.height)
        chosen, parent = self.choice.annotation, self.choice.parent
        kept = {
            "task": encoded(with_results(self.task, self.results)).decode(),
            "read": list(chosen.at) if chosen else None,
            "parent": parent.at[1] if parent else None,
        }
        return Record(
            image=Image(path=self.image.path, width=width, height=height),
            splits=tuple(self.image.splits),
            labels=tuple(self.labels),
            objects=tuple(self.objects),
            maps={"semantic": self._map()} if self.layers else {},
            raw={NAME: kept},
        )

    def _map(self) -> SemanticMap:
        container = self.layers[0][1]
        height, width = self.size[::-1] if self.size else (1, 1)
        ignore = len(self.values) + 1
        layers, classes = [], {}
        for said, _, _ in self.layers:
            value = ignore if is_ignored(said) else self.values[said.labels[0]]
            if value != ignore:
                classes[value] = said.labels[0]
            assert isinstance(said.shape, Mask)
            layers.append(Layer(value=value, mask=said.shape))
        return SemanticMap(
            source=Layers(height=height, width=width, layers=tuple(layers)),
            classes=classes,
            ignore=ignore if any(is_ignored(said) for said, _, _ in self.layers) else None,
            provenance=self._maker(container),
            raw={NAME: {"layers": [kept for _, _, kept in self.layers]}},
        )

    def _maker(self, container: Container) -> Provenance | None:
        """Who made the map: it was accepted where all its regions were, and no other is gone."""
        return self.review.map_provenance(container, [said for said, _, _ in self.layers])


def kept_text(at: At, raw: msgspec.Raw, said: Said) -> dict[str, Any]:
    """What is kept of a region: where it is, its native text, and a check of the pixels that it left out."""
    kept: dict[str, Any] = {"at": list(at)}
    if said.kind in ("brushlabels", SEMANTIC):
        assert isinstance(said.shape, Mask)
        kept["pixels"] = zlib.crc32(said.shape.text)
        if said.code is None:
            return {**kept, "text": without_code(raw).decode()}
    return {**kept, "text": bytes(raw).decode()}

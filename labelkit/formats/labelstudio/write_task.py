"""A record as a task: the one that it was read from, with what became of it, or a new one."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import msgspec

from labelkit.formats.labelstudio import images
from labelkit.formats.labelstudio.config import Config
from labelkit.formats.labelstudio.frame import (
    ANNOTATION,
    Home,
    Homes,
    choices_control,
    frame_of,
    kept_layers,
)
from labelkit.formats.labelstudio.native import (
    CHOICES,
    LAYER,
    NOTHING,
    OBJECT,
    At,
    OwnTask,
    Raws,
    Region,
    TaskError,
    decode,
    encoded,
    own_raw,
    text_of,
    with_own,
)
from labelkit.formats.labelstudio.review import Review
from labelkit.formats.labelstudio.scene import image_of
from labelkit.formats.labelstudio.task import ANNOTATIONS, PREDICTIONS, Choice, entries, marks, with_results
from labelkit.formats.labelstudio.write_region import Keys, Room, choices_region, layer_regions, object_region
from labelkit.model import Record, SemanticMap

_Regions = dict[str, list[bytes]]  # by mark, in order


class TaskWriter:
    """Writes the task of one record. config: whose controls its regions name; url: what precedes its path."""

    def __init__(self, record: Record, config: Config, url: str) -> None:
        self.record = record
        self.config = config
        self.url = url
        self.frame = frame_of(record)
        self.homes = Homes(self.frame)
        frame = self.frame
        self.review = Review(Choice(frame.annotation, frame.parent, [], []))
        self.keys = Keys(frame.kept_keys(), _text_keys(record))
        self.regions: dict[Home, _Regions] = {}

    def text(self) -> bytes:
        """The task as JSON. Raises ValueError where what was kept of it is malformed."""
        self._place_all()
        results: dict[At, list[msgspec.Raw]] = {}
        for at, container in self.frame.by_place.items():
            homes = [home for home in self.regions if self.frame.at(home) == at]
            regions = self.regions.pop(homes[0]) if homes else {}
            if homes or any(mark in (OBJECT, CHOICES, LAYER) for mark in marks(container.results)):
                results[at] = _filled(container.results, regions)
        task: dict[str, Any] = {**with_results(self.frame.task, results)}
        if "data" not in task:
            data = {self.config.key: images.written(self.record.image.path, self.url)}
            task = {"data": data, "annotations": [], "predictions": []}
        self._say_image(task)
        self._add_new(task)
        return encoded(task)

    def _place_all(self) -> None:
        """Write all regions, each in its home."""
        record, homes = self.record, self.homes
        for item in record.objects:
            home = homes.of_object(item)
            self._add(home, OBJECT, object_region(item, self._room(home), self.keys))
        groups: dict[tuple[Home, str], list[Any]] = {}
        for label in record.labels:
            control = choices_control(label, self.config)
            groups.setdefault((homes.of_label(label), control.name), []).append((label, control))
        for (home, _), pairs in groups.items():
            labels = [label for label, _ in pairs]
            self._add(home, CHOICES, choices_region(labels, pairs[0][1], self._room(home), self.keys))
        pixels = record.maps.get("semantic")
        if isinstance(pixels, SemanticMap):
            home = homes.of_map(pixels)
            for text in layer_regions(pixels, kept_layers(pixels), self._room(home), self.keys):
                self._add(home, LAYER, text)

    def _add(self, home: Home, mark: str, text: bytes) -> None:
        self.regions.setdefault(home, {}).setdefault(mark, []).append(text)

    def _room(self, home: Home) -> Room:
        at = self.frame.at(home)
        container = self.frame.by_place[at] if at is not None else None
        image = self.record.image
        model = self.homes.makers[home[1]][1] if home[0] == 2 else None
        return Room(home, self.config, (image.width, image.height), self.review, container, model)

    def _add_new(self, task: dict[str, Any]) -> None:
        """Add an annotation and predictions for the labels that have none to go to."""
        regions = self.regions.pop(ANNOTATION, None)
        if regions is not None:
            key = next((name for name in ANNOTATIONS if name in task), ANNOTATIONS[0])
            entry = {"result": _flat(regions), "was_cancelled": False, "ground_truth": False}
            task[key] = [*_listed(task, key), entry]
        new = []
        for home in sorted(self.regions):
            model = self.homes.makers[home[1]][1]
            result = _flat(self.regions[home])
            scores = [score for raw in result if (score := decode(raw, Region).score) is not None]
            said = {"model_version": model} if model else {}
            mean = {"score": fmean(scores)} if scores else {}
            new.append({**said, **mean, "result": result})
        if new:
            task[PREDICTIONS] = [*_listed(task, PREDICTIONS), *new]

    def _say_image(self, task: dict[str, Any]) -> None:
        """Give the task path, size and splits of its image, where it does not say them already."""
        image, splits = self.record.image, [*self.record.splits]
        said = self._said(task)
        size = image.width, image.height
        said_by_regions = bool(self.record.objects or self.record.maps)
        sizes = [size, (None, None)] if said_by_regions else [size]
        same = said is not None and (said.path, said.splits) == (image.path, splits)
        if said is not None and same and (said.width, said.height) in sizes:
            return
        own = OwnTask(image.path, image.width, image.height, splits)
        meta = with_own(_raw(task.get("meta")), own)
        if said is not None and said.path != image.path:
            data: Raws = decode(_raw(task["data"]), Raws)
            task["data"] = {**data, self.config.key: images.written(image.path, self.url)}
        others = {key: value for key, value in task.items() if key not in ("data", "meta")}
        place = {key: task[key] for key in task if key == "data"}
        if "meta" in task:
            task["meta"] = meta
        else:
            task.clear()
            task.update({**place, "meta": meta, **others})

    def _said(self, task: Mapping[str, Any]) -> OwnTask | None:
        """What the native task says of its image; None for a new one."""
        if not self.frame.task:
            return None
        try:
            return image_of(self.frame.task, self.config.key)[0]
        except TaskError as error:
            raise ValueError(f"a malformed task in raw ({error})") from None


def _text_keys(record: Record) -> set[str]:
    """The ids of all regions whose text was kept."""
    kept = [own_raw(item.raw) for item in (*record.objects, *record.labels)]
    item = record.maps.get("semantic")
    kept += kept_layers(item) if isinstance(item, SemanticMap) else []
    keys = set()
    for each in kept:
        text = text_of(each)
        try:
            key = decode(text.encode(), Region).id if text is not None else None
        except TaskError:
            continue
        if isinstance(key, str | int):
            keys.add(str(key))
    return keys


def _filled(results: list[msgspec.Raw], regions: _Regions) -> list[msgspec.Raw]:
    """The regions of a container: those that stayed, and the others in the places of marks, or behind."""
    left = {mark: list(texts) for mark, texts in regions.items()}
    filled: list[msgspec.Raw] = []
    for raw, mark in zip(results, marks(results), strict=True):
        if mark is None:
            filled.append(raw)
        elif left.get(mark):
            filled.append(msgspec.Raw(left[mark].pop(0)))
    return [*filled, *_flat(left)]


def _flat(regions: _Regions) -> list[msgspec.Raw]:
    return [msgspec.Raw(text) for mark in (OBJECT, CHOICES, LAYER) for text in regions.get(mark, [])]


def _listed(task: Mapping[str, Any], key: str) -> list[msgspec.Raw]:
    """A list of a task, whatever it is at the moment."""
    value = task.get(key)
    return entries({key: value}, key) if isinstance(value, msgspec.Raw) else list(value or [])


def _raw(value: Any) -> msgspec.Raw:
    if value is None:
        return NOTHING
    return value if isinstance(value, msgspec.Raw) else msgspec.Raw(encoded(value))

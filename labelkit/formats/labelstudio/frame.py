"""The task that a record was read from, and where in it, or in a new one, each of its labels belongs.

What waits for review belongs into a prediction, one for each run and model; all else into one annotation.
A label goes back to the prediction or annotation that it is of, as long as that is of the right kind. Labels
are read, and so are fitted, in the order of their homes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from labelkit.errors import FormatError
from labelkit.formats.labelstudio.config import Config, Control
from labelkit.formats.labelstudio.config import parse as parse_config
from labelkit.formats.labelstudio.native import (
    NAME,
    At,
    Raws,
    Region,
    TaskError,
    at_of,
    decode,
    own_raw,
    text_of,
)
from labelkit.formats.labelstudio.task import (
    ANNOTATIONS,
    PREDICTIONS,
    Container,
    containers,
    marks,
    open_task,
)
from labelkit.model import Header, ImageLabel, Object, Provenance, Record, SemanticMap

Home = tuple[int, int]  # (0, 0) the annotation, (1, number) a prediction of the task, (2, number) a new one
ANNOTATION: Home = (0, 0)
_WORDS = {
    "ellipselabels": "ellipses",
    "ellipse": "ellipses",
    "keypointlabels": "key points",
    "keypoint": "key points",
    "relation": "relations",
    "textarea": "texts",
    "rating": "ratings",
    "taxonomy": "taxonomies",
}


@dataclass(frozen=True)
class Frame:
    """A task as it was, with marks for what became values; empty where the record is from elsewhere.

    annotation: the one that was read. parent: the prediction that it stands for. by_place: all of them.
    """

    task: Raws = field(default_factory=dict)
    annotation: Container | None = None
    parent: Container | None = None
    by_place: Mapping[At, Container] = field(default_factory=dict)

    def at(self, home: Home) -> At | None:
        """The place of a home in the task; None where there is none yet."""
        if home == ANNOTATION:
            return self.annotation.at if self.annotation else None
        return (PREDICTIONS, home[1]) if home[0] == 1 else None

    def kept_keys(self) -> set[str]:
        """The ids of regions that stay in the text."""
        return {str(key) for item in self.by_place.values() for key in item.region_keys()}


def frame_of(record: Record) -> Frame:
    """The task of a record. Raises ValueError where what was kept of it is malformed."""
    kept = own_raw(record.raw)
    text = kept.get("task")
    if not isinstance(text, str):
        return Frame()
    try:
        task = open_task(text)
        found = [item for key in (*ANNOTATIONS, PREDICTIONS) for item in containers(task, key)]
    except TaskError as error:
        raise ValueError(f"a malformed task in raw ({error.element}: {error})") from None
    by_place = {item.at: item for item in found}
    read = at_of({"at": kept.get("read")})
    parent = kept.get("parent")
    return Frame(
        task,
        by_place.get(read) if read else None,
        by_place.get((PREDICTIONS, parent)) if type(parent) is int else None,
        by_place,
    )


class Homes:
    """Where the labels of a record belong.

    makers: run and model of every prediction that has to be made, in the order in which labels ask for them.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.makers: list[tuple[str, str]] = []

    def of(self, kept: Mapping[str, Any], provenance: Provenance | None) -> Home:
        """The home of a label, by what was kept of it and by who made it."""
        if provenance is None or provenance.status != "pending":
            return ANNOTATION
        at, frame = at_of(kept), self.frame
        parent = frame.parent.at if frame.parent else None
        if at is not None and at[0] == PREDICTIONS and at in frame.by_place and at != parent:
            return 1, at[1]
        maker = provenance.run, provenance.model
        if maker not in self.makers:
            self.makers.append(maker)
        return 2, self.makers.index(maker)

    def of_object(self, item: Object) -> Home:
        return self.of(own_raw(item.raw), item.provenance)

    def of_map(self, item: SemanticMap) -> Home:
        kept = kept_layers(item)
        return self.of(kept[0] if kept else {}, item.provenance)

    def of_label(self, label: ImageLabel) -> Home:
        return self.of(own_raw(label.raw), label.provenance)


def kept_layers(item: SemanticMap) -> list[Mapping[str, Any]]:
    """What was kept of the layers of a map."""
    found = own_raw(item.raw).get("layers")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def choices_control(label: ImageLabel, config: Config) -> Control:
    """The control that a label is chosen with: the one that its region names, or that for new labels."""
    text = text_of(own_raw(label.raw))
    try:
        name = decode(text.encode(), Region).from_name if text is not None else None
    except TaskError:
        name = None
    known = config.of(name, "choices")
    if known is None and config.text is not None and isinstance(name, str):
        return Control("choices", name, config.image)  # of which the native configuration does not know
    return known or config.control("choices")


def native_config(header: Header) -> Config:
    """The configuration that a header remembers; an empty one where it remembers none."""
    kept = own_raw(header.raw)
    text = kept.get("config")
    if isinstance(text, str):
        return _parsed(text)
    controls = kept.get("controls")
    try:
        known = tuple(Control(str(kind), str(name), str(to)) for kind, name, to in controls or ())
    except (TypeError, ValueError):
        return Config()
    return Config(known, str(kept.get("image") or "image"), str(kept.get("key") or "image"))


@lru_cache(maxsize=8)
def _parsed(text: str) -> Config:
    try:
        return parse_config(text.encode(), Path(NAME))
    except (FormatError, UnicodeEncodeError):  # a carrier may say anything
        return Config()


# --- what the registry asks --------------------------------------------------------------------------------


def confirms(record: Record) -> bool:
    """Whether somebody annotated the image, be it with nothing."""
    return own_raw(record.raw).get("read") is not None


def extras(value: Any) -> list[str]:
    """The kinds of regions that stay in the text of a task (see ``Format.extras``)."""
    text = value.get("task") if isinstance(value, dict) else None
    if not isinstance(text, str):
        return []
    kinds: dict[str, None] = {}
    try:
        task = open_task(text)
        read = at_of({"at": value.get("read")})
        for container in [item for key in (*ANNOTATIONS, PREDICTIONS) for item in containers(task, key)]:
            if container.at == read or (container.is_prediction and container.at[1] != value.get("parent")):
                named = zip(container.results, marks(container.results), strict=True)
                kinds.update(dict.fromkeys(_word(decode(raw, Region)) for raw, mark in named if mark is None))
    except TaskError:
        return []
    return list(kinds)


def _word(region: Region) -> str:
    kind = region.type if isinstance(region.type, str) else "nameless"
    return _WORDS.get(kind, f"{kind} regions")

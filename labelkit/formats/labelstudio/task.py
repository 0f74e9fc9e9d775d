"""A task: its predictions, and the one of its annotations that is read.

Of several annotations that nobody cancelled, the one marked as ground truth is read, else the last that was
updated; findings tell of the others. An annotation stands for the prediction that it was made from: the one
that ``parent_prediction`` names, or one that has region ids in common with it. Predictions that no annotation
stands for are read too, and wait for review. Drafts are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from labelkit.formats._files import brief
from labelkit.formats.labelstudio.native import (
    NOTHING,
    At,
    Raws,
    Region,
    TaskError,
    decode,
    encoded,
    first_byte,
)

ANNOTATIONS = ("annotations", "completions")  # the second in exports before version 1.0
PREDICTIONS = "predictions"


class _Entry(msgspec.Struct):
    """The keys of an annotation or a prediction that mean something here."""

    id: Any = None
    result: msgspec.Raw = NOTHING
    model_version: Any = None
    parent_prediction: Any = None
    was_cancelled: Any = None
    ground_truth: Any = None
    updated_at: Any = None
    created_at: Any = None


@dataclass(frozen=True)
class Container:
    """An annotation or a prediction: where it is in its task, and the native text of its regions."""

    at: At
    said: _Entry
    results: list[msgspec.Raw]

    @property
    def element(self) -> str:
        """Its place in the task, as a message says it."""
        return f".{self.at[0]}[{self.at[1]}]"

    @property
    def is_prediction(self) -> bool:
        return self.at[0] == PREDICTIONS

    @property
    def model(self) -> str:
        """The model that made a prediction; "" where it does not say."""
        return self.said.model_version if isinstance(self.said.model_version, str) else ""

    def region_keys(self) -> set[Any]:
        """The ids of its regions."""
        return {key for raw in self.results if (key := region_key(raw)) is not None}


@dataclass(frozen=True)
class Choice:
    """What of a task is read.

    annotation: None where there is none. parent: the prediction that it stands for. pending: the predictions
    that wait for review. notes: what was assumed.
    """

    annotation: Container | None
    parent: Container | None
    pending: list[Container]
    notes: list[str]

    @property
    def read(self) -> list[Container]:
        """All whose regions are read, in order."""
        return [*([self.annotation] if self.annotation else []), *self.pending]


def region_key(raw: msgspec.Raw) -> Any:
    """The id of a region; None where it has none, or is none."""
    try:
        key = msgspec.json.decode(raw, type=Region).id
    except (msgspec.DecodeError, RecursionError):
        return None
    return key if isinstance(key, str | int) else None


def containers(task: Raws, key: str) -> list[Container]:
    """The annotations or predictions of a task, without those that are a bare number. Raises TaskError."""
    found = []
    for number, raw in enumerate(entries(task, key)):
        element = f".{key}[{number}]"
        if key == PREDICTIONS and first_byte(raw) != b"{":  # some exports name their ids alone
            continue
        said: _Entry = decode(raw, _Entry, element)
        results = decode(said.result, list[msgspec.Raw], f"{element}.result") if len(said.result) else []
        found.append(Container((key, number), said, results))
    return found


def entries(task: Raws, key: str) -> list[msgspec.Raw]:
    """A list of a task, empty where it is null or not there. Raises TaskError."""
    raw = task.get(key)
    if raw is None or bytes(raw) == b"null":
        return []
    found: list[msgspec.Raw] = decode(raw, list[msgspec.Raw], f".{key}")
    return found


def choose(task: Raws) -> Choice:
    """What of a task is read. Raises TaskError where a list is none."""
    notes: list[str] = []
    every = [item for key in ANNOTATIONS for item in containers(task, key)]
    kept = [item for item in every if item.said.was_cancelled is not True]
    if len(kept) < len(every):
        notes.append("a cancelled annotation, which is not read")
    annotation = _chosen(kept, notes)
    predictions = containers(task, PREDICTIONS)
    known = {item.said.id: item for item in predictions if isinstance(item.said.id, str | int)}
    parents = [
        known.get(item.said.parent_prediction) for item in kept if _is_key(item.said.parent_prediction)
    ]
    parent = None
    if annotation is not None:
        named = annotation.said.parent_prediction
        parent = (known.get(named) if _is_key(named) else None) or _alike(annotation, predictions)
    superseded = {item.at for item in [parent, *parents] if item is not None}
    pending = [item for item in predictions if item.at not in superseded]
    if annotation is not None and any(item.results for item in pending):
        notes.append("predictions that no annotation was made from are read beside the annotation")
    return Choice(annotation, parent, pending, notes)


def _is_key(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _chosen(kept: list[Container], notes: list[str]) -> Container | None:
    if len(kept) < 2:
        return kept[0] if kept else None
    truths = [item for item in kept if item.said.ground_truth is True]
    chosen = max(truths or kept, key=lambda item: (_when(item.said), item.at[1]))
    why = "is marked as ground truth" if truths else "was updated last"
    notes.append(f"{len(kept)} annotations; the one that {why} is read")
    return chosen


def _when(said: _Entry) -> str:
    """When an annotation was updated, as an ISO date, whose order is that of time."""
    return next((text for text in (said.updated_at, said.created_at) if isinstance(text, str)), "")


def _alike(annotation: Container, predictions: list[Container]) -> Container | None:
    """The first prediction that has region ids in common with an annotation."""
    keys = annotation.region_keys()
    return next((item for item in predictions if keys & item.region_keys()), None)


# --- the native text without what became values ------------------------------------------------------------


def open_task(data: bytes | msgspec.Raw | str) -> Raws:
    """The keys of a task with their native text. Raises TaskError: no JSON object, or not UTF-8."""
    try:
        text = data if isinstance(data, str) else bytes(data).decode()
    except UnicodeDecodeError as error:
        raise TaskError("", f"not UTF-8 at its byte {error.start}", "UTF-8 text", code="STR111") from None
    found: Raws = decode(text.encode(), Raws)
    return found


def with_results(task: Raws, results: dict[At, list[msgspec.Raw]]) -> Raws:
    """The task with other regions in some annotations and predictions."""
    changed = dict(task)
    for key in dict.fromkeys(key for key, _ in results):
        lists = entries(task, key)
        for (name, number), regions in results.items():
            if name == key:
                entry: Raws = decode(lists[number], Raws)
                lists[number] = msgspec.Raw(encoded({**entry, "result": regions}))
        changed[key] = msgspec.Raw(encoded(lists))
    return changed


def marks(results: list[msgspec.Raw]) -> Iterator[str | None]:
    """For each region the mark that stands in its place, or None."""
    for raw in results:
        yield bytes(raw)[1:-1].decode("ascii", "replace") if first_byte(raw) == b'"' else None


def not_data(task: Raws) -> TaskError:
    """Why a task without ``data`` is refused."""
    if "annotation_id" in task or "annotator" in task:
        return TaskError("", "a task of a JSON_MIN export, which says too little", "the JSON export")
    found, code = (brief(bytes(task["data"])), "STR105") if "data" in task else ("is not there", "STR104")
    return TaskError(".data", found, "an object", code=code)

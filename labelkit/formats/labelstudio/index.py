"""The files of a data set: the list of tasks, by the bytes of each, and the labelling configuration.

A folder has ``tasks.json``, or one JSON file of whatever name that is a list of tasks, and ``labels.xml``.
Beside a single file ``x.json`` the configuration is ``x.labels.xml``. An export comes without one: then the
classes and the controls are those that its regions name, in the order in which they do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from labelkit.errors import FormatError
from labelkit.formats import Evidence
from labelkit.formats._files import BOM, is_file, map_bytes, read_bytes
from labelkit.formats._json import json_fault, refusal_of
from labelkit.formats.labelstudio.config import IGNORE, SEMANTIC, Config, Control, kind_of, parse

TASKS = "tasks.json"
CONFIG = "labels.xml"
_HEAD = 1 << 16  # bytes of a file that are looked at to tell what it is
_HAS = {
    key: re.compile(rb'"%b"\s*:\s*[\[{]' % key)
    for key in (b"data", b"annotations", b"predictions", b"completions", b"result")
}
_MIN = re.compile(rb'"annotation_id"\s*:|"annotator"\s*:')


def looks(file: Path) -> Evidence:
    """Whether a file looks like a list of tasks, by its first bytes."""
    if not is_file(file):
        return Evidence(0, f"{file.name} is no regular file")
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD).removeprefix(BOM).lstrip()
    except OSError as error:
        return Evidence(0, f"{file.name} cannot be read ({error.strerror})")
    first = head[1:].lstrip()[:1]
    if head[:1] != b"[" or first not in b"{]":
        return Evidence(0, f"{file.name} does not start as a list of tasks")
    if first == b"]":
        found = is_file(config_path(file))
        return Evidence(
            2 if found else 0, f"{file.name} is an empty list" + " beside a configuration" * found
        )
    has = {key for key, pattern in _HAS.items() if pattern.search(head)}
    labels = has & {b"annotations", b"predictions", b"completions"}
    if labels and has & {b"data", b"result"}:
        return Evidence(2, f"{file.name} is a list of tasks with {min(labels).decode()}")
    if b"data" in has:
        return Evidence(1, f"{file.name} is a list of things with data")
    if _MIN.search(head):
        return Evidence(1, f"{file.name} looks like a JSON_MIN export")
    return Evidence(0, f"{file.name} is a list of no tasks")


def evidence(path: Path) -> Evidence:
    """What speaks for a path being a list of tasks, or a folder with one."""
    if not path.is_dir():
        return looks(path) if path.suffix == ".json" else Evidence(0, f"{path.name} is no .json file")
    file, why = tasks_file(path)
    return Evidence(0, why) if file is None else looks(file)


def tasks_file(path: Path) -> tuple[Path | None, str]:
    """The list of tasks of a data set, or None and why there is none."""
    if not path.is_dir():
        return path, ""
    if is_file(path / TASKS):
        return path / TASKS, ""
    likely = [file for file in sorted(path.glob("*.json")) if looks(file).strength]
    if len(likely) > 1:
        names = ", ".join(file.name for file in likely)
        return None, f"several lists of tasks ({names}); name one of them"
    return (likely[0], "") if likely else (None, f"has no {TASKS}, and no other list of tasks")


def config_path(tasks: Path) -> Path:
    """Where the configuration of a list of tasks lies."""
    return tasks.with_name(CONFIG if tasks.name == TASKS else f"{tasks.stem}.{CONFIG}")


class TaskIndex:
    """A list of tasks; each stays the bytes that it is until it is read.

    Raises FormatError where the file is no JSON list.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        data = map_bytes(path)
        self.data = data[len(BOM) :] if bytes(data[: len(BOM)]) == BOM else data
        try:
            self.tasks: list[msgspec.Raw] = msgspec.json.decode(self.data, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._fault(error) from None

    def _fault(self, error: Exception) -> FormatError:
        if refusal := refusal_of(self.data, error):
            start, *words, code = refusal
            return FormatError(f"{self.path}:byte {start + len(BOM) * self._has_mark()}", *words, code=code)
        return FormatError(str(self.path), json_fault(error), "a JSON list of Label Studio's tasks")

    def _has_mark(self) -> bool:
        return bytes(map_bytes(self.path)[: len(BOM)]) == BOM

    def place(self, number: int) -> str:
        """The place of a task in words."""
        return f"{self.path}:[{number}]"


# --- the configuration -------------------------------------------------------------------------------------


def read_config(index: TaskIndex, file: Path | None) -> Config:
    """The configuration: that of a file, or what the regions themselves show. Raises FormatError."""
    path = file or config_path(index.path)
    if file is None and not is_file(path):
        return _shown(index)
    return parse(read_bytes(path), path)


class _Region(msgspec.Struct):
    type: Any = None
    from_name: Any = None
    to_name: Any = None
    value: Any = None


class _Task(msgspec.Struct):
    data: Any = None
    annotations: list[Any] | None = None
    completions: list[Any] | None = None
    predictions: list[Any] | None = None


def _shown(index: TaskIndex) -> Config:
    """The controls and classes that regions name. What cannot be read is told when its task is read."""
    controls: dict[Control, None] = {}
    classes: dict[str, None] = {}
    image, key = "image", ""
    for raw in index.tasks:
        try:
            task = msgspec.json.decode(raw, type=_Task)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if not key and isinstance(task.data, dict):
            key = "image" if "image" in task.data or len(task.data) != 1 else next(iter(task.data))
        for region in _regions(task):
            kind = kind_of(region.type, region.from_name)
            names = _labels(region, kind)
            if names and isinstance(region.from_name, str) and isinstance(region.to_name, str):
                controls.setdefault(Control(kind, region.from_name, region.to_name))
                image = region.to_name
                classes.update(dict.fromkeys(names))
    order = tuple(controls)
    return Config(order, image, key or "image", tuple((name, None) for name in classes))


def _regions(task: _Task) -> list[_Region]:
    found = []
    for entry in [*(task.annotations or []), *(task.completions or []), *(task.predictions or [])]:
        result = entry.get("result") if isinstance(entry, dict) else None
        for each in result if isinstance(result, list) else []:
            if isinstance(each, dict):
                names = ("type", "from_name", "to_name", "value")
                found.append(_Region(*(each.get(name) for name in names)))
    return found


def _labels(region: _Region, kind: str) -> list[str]:
    """The classes of a region; none where it is no region of ours."""
    value = region.value if isinstance(region.value, dict) else {}
    labels = value.get(region.type, value.get("labels")) if kind else None
    names = [name for name in labels if isinstance(name, str) and name] if isinstance(labels, list) else []
    return [name for name in names if kind != SEMANTIC or name != IGNORE]

"""What a user asks for before a conversion: which splits, types and classes; renamed and derived labels.

Functions of a record. What a selection leaves out is no loss, for it was not asked for.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from labelkit.derive import as_box
from labelkit.errors import UsageError
from labelkit.findings import Tell
from labelkit.model import (
    Category,
    Cell,
    Header,
    Object,
    Record,
    SemanticMap,
)

TYPES = ("labels", "boxes", "semantic", "instances")


@dataclass(frozen=True)
class Selection:
    """What of a data set is wanted; empty means everything."""

    splits: Collection[str] = ()
    types: Collection[str] = ()
    classes: Collection[str] = ()

    def header(self, header: Header) -> Header:
        """The header with the wanted classes. Raises UsageError where one of them does not exist."""
        if not self.classes:
            return header
        names = [category.name for category in header.categories]
        for name in self.classes:
            if name not in names:
                raise UsageError("--classes", f"no class {name!r}", f"some of {', '.join(names)}")
        wanted = tuple(category for category in header.categories if category.name in self.classes)
        return header.model_copy(update={"categories": wanted})

    def record(self, record: Record, tell: Tell) -> Record | None:
        """The wanted part of a record, or None where its splits are not wanted.

        Where boxes are wanted of objects that have pixels only, they are made, and told.
        """
        if self.splits:
            kept = tuple(split for split in record.splits if split in self.splits)
            if not kept:
                return None
            record = record.model_copy(update={"splits": kept})
        if self.classes:
            record = _only_classes(record, self.classes)
        return _only_types(record, self.types, tell) if self.types else record


def _only_classes(record: Record, classes: Collection[str]) -> Record:
    maps = {}
    for name, item in record.maps.items():
        if isinstance(item, SemanticMap):
            kept = {value: text for value, text in item.classes.items() if text in classes}
            item = item.model_copy(update={"classes": kept}) if kept != item.classes else item
        maps[name] = item
    return record.model_copy(
        update={
            "labels": tuple(label for label in record.labels if label.category in classes),
            "objects": tuple(item for item in record.objects if item.category in classes),
            "maps": maps,
        }
    )


def _only_types(record: Record, types: Collection[str], tell: Tell) -> Record:
    typed = (_as_type(record, position, types, tell) for position in range(len(record.objects)))
    objects = tuple(item for item in typed if item is not None)
    needed = {
        shape.map
        for item in objects
        if item.kind == "instance" and isinstance(shape := item.mask.shape, Cell)
    }
    maps = {
        name: item
        for name, item in record.maps.items()
        if name in needed or (isinstance(item, SemanticMap) and "semantic" in types)
    }
    labels = record.labels if "labels" in types else ()
    return record.model_copy(update={"labels": labels, "objects": objects, "maps": maps})


def _as_type(record: Record, position: int, types: Collection[str], tell: Tell) -> Object | None:
    item = record.objects[position]
    if item.kind == "box":
        return item if "boxes" in types else None
    if "instances" in types or "boxes" not in types:
        return item if "instances" in types else None
    boxed, place = as_box(record, item), f"{record.image.path}:object {position + 1}"
    if boxed is None:
        tell("LOS101", place, "no pixel of it is visible, so that it has no box")
    elif item.box is None:
        tell("LOS301", place, "the box is the extent of the shape")
    return boxed


# --- class maps --------------------------------------------------------------------------------------------


def shipped_maps() -> list[str]:
    """The names of the class maps that ship with labelkit."""
    files = resources.files("labelkit.classmaps").iterdir()
    return sorted(item.name[:-5] for item in files if item.name.endswith(".json"))


def load_class_map(name: str) -> dict[str, str]:
    """Old name → new name, from a shipped map or a JSON file. Raises UsageError where it is neither."""
    shipped = resources.files("labelkit.classmaps")
    names = sorted(item.name[:-5] for item in shipped.iterdir() if item.name.endswith(".json"))
    path = Path(name)
    if name in names:
        text = (shipped / f"{name}.json").read_text("utf-8")
    elif path.is_file():
        text = path.read_text("utf-8")
    else:
        raise UsageError(
            "--map", f"no map and no file {name!r}", f"a JSON file, or one of {', '.join(names)}"
        )
    try:
        table = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--map {name}", f"not JSON ({error})", '{"old name": "new name"}') from None
    if not isinstance(table, dict) or not all(isinstance(new, str) and new for new in table.values()):
        raise UsageError(f"--map {name}", "not a table of names", '{"old name": "new name"}')
    return table


def rename_header(header: Header, table: Mapping[str, str]) -> Header:
    """The header with renamed categories; those that become one keep the first one's fields."""
    renamed: dict[str, Category] = {}
    for category in header.categories:
        new = table.get(category.name, category.name)
        renamed.setdefault(
            new, category if new == category.name else category.model_copy(update={"name": new, "raw": {}})
        )
    return header.model_copy(update={"categories": tuple(renamed.values())})


def rename_record(record: Record, table: Mapping[str, str], tell: Tell) -> Record:
    """The record with renamed classes."""
    renamed: dict[str, int] = {}

    def new(name: str) -> str:
        if name in table and table[name] != name:
            renamed[name] = renamed.get(name, 0) + 1
        return table.get(name, name)

    labels = [label.model_copy(update={"category": new(label.category)}) for label in record.labels]
    update = {
        "labels": tuple({label.category: label for label in reversed(labels)}.values())[::-1],
        "objects": tuple(item.model_copy(update={"category": new(item.category)}) for item in record.objects),
        "maps": {
            name: item.model_copy(
                update={"classes": {value: new(text) for value, text in item.classes.items()}}
            )
            if isinstance(item, SemanticMap)
            else item
            for name, item in record.maps.items()
        },
    }
    for name, count in renamed.items():
        tell("LOS208", record.image.path, f"{name!r} became {table[name]!r}", count=count)
    return record.model_copy(update=update)

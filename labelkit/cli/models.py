"""``labelkit models``: what torchvision's registry has for a task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from labelkit.cli.streams import result
from labelkit.predict import TASKS
from labelkit.predict.registry import DEFAULTS, ModelEntry, WeightsEntry, model_entries

_Row = tuple[str, str, str, str, str, str]


@click.command(name="models", short_help="List the models there are for a task.")
@click.option("--task", type=click.Choice(TASKS), metavar="TASK", help=f"One of {', '.join(TASKS)}.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(task: str | None, output_format: str) -> int:
    """List the models for a task with their pretrained weights, their classes, how good they are, and whether
    their file is here already. A star marks what is taken where nobody says a model or weights.
    """
    entries = list(model_entries(task))
    with result() as stream:
        if output_format == "json":
            json.dump([_as_json(entry) for entry in entries], stream, indent=2, ensure_ascii=False)
            stream.write("\n")
        else:
            stream.writelines(f"{line}\n" for line in _table(entries, task))
    return 0


def _as_json(entry: ModelEntry) -> dict[str, Any]:
    return {
        "model": entry.name,
        "tasks": list(entry.tasks),
        "default_for": [task for task, name in DEFAULTS.items() if name == entry.name],
        "weights": [
            {
                "name": item.name,
                "file": item.file,
                "default": item.is_default,
                "classes": [name for name in item.classes if name is not None],
                "metrics": [
                    {"data": data, "name": name, "value": value} for data, name, value in item.metrics
                ],
                "megabytes": item.megabytes,
                "cached": item.is_cached,
            }
            for item in entry.weights
        ],
    }


def _table(entries: list[ModelEntry], task: str | None) -> Iterator[str]:
    rows: list[_Row] = [("model", "weights", "classes", "metric", "MB", "here")]
    titles: list[tuple[int, str]] = []
    seen = ""
    for entry in entries:
        title = ", ".join(entry.tasks)
        if title != seen:
            titles.append((len(rows), title))
            seen = title
        rows += list(_rows(entry, task))
    widths = [max(len(row[k]) for row in rows) for k in range(6)]
    heads = dict(titles)
    for number, row in enumerate(rows):
        if number in heads:
            yield f"{heads[number]}:"
        cells = [_aligned(k, cell, widths[k]) for k, cell in enumerate(row)]
        yield f"{'' if not number else '  '}{'  '.join(cells)}".rstrip()


def _aligned(column: int, cell: str, width: int) -> str:
    return f"{cell:>{width}}" if column in (2, 4) else f"{cell:<{width}}"


def _rows(entry: ModelEntry, task: str | None) -> Iterator[_Row]:
    tasks = [task] if task else entry.tasks
    star = "*" if any(DEFAULTS[each] == entry.name for each in tasks) else ""
    for position, item in enumerate(entry.weights):
        name = f"{entry.name}{star}" if not position else ""
        yield (
            name,
            f"{item.name}{'*' if item.is_default else ''}",
            _count(item),
            _metric(item),
            _size(item),
            _here(item),
        )


def _count(item: WeightsEntry) -> str:
    return str(sum(name is not None for name in item.classes))


def _metric(item: WeightsEntry) -> str:
    """The first that is reported, which of Mask R-CNN is that of its boxes: there the last, of its masks."""
    if not item.metrics:
        return ""
    data, name, value = item.metrics[-1 if item.metrics[-1][1] == "mask_map" else 0]
    return f"{name} {value:g} on {data}"


def _size(item: WeightsEntry) -> str:
    return f"{item.megabytes:.0f}" if item.megabytes else ""


def _here(item: WeightsEntry) -> str:
    return "yes" if item.is_cached else ""

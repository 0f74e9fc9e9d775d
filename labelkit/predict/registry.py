"""Which models there are: torchvision's own registry, sorted by what a model is for.

A model's task is read off the class that its builder says it returns (and, for classifiers, which have no
class in common, off its module), so that models that torchvision will have, and those that a program adds to
the registry, are found without a list of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlparse

from labelkit.errors import UsageError, near
from labelkit.predict import TASKS, torchvision_models

BACKGROUND = "__background__"
NOT_A_CLASS = "N/A"  # what torchvision calls the gaps in COCO's numbering (FORMATS 1.2)

# What is taken where nobody says a model: of each task the one that does well for its size.
DEFAULTS = {
    "classification": "resnet50",
    "localization": "fasterrcnn_resnet50_fpn_v2",
    "detection": "fasterrcnn_resnet50_fpn_v2",
    "semantic": "deeplabv3_resnet50",
    "instance": "maskrcnn_resnet50_fpn_v2",
}

Classes = tuple[str | None, ...]  # the name of each of a model's outputs, None where it is no class


@dataclass(frozen=True)
class WeightsEntry:
    """Pretrained weights. metrics: of which data set, which, and its value, as torchvision reports them."""

    name: str
    file: str
    classes: Classes
    metrics: tuple[tuple[str, str, float], ...]
    megabytes: float | None
    is_default: bool
    is_cached: bool


@dataclass(frozen=True)
class ModelEntry:
    """A model of the registry. tasks: what it can be used for."""

    name: str
    tasks: tuple[str, ...]
    weights: tuple[WeightsEntry, ...]


def model_entries(task: str | None = None) -> Iterator[ModelEntry]:
    """Every model for a task (for any of them if none is said), by task and name."""
    models = torchvision_models()
    names = [(tasks, name) for name in models.list_models() if (tasks := tasks_of(name))]
    order = [*TASKS, ""].index
    for tasks, name in sorted(names, key=lambda pair: (order(pair[0][0]), pair[1])):
        if task is None or task in tasks:
            entries = tuple(
                _weights_entry(item, models.get_model_weights(name)) for item in usable_weights(name)
            )
            yield ModelEntry(name, tasks, entries)


def tasks_of(name: str) -> tuple[str, ...]:
    """What a model of the registry can be used for; nothing for models of video, flow or quantised ones."""
    from torchvision.models import detection, segmentation
    from torchvision.models.segmentation._utils import _SimpleSegmentationModel

    builder = torchvision_models().get_model_builder(name)
    made = returned_class(builder)
    if issubclass(made, detection.MaskRCNN):
        return ("detection", "localization", "instance")
    if issubclass(made, detection.FasterRCNN | detection.RetinaNet | detection.FCOS | _ssd()):
        return ("detection", "localization")
    if issubclass(made, _SimpleSegmentationModel | segmentation.LRASPP):
        return ("semantic",)
    module = builder.__module__
    family = module.rsplit(".", 1)[0]
    if module.startswith("torchvision.") and family != "torchvision.models":
        return ()  # video, optical flow, quantised: they take other inputs, or other devices
    return ("classification",) if usable_weights(name) else ()


def _ssd() -> type:
    from torchvision.models.detection.ssd import SSD

    found: type = SSD
    return found


def returned_class(builder: Callable[..., Any]) -> type:
    """The class that a builder says it makes; ``object`` where it does not say."""
    try:
        made = get_type_hints(builder).get("return", object)
    except (NameError, TypeError):
        return object
    return made if isinstance(made, type) else object


def usable_weights(name: str) -> list[Any]:
    """The weights of a model that name their classes (features without a head have none)."""
    try:
        return [item for item in torchvision_models().get_model_weights(name) if item.meta.get("categories")]
    except ValueError:  # a model that was registered without any
        return []


def _weights_entry(item: Any, enum: Any) -> WeightsEntry:
    reported = item.meta.get("_metrics") or {}
    metrics = [(data, name, value) for data, said in reported.items() for name, value in said.items()]
    return WeightsEntry(
        name=item.name,
        file=weights_file(item).name,
        classes=class_names(item.meta["categories"]),
        metrics=tuple(metrics),
        megabytes=item.meta.get("_file_size"),
        is_default=item is getattr(enum, "DEFAULT", None),
        is_cached=weights_file(item).is_file(),
    )


def weights_file(item: Any) -> Path:
    """Where torch.hub looks for the file of some weights before it downloads it."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(item.url).path).name


def find_model(name: str, task: str) -> str:
    """The name of a model as the registry spells it.

    Raises UsageError where there is none of that name, or it is for another task.
    """
    known = torchvision_models().list_models()
    if name.lower() not in known:
        advice = near(name.lower(), known) or f"`labelkit models --task {task}` lists them"
        raise UsageError(f"--model {name}", "torchvision has no such model", f"one for {task}", advice)
    tasks = tasks_of(name.lower())
    if task not in tasks:
        does = f"is for {', '.join(tasks)}" if tasks else "labels no images"
        advice = f"`labelkit models --task {task}` lists others"
        raise UsageError(f"--model {name}", does, f"one for {task}", advice)
    return name.lower()


def find_weights(model: str, name: str | None) -> Any:
    """A model's pretrained weights by name, its default ones if none is said. Raises UsageError."""
    items = {item.name: item for item in usable_weights(model)}
    if not items:
        raise UsageError(f"--model {model}", "has no pretrained weights", "--weights FILE and --classes FILE")
    if name is None:
        default = torchvision_models().get_model_weights(model).DEFAULT
        return items.get(default.name, next(iter(items.values())))
    if name.upper() not in items:
        expected = f"a file, or one of {', '.join(items)}"
        raise UsageError(f"--weights {name}", f"no file, and no weights of {model}", expected)
    return items[name.upper()]


def class_names(categories: Sequence[str]) -> Classes:
    """The class of each output of a model: None for the background and for gaps in the numbering.

    A name that several outputs have gets the number of each, as in "crane (134)": classes are known by name.
    """
    times = Counter(categories)
    return tuple(
        None if name in (BACKGROUND, NOT_A_CLASS) else f"{name} ({number})" if times[name] > 1 else name
        for number, name in enumerate(categories)
    )

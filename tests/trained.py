"""Models that are fitted to drawn shapes: real architectures of torchvision, built by its registry.

They are trained once and kept (``.pytest_cache``), for every process and every later run with the same torch
and the same recipe. Two cores need about a minute for each.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from drawn import CLASSES, draw, extent
from torchvision.models import get_model, get_model_weights


@dataclass(frozen=True)
class Recipe:
    """How a model is fitted. options: of its builder. preset: of its transforms. steps: of 8 images each."""

    task: str
    model: str
    steps: int
    rate: float
    options: dict[str, Any] = field(default_factory=dict)
    preset: dict[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """What the command is told so that it builds the model as it was trained."""
        said = ["--task", self.task, "--model", self.model]
        said += [word for k, v in self.options.items() for word in ("--model-option", f"{k}={json.dumps(v)}")]
        return said + [
            word for k, v in self.preset.items() for word in ("--transform", f"{k}={json.dumps(v)}")
        ]


_SMALL = {"min_size": 128, "max_size": 192}
_TINY = {"resize_size": 64, "crop_size": 64}
RECIPES = {
    "classification": Recipe(
        "classification", "resnet18", 100, 2e-3, preset={"resize_size": 64, "crop_size": 64}
    ),
    "detection": Recipe("detection", "fasterrcnn_mobilenet_v3_large_320_fpn", 180, 1e-3, options=_SMALL),
    "semantic": Recipe("semantic", "lraspp_mobilenet_v3_large", 120, 3e-3, preset={"resize_size": 128}),
    "instance": Recipe("instance", "maskrcnn_resnet50_fpn", 150, 1e-3, options=_SMALL),
}
_BATCH = 8


def trained(task: str, cache: Path) -> Path:
    """The checkpoint of a task's model, fitted now if nobody has fitted it yet."""
    recipe = RECIPES[task]
    sources = b"".join((Path(__file__).parent / name).read_bytes() for name in ("drawn.py", "trained.py"))
    key = hashlib.sha256(sources + repr((recipe, torch.__version__)).encode()).hexdigest()[:16]
    file = cache / f"{task}-{key}.pth"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{task}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            model = _FIT[task](recipe)
            torch.save(model.state_dict(), file.with_suffix(".part"))
            file.with_suffix(".part").rename(file)
    return file


def _fit(recipe: Recipe, classes: int, loss_of: Callable[[Any, list[int]], Any]) -> Any:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # two test processes share the cores
    options: dict[str, Any] = {"weights": None, "num_classes": classes, **recipe.options}
    if recipe.task != "classification":
        options["weights_backbone"] = None
    model = get_model(recipe.model, **options).train()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = (
                0.1  # MobileNets have 0.01, with which so few steps leave the means where they were
            )
    weights = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=recipe.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, recipe.steps, pct_start=0.2)
    for step in range(recipe.steps):
        loss = loss_of(model, [1000 + step * _BATCH + k for k in range(_BATCH)])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 5.0)
        optimizer.step()
        schedule.step()
    return model.eval()


def _preset(recipe: Recipe) -> Any:
    return get_model_weights(recipe.model).DEFAULT.transforms(**recipe.preset)


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def _classifier(recipe: Recipe) -> Any:
    transform = _preset(recipe)

    def loss_of(model: Any, seeds: list[int]) -> Any:
        drawn = [draw(seed, most=1) for seed in seeds]
        images = torch.stack([transform(_tensor(each.pixels)) for each in drawn])
        return torch.nn.functional.cross_entropy(
            model(images), torch.tensor([each.labels[0] for each in drawn])
        )

    return _fit(recipe, len(CLASSES), loss_of)


def _detector(recipe: Recipe) -> Any:
    def loss_of(model: Any, seeds: list[int]) -> Any:
        drawn = [draw(seed) for seed in seeds]
        images = [_tensor(each.pixels).float() / 255 for each in drawn]
        targets = []
        for each in drawn:
            boxes = torch.tensor([extent(mask) for mask in each.masks])
            boxes[:, 2:] += boxes[:, :2]
            masks = torch.from_numpy(np.stack(each.masks)).to(torch.uint8)
            targets.append({"boxes": boxes, "labels": torch.tensor(each.labels) + 1, "masks": masks})
        return sum(model(images, targets).values())

    return _fit(recipe, len(CLASSES) + 1, loss_of)


def _segmenter(recipe: Recipe) -> Any:
    transform = _preset(recipe)

    def loss_of(model: Any, seeds: list[int]) -> Any:
        step = seeds[0] // _BATCH
        drawn = [draw(2 * seed + step % 2) for seed in seeds]  # of one size
        images = torch.stack([transform(_tensor(each.pixels)) for each in drawn])
        truth = torch.stack([torch.from_numpy(class_map(each)) for each in drawn])
        logits = torch.nn.functional.interpolate(model(images)["out"], size=truth.shape[1:], mode="bilinear")
        weights = torch.tensor([0.4, 1.0, 1.0, 1.0])
        return torch.nn.functional.cross_entropy(logits, truth, weights)

    return _fit(recipe, len(CLASSES) + 1, loss_of)


def class_map(drawn: Any) -> np.ndarray:
    """The class of every pixel, from 1; 0 is the background."""
    values = np.zeros(drawn.pixels.shape[:2], np.int64)
    for label, mask in zip(drawn.labels, drawn.masks, strict=True):
        values[mask] = label + 1
    return values


_FIT = {
    "classification": _classifier,
    "detection": _detector,
    "semantic": _segmenter,
    "instance": _detector,
}

if __name__ == "__main__":
    import sys
    import time

    for name in sys.argv[1:] or RECIPES:
        start = time.monotonic()
        print(
            trained(name, Path(".pytest_cache/labelkit-models")),
            f"{time.monotonic() - start:.0f} s",
            torchvision.__version__,
        )

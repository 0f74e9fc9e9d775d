"""Drawn shapes, and models that learn them in a minute: for trying ``labelkit prelabel`` where there are no
pretrained weights, and for its tests.

    python examples/shapes.py shapes            # photos, a detector and its classes
    labelkit prelabel shapes/photos out --task detection --weights shapes/model.pth …

A red and a blue disc differ in colour only, a red disc and a red bar in shape only: a model that is given its
channels the other way round, or its classes, fails. No image is square, so that x and y cannot be exchanged.
Models are real architectures of torchvision, built by its registry.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models._api import register_model
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone

CLASSES = ("red disc", "blue disc", "red bar")  # in no alphabetical order
_COLOURS = ((210, 40, 40), (40, 60, 220), (210, 40, 40))
SIZES = ((120, 90), (96, 128))  # width, height


@dataclass(frozen=True)
class Drawn:
    """An image (h, w, 3) uint8 and its objects: the class (an index) and the mask (h, w) of each."""

    pixels: NDArray[np.uint8]
    labels: tuple[int, ...]
    masks: tuple[NDArray[np.bool_], ...]


def draw(seed: int, *, most: int = 3) -> Drawn:
    """An image of up to so many shapes that do not touch one another."""
    random = np.random.default_rng(seed)
    width, height = SIZES[seed % len(SIZES)]
    pixels = random.integers(90, 170, (height, width, 1)) + random.integers(-25, 25, (height, width, 3))
    taken = np.zeros((height, width), bool)
    labels: list[int] = []
    masks: list[NDArray[np.bool_]] = []
    for _ in range(40):
        if len(labels) == 1 + seed % most:
            break
        label = int(random.integers(len(CLASSES)))
        mask = _shape(random, label, width, height)
        if mask is None or (_grown(mask) & taken).any():
            continue
        pixels[mask] = np.array(_COLOURS[label]) + random.integers(-20, 20, (int(mask.sum()), 3))
        taken |= mask
        labels.append(label)
        masks.append(mask)
    return Drawn(pixels.clip(0, 255).astype(np.uint8), tuple(labels), tuple(masks))


def _shape(random: np.random.Generator, label: int, width: int, height: int) -> NDArray[np.bool_] | None:
    rows, columns = np.mgrid[:height, :width]
    if label == 2:
        w, h = random.integers(40, 60), random.integers(14, 22)
        x, y = random.integers(0, width - w), random.integers(0, height - h)
        return (columns >= x) & (columns < x + w) & (rows >= y) & (rows < y + h)
    radius = random.uniform(11, 20)
    x, y = random.uniform(radius, width - radius), random.uniform(radius, height - radius)
    return (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 < radius**2


def _grown(mask: NDArray[np.bool_], by: int = 3) -> NDArray[np.bool_]:
    padded = np.pad(mask, by)
    shifted = [
        padded[dy : dy + mask.shape[0], dx : dx + mask.shape[1]]
        for dy in range(2 * by + 1)
        for dx in range(2 * by + 1)
    ]
    return np.any(shifted, axis=0)


def extent(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """x, y, w, h of a mask, half-open."""
    rows, columns = np.nonzero(mask)
    x, y = float(columns.min()), float(rows.min())
    return x, y, float(columns.max() + 1 - x), float(rows.max() + 1 - y)


# --- models ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How a model is fitted. options: of its builder. preset: of its transforms. batch: images a step."""

    task: str
    model: str
    steps: int
    rate: float
    options: dict[str, Any] = field(default_factory=dict)
    preset: dict[str, Any] = field(default_factory=dict)
    batch: int = 8

    @property
    def arguments(self) -> list[str]:
        """What the command is told so that it builds the model as it was trained."""
        said = ["--task", self.task, "--model", self.model]
        said += [word for k, v in self.options.items() for word in ("--model-option", f"{k}={json.dumps(v)}")]
        return said + [
            word for k, v in self.preset.items() for word in ("--transform", f"{k}={json.dumps(v)}")
        ]


_TINY = {"resize_size": 64, "crop_size": 64}
_LARGE = {"min_size": 192, "max_size": 288}  # MobileNet's features are 16 pixels apart
RECIPES = {
    "classification": Recipe(
        "classification", "resnet18", 100, 2e-3, preset={"resize_size": 64, "crop_size": 64}
    ),
    "detection": Recipe(
        "detection", "fasterrcnn_mobilenet_v3_large_320_fpn", 200, 1e-3, options=_LARGE, batch=4
    ),
    "semantic": Recipe("semantic", "lraspp_mobilenet_v3_large", 120, 3e-3, preset={"resize_size": 128}),
    "instance": Recipe("instance", "maskrcnn_mobilenet_v3_large_fpn", 90, 5e-4, options=_LARGE, batch=4),
}
# Of a detector in training: few regions of so small images, for its head costs most of a step.
_FEW_REGIONS = {"box_batch_size_per_image": 16, "rpn_post_nms_top_n_train": 100}


def trained(task: str, cache: Path) -> Path:
    """The checkpoint of a task's model, fitted now if this version of this file has not fitted it yet."""
    register()
    recipe = RECIPES[task]
    said = Path(__file__).read_bytes() + repr((recipe, torch.__version__)).encode()
    key = hashlib.sha256(said).hexdigest()[:16]
    file = cache / f"{task}-{key}.pth"
    cache.mkdir(parents=True, exist_ok=True)
    start = trained("detection", cache) if task == "instance" else None  # which has all but the masks
    with (cache / f"{task}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            model = _FIT[task](recipe, start)
            torch.save(model.state_dict(), file.with_suffix(".part"))
            file.with_suffix(".part").rename(file)
    return file


def _fit(recipe: Recipe, classes: int, start: Path | None, loss_of: Callable[[Any, list[int]], Any]) -> Any:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # two test processes share the cores
    options: dict[str, Any] = {"weights": None, "num_classes": classes, **recipe.options}
    if recipe.task != "classification":
        options["weights_backbone"] = None
    if recipe.task in ("detection", "instance"):
        options |= _FEW_REGIONS
    model = get_model(recipe.model, **options).train()
    if start:
        model.load_state_dict(torch.load(start, weights_only=True), strict=False)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = (
                0.1  # MobileNets have 0.01, with which so few steps leave the means where they were
            )
    weights = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=recipe.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, recipe.steps, pct_start=0.2)
    for step in range(recipe.steps):
        loss = loss_of(model, [1000 + step * recipe.batch + k for k in range(recipe.batch)])
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


def _classifier(recipe: Recipe, start: Path | None) -> Any:
    transform = _preset(recipe)

    def loss_of(model: Any, seeds: list[int]) -> Any:
        drawn = [draw(seed, most=1) for seed in seeds]
        images = torch.stack([transform(_tensor(each.pixels)) for each in drawn])
        return torch.nn.functional.cross_entropy(
            model(images), torch.tensor([each.labels[0] for each in drawn])
        )

    return _fit(recipe, len(CLASSES), start, loss_of)


def _detector(recipe: Recipe, start: Path | None) -> Any:
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

    return _fit(recipe, len(CLASSES) + 1, start, loss_of)


def _segmenter(recipe: Recipe, start: Path | None) -> Any:
    transform = _preset(recipe)

    def loss_of(model: Any, seeds: list[int]) -> Any:
        step = seeds[0] // recipe.batch
        drawn = [draw(2 * seed + step % 2) for seed in seeds]  # of one size
        images = torch.stack([transform(_tensor(each.pixels)) for each in drawn])
        truth = torch.stack([torch.from_numpy(class_map(each)) for each in drawn])
        logits = torch.nn.functional.interpolate(model(images)["out"], size=truth.shape[1:], mode="bilinear")
        weights = torch.tensor([0.4, 1.0, 1.0, 1.0])
        return torch.nn.functional.cross_entropy(logits, truth, weights)

    return _fit(recipe, len(CLASSES) + 1, start, loss_of)


def class_map(drawn: Any) -> np.ndarray:
    """The class of every pixel, from 1; 0 is the background."""
    values = np.zeros(drawn.pixels.shape[:2], np.int64)
    for label, mask in zip(drawn.labels, drawn.masks, strict=True):
        values[mask] = label + 1
    return values


def register() -> None:
    """Put the small Mask R-CNN into torchvision's registry of this process."""
    if maskrcnn_mobilenet_v3_large_fpn.__name__ not in list_models():
        register_model()(maskrcnn_mobilenet_v3_large_fpn)


def maskrcnn_mobilenet_v3_large_fpn(
    *, weights: None = None, weights_backbone: None = None, num_classes: int, **options: Any
) -> MaskRCNN:
    """A Mask R-CNN as torchvision builds its Faster R-CNN of this name: theirs needs minutes for an epoch."""
    assert weights is None and weights_backbone is None
    backbone = mobilenet_backbone(
        backbone_name="mobilenet_v3_large", weights=None, fpn=True, norm_layer=torch.nn.BatchNorm2d
    )
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    return MaskRCNN(backbone, num_classes, rpn_anchor_generator=anchors, **options)


_FIT = {
    "classification": _classifier,
    "detection": _detector,
    "semantic": _segmenter,
    "instance": _detector,
}


def main() -> None:
    """Write photos, a trained model and its classes, and say with which options it is run."""
    parser = argparse.ArgumentParser(description="Draw shapes, and train a model on others.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", choices=["classification", "detection", "semantic"], default="detection")
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument(
        "--cache", type=Path, default=Path(".shapes-cache"), help="where trained models are kept"
    )
    said = parser.parse_args()
    (said.folder / "photos").mkdir(parents=True)
    for number in range(said.count):
        drawn = draw(number, most=1 if said.task == "classification" else 3)
        Image.fromarray(drawn.pixels).save(said.folder / "photos" / f"{number:03}.png")
    (said.folder / "classes.txt").write_text("\n".join(CLASSES) + "\n", "utf-8")
    shutil.copy(trained(said.task, said.cache), said.folder / "model.pth")
    words = " ".join(RECIPES[said.task].arguments)
    print(f"{words} --weights {said.folder}/model.pth --classes {said.folder}/classes.txt")


if __name__ == "__main__":
    main()

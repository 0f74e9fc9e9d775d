"""From a model's output to labels of the record model: one function a task.

Each gives everything that a model says at or above the keep-threshold, as a ``Guess``. Boxes are x, y, w, h
in half-open pixel coordinates: torchvision's detectors are trained on COCO's, which are that (FORMATS 0).
Numbers are the shortest decimals of the model's float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry import rle
from labelkit.model import BoundingBox, Box, ImageLabel, Instance, Layer, Layers, Object, SemanticMap
from labelkit.pixels import rle_mask
from labelkit.predict.registry import Classes

Floats = NDArray[np.float32]
_MASK_LEVEL = 0.5  # of torchvision's own evaluation and examples
_AT_ONCE = 1 << 25  # values of float32: 128 MB
STEPS = 256  # in which the confidence of a pixel is kept


@dataclass(frozen=True)
class Settings:
    """What decides what a model's output becomes. top_k: classes of an image that are kept."""

    task: str
    classes: Classes
    keep_threshold: float
    top_k: int = 1
    multi_label: bool = False


@dataclass(frozen=True)
class Guess:
    """All that a model says of an image, without saying who said it.

    confidence: of a semantic map, (h, w) in 256 steps from 0 to 1. unknown: guesses of no class (gaps in the
    numbering of classes) or without a pixel, which are left out.
    """

    labels: tuple[ImageLabel, ...] = ()
    objects: tuple[Object, ...] = ()
    maps: Mapping[str, SemanticMap] = field(default_factory=dict)
    confidence: NDArray[np.uint8] | None = None
    unknown: int = 0


def labels_of(output: Any, size: tuple[int, int], settings: Settings) -> Guess:
    """Image labels, the likeliest first. output: logits (classes,).

    Of classes that exclude one another the likeliest ``top_k`` at or above the keep-threshold, and the very
    likeliest whatever its score; of several labels an image every one at or above it.
    """
    logits = output.float()
    scores: Floats = (logits.sigmoid() if settings.multi_label else logits.softmax(0)).cpu().numpy()
    order = np.argsort(-scores, kind="stable")
    kept = [k for k in order if settings.classes[k] is not None]
    if settings.multi_label:
        kept = [k for k in kept if scores[k] >= settings.keep_threshold]
    else:
        kept = [
            k for i, k in enumerate(kept[: settings.top_k]) if not i or scores[k] >= settings.keep_threshold
        ]
    return Guess(
        labels=tuple(ImageLabel(category=str(settings.classes[k]), score=_number(scores[k])) for k in kept)
    )


def boxes_of(output: Mapping[str, Any], size: tuple[int, int], settings: Settings) -> Guess:
    """Boxes, the surest first. output: boxes (n, 4) x0, y0, x1, y1; labels (n,); scores (n,)."""
    objects: list[Object] = []
    unknown = 0
    for _, category, box, score in _detections(output, settings):
        if category is None or not (box.w > 0 and box.h > 0):
            unknown += 1
        else:
            objects.append(BoundingBox(category=category, box=box, score=score))
    return Guess(objects=tuple(objects), unknown=unknown)


def instances_of(output: Mapping[str, Any], size: tuple[int, int], settings: Settings) -> Guess:
    """Instances, the surest first: as ``boxes_of``, with masks (n, 1, 28, 28) that are not pasted yet."""
    objects: list[Object] = []
    unknown = 0
    width, height = size
    masks, corners = output["masks"].float().cpu(), output["boxes"].float().cpu()
    for k, category, box, score in _detections(output, settings):
        runs = pasted(masks[k], corners[k], height, width) if category else None
        if category is None or runs is None or not rle.area(runs):
            unknown += 1
            continue
        mask = rle_mask(runs, height, width)
        objects.append(Instance(category=category, mask=mask, box=box, score=score))
    return Guess(objects=tuple(objects), unknown=unknown)


def _detections(output: Mapping[str, Any], settings: Settings) -> list[tuple[int, str | None, Box, float]]:
    boxes: Floats = output["boxes"].float().cpu().numpy()
    scores: Floats = output["scores"].float().cpu().numpy()
    labels = output["labels"].cpu().numpy()
    order = np.argsort(-scores, kind="stable")
    found = []
    for k in order:
        if scores[k] >= settings.keep_threshold:
            x0, y0, x1, y1 = boxes[k]
            box = Box(*(_number(side) for side in (x0, y0, x1 - x0, y1 - y0)))
            found.append((int(k), _class(settings.classes, int(labels[k])), box, _number(scores[k])))
    return found


def _class(classes: Classes, label: int) -> str | None:
    return classes[label] if 0 <= label < len(classes) else None


def pasted(mask: Any, box: Any, height: int, width: int) -> NDArray[np.int64]:
    """The runs of one mask in its image.

    mask: probabilities (1, m, m). box: x0, y0, x1, y1. Only the pixels of the box are ever floats:
    torchvision's own ``paste_masks_in_image`` makes an image of floats for each mask, all at once; the test
    compares the two.
    """
    from torchvision.models.detection.roi_heads import expand_boxes, expand_masks, paste_mask_in_image

    padded, scale = expand_masks(mask[None], padding=1)
    around = expand_boxes(box[None], scale).to(dtype=_int64())[0]
    x0, y0 = max(int(around[0]), 0), max(int(around[1]), 0)
    x1, y1 = min(int(around[2]) + 1, width), min(int(around[3]) + 1, height)
    if x1 <= x0 or y1 <= y0:
        return np.array([height * width], dtype=np.int64)
    shift = around - around.new_tensor([x0, y0, x0, y0])
    window = paste_mask_in_image(padded[0, 0], shift, y1 - y0, x1 - x0) > _MASK_LEVEL
    return rle.encode_window(window.cpu().numpy(), y0, x0, height, width)


def _int64() -> Any:
    import torch

    return torch.int64


def map_of(output: Any, size: tuple[int, int], settings: Settings) -> Guess:
    """A semantic map at the image's own size. output: logits (classes, h, w) at the size that the model saw.

    The logits are brought to the image's size before the likeliest class is taken. Value 0 is the background;
    every other value is the number of the model's output.
    """
    width, height = size
    scores, labels = _likeliest(output, height, width)
    values = labels.cpu().numpy()
    confidence = (scores * STEPS).clamp(max=STEPS - 1).byte().cpu().numpy()
    names = {k: name for k, name in enumerate(settings.classes) if name is not None}
    # A class whose output is the first would be written as 0, the ground of every map: it moves behind.
    first = len(settings.classes)
    if 0 in names:
        names[first] = names.pop(0)
        values = np.where(values == 0, first, values)
    layers = tuple(
        Layer(value=value, mask=rle_mask(runs, height, width))
        for value, runs in rle.from_labels(values).items()
        if value in names
    )
    source = Layers(height=height, width=width, layers=layers)
    return Guess(maps={"semantic": SemanticMap(source=source, classes=names)}, confidence=confidence)


def _likeliest(logits: Any, height: int, width: int) -> tuple[Any, Any]:
    """The score (softmax) and the number of the likeliest class of every pixel, at an image's own size.

    logits: (classes, h, w). Some classes at a time are brought to the size: all at once, those of a large
    photograph would need gigabytes.
    """
    import torch
    from torch.nn.functional import interpolate

    step = max(_AT_ONCE // (height * width), 1)
    found: tuple[Any, Any, Any] | None = None
    for start in range(0, len(logits), step):
        part = logits[None, start : start + step].float()
        part = interpolate(part, size=(height, width), mode="bilinear", align_corners=False)[0]
        top, where = part.max(0)
        if found is None:
            found = top, where, (part - top).exp().sum(0)
            continue
        best, labels, total = found
        higher = torch.maximum(best, top)
        total = total * (best - higher).exp() + (part - higher).exp().sum(0)
        found = higher, torch.where(top > best, where + start, labels), total
    assert found is not None
    return 1 / found[2], found[1]


def _number(value: np.float32) -> float:
    return float(str(value))


Adapter = Callable[[Any, tuple[int, int], Settings], Guess]
ADAPTERS: Mapping[str, Adapter] = {
    "classification": labels_of,
    "localization": boxes_of,
    "detection": boxes_of,
    "semantic": map_of,
    "instance": instances_of,
}


def outputs_of(said: Any, task: str) -> Sequence[Any]:
    """A model's output, image by image."""
    if task == "semantic":
        return list(said["out"])
    return list(said)

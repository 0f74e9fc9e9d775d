"""Drawn shapes that a small model learns in a minute, with their exact truth in every form of label.

A red and a blue disc differ in colour only, a red disc and a red bar in shape only: a model that is given its
channels the other way round, or its classes, fails. No image is square, so that x and y cannot be exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

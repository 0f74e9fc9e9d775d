"""Checkpoints of real torchvision architectures with seeded random weights, and photos to run them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from shapes import draw
from torchvision.models import get_model


def checkpoint(folder: Path, model: str, classes: int, seed: int = 0, **options: Any) -> Path:
    """The file of a model's weights; the same weights for the same arguments, once a folder."""
    file = folder / f"{model}-{classes}-{seed}.pth"
    if not file.exists():
        torch.manual_seed(seed)
        options = {"weights": None, "num_classes": classes, **options}
        torch.save(get_model(model, **options).state_dict(), file)
    return file


def class_file(folder: Path, names: list[str]) -> Path:
    """A file of class names, one a line."""
    file = folder / "classes.txt"
    file.write_text("\n".join(names) + "\n", "utf-8")
    return file


def photos(folder: Path, count: int, *, most: int = 3) -> Path:
    """Drawn images of two sizes, in two folders, as PNGs."""
    for number in range(count):
        file = folder / ("a" if number % 3 else "b c") / f"{number:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(number, most=most).pixels).save(file)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the log, which holds times."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "run.log.jsonl")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def pixels(seed: int, width: int, height: int) -> np.ndarray:
    """Noise, (h, w, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)

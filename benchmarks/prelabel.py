"""What ``labelkit prelabel`` costs beside the bare model: images per second of both, alternating in one run.

    python benchmarks/prelabel.py --task detection --model fasterrcnn_mobilenet_v3_large_320_fpn --count 200

The bare loop decodes the same files and runs the same model on the same batches, and keeps nothing; prelabel
does that and journals, matches, writes COCO, hashes and copies. Weights are random, for speed does not depend
on them (but on what is found: so detectors keep the 20 best boxes, whatever their score).
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.models import get_model, get_model_weights

from labelkit import prelabel

CLASSES = [f"class {number}" for number in range(20)]


def photos(folder: Path, count: int, width: int, height: int) -> list[Path]:
    """Smooth noise as JPEGs, which cost about as much to decode as photos."""
    folder.mkdir()
    files = []
    for number in range(count):
        small = np.random.default_rng(number).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        files.append(folder / f"{number:06}.jpg")
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(files[-1], quality=90)
    return files


def bare(files: list[Path], model: Any, transforms: Any, task: str, batch: int, device: str) -> None:
    """Decode and run, and keep nothing."""
    many = task in ("detection", "localization", "instance")
    with torch.inference_mode():
        for start in range(0, len(files), batch):
            tensors = []
            for file in files[start : start + batch]:
                with Image.open(file) as image:
                    tensors.append(transforms(image.convert("RGB")).to(device))
            model(tensors if many else torch.stack(tensors))
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="detection")
    parser.add_argument("--model", default="fasterrcnn_mobilenet_v3_large_320_fpn")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--pairs", type=int, default=3)
    said = parser.parse_args()
    width, height = map(int, said.size.split("x"))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        root = Path(name)
        files = photos(root / "photos", said.count, width, height)
        torch.manual_seed(0)
        options: dict[str, Any] = {
            "weights": None,
            "num_classes": len(CLASSES) + (said.task != "classification"),
        }
        if said.task != "classification":
            options["weights_backbone"] = None
        model = get_model(said.model, **options).eval()
        torch.save(model.state_dict(), root / "own.pth")
        (root / "classes.txt").write_text("\n".join(CLASSES))
        inner = getattr(model, "roi_heads", model)
        detects = hasattr(inner, "score_thresh")
        if detects:
            inner.score_thresh, inner.detections_per_img = 0.0, 20
        model = model.to(said.device)
        transforms = get_model_weights(said.model).DEFAULT.transforms()
        bare(files[: said.batch_size], model, transforms, said.task, said.batch_size, said.device)
        ratios = []
        for number in range(said.pairs):
            start = time.perf_counter()
            bare(files, model, transforms, said.task, said.batch_size, said.device)
            middle = time.perf_counter()
            prelabel(
                root / "photos", root / "out", task=said.task, model=said.model,
                weights=str(root / "own.pth"), classes=root / "classes.txt",
                keep_threshold=0.0 if detects else 0.05,
                max_per_image=20 if detects else None, device=said.device, batch_size=said.batch_size,
                workers=said.workers,
            )  # fmt: skip
            stop = time.perf_counter()
            ratios.append((stop - middle) / (middle - start))
            print(
                f"pair {number}: bare {len(files) / (middle - start):.1f} images/s, "
                f"prelabel {len(files) / (stop - middle):.1f} images/s, ratio {ratios[-1]:.3f}"
            )
            shutil.rmtree(root / "out")
            shutil.rmtree(root / "out.labelkit-run")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        median = statistics.median(ratios)
        print(f"{said.task} {said.model} {said.size}: median ratio {median:.3f}, peak {peak:.0f} MB")


if __name__ == "__main__":
    main()

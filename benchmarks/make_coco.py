"""Make a COCO file of the statistics of train2017, seeded: python benchmarks/make_coco.py OUT.json [IMAGES]

7.3 objects an image (none of some images, dozens of others), sizes and numbers of vertices with heavy tails,
1.2 % crowds as uncompressed RLE, skewed classes, ids that are no ordinals, annotations in no order. 118,000
images give about 0.5 GB.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

OBJECTS = 7.3  # a mean image
CROWDS = 0.012
CLASSES = ["person", "dog", *(f"class {k}" for k in range(3, 81))]
WIDTH, HEIGHT = 640, 480
_CHUNK = 4096  # annotations that are drawn together
_CENTS = [f"{k / 100:g}" for k in range(100 * WIDTH + 1)]  # coordinates have two decimals


def main(path: Path, images: int) -> None:
    """Write the file piece by piece."""
    draw = np.random.default_rng(1)
    keys = draw.choice(5 * images, images, replace=False) + 1
    counts = np.minimum(draw.negative_binomial(1.1, 1.1 / (1.1 + OBJECTS), images), 93)
    owners = np.repeat(keys, counts)
    draw.shuffle(owners)
    ids = draw.choice(5 * len(owners), len(owners), replace=False) + 1
    with path.open("w") as out:
        out.write('{"info": {"year": 2017}, "licenses": [{"id": 1, "name": "none"}], "images": [')
        _write(out, (_image(key) for key in keys.tolist()))
        out.write('], "annotations": [')
        _write(out, _annotations(draw, owners, ids))
        categories = [{"supercategory": "all", "id": k, "name": name} for k, name in enumerate(CLASSES, 1)]
        out.write(f'], "categories": {json.dumps(categories)}}}')


def _write(out: IO[str], texts: Iterator[str]) -> None:
    out.write(next(texts, ""))
    out.writelines(f", {text}" for text in texts)


def _image(key: int) -> str:
    return (
        f'{{"license": 1, "file_name": "{key:012}.jpg", "height": {HEIGHT}, "width": {WIDTH}, "id": {key}}}'
    )


def _annotations(draw: np.random.Generator, owners: np.ndarray, ids: np.ndarray) -> Iterator[str]:
    skew = 1 / np.arange(1, len(CLASSES) + 1)
    for start in range(0, len(owners), _CHUNK):
        some = slice(start, start + _CHUNK)
        count = len(owners[some])
        classes = draw.choice(len(CLASSES), count, p=skew / skew.sum()) + 1
        crowds = draw.random(count) < CROWDS
        radius = np.clip(np.exp(draw.normal(3.2, 0.95, (count, 2))), 3, [WIDTH / 2.1, HEIGHT / 2.1])
        centre = radius + draw.random((count, 2)) * ([WIDTH, HEIGHT] - 2 * radius)
        vertices = np.clip(np.exp(draw.normal(3.1, 0.75, count)), 4, 500).astype(int)
        tails = zip(owners[some].tolist(), classes.tolist(), ids[some].tolist(), strict=True)
        for k, (owner, category, key) in enumerate(tails):
            make = _crowd if crowds[k] else _polygon
            shape = make(draw, centre[k], radius[k], int(vertices[k]))
            yield f'{{{shape}, "image_id": {owner}, "category_id": {category}, "id": {key}}}'


def _polygon(draw: np.random.Generator, centre: np.ndarray, radius: np.ndarray, vertices: int) -> str:
    angle = np.arange(vertices) * (2 * np.pi / vertices)
    reach = draw.uniform(0.7, 1, vertices)
    points = centre + radius * (reach * [np.cos(angle), np.sin(angle)]).T
    cents = np.clip(np.rint(points * 100).astype(int), 0, [100 * WIDTH, 100 * HEIGHT])
    (x, y), (right, below) = cents.min(axis=0), cents.max(axis=0)
    shifted = np.roll(points, 1, axis=0)
    area = abs(float((shifted[:, 0] * points[:, 1] - points[:, 0] * shifted[:, 1]).sum())) / 2
    ring = ", ".join([_CENTS[cent] for cent in cents.ravel().tolist()])
    box = ", ".join([_CENTS[cent] for cent in (x, y, right - x, below - y)])
    return f'"segmentation": [[{ring}]], "area": {area:.4f}, "iscrowd": 0, "bbox": [{box}]'


def _crowd(draw: np.random.Generator, centre: np.ndarray, radius: np.ndarray, vertices: int) -> str:
    """One run of pixels a column, of a height of its own."""
    left, top = (centre - radius).astype(int).tolist()
    columns, most = max(int(2 * radius[0]), 2), max(int(2 * radius[1]), 2)
    heights = draw.integers(1, most + 1, columns)
    starts = (left + np.arange(columns)) * HEIGHT + top
    edges = np.column_stack([starts, starts + heights]).ravel()
    runs = np.diff([0, *edges.tolist(), WIDTH * HEIGHT]).tolist()
    box = [left, top, columns, int(heights.max())]
    shape = f'{{"counts": {runs}, "size": [{HEIGHT}, {WIDTH}]}}'
    return f'"segmentation": {shape}, "area": {heights.sum()}, "iscrowd": 1, "bbox": {box}'


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 118_000)

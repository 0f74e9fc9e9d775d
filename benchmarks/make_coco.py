"""Make a COCO file of the shape of train2017, seeded: python benchmarks/make_coco.py OUT.json [IMAGES]

Per image about 7.3 objects: polygons of about 45 vertices with two decimals, 1 % crowds as RLE. Annotations
of an image are not contiguous, as in the real file. 118,000 images give about 0.7 GB.
"""

from __future__ import annotations

import json
import random
import sys
from math import cos, pi, sin
from pathlib import Path

CLASSES = 80


def main(path: Path, images: int) -> None:
    """Write the file piece by piece."""
    draw = random.Random(1)
    objects = int(images * 7.3)
    owners = [draw.randrange(images) + 1 for _ in range(objects)]
    with path.open("w") as out:
        out.write('{"info":{"year":2017},"licenses":[{"id":1,"name":"none"}],"images":[')
        for key in range(1, images + 1):
            out.write("," if key > 1 else "")
            image = {"license": 1, "file_name": f"{key:012}.jpg", "height": 480, "width": 640, "id": key}
            out.write(json.dumps(image))
        out.write('],"annotations":[')
        for key, owner in enumerate(owners, 1):
            out.write("," if key > 1 else "")
            out.write(json.dumps(annotation(draw, key, owner)))
        categories = [{"supercategory": "x", "id": k, "name": f"class {k}"} for k in range(1, CLASSES)]
        out.write(f'],"categories":{json.dumps([*categories, {"id": CLASSES, "name": "dog"}])}}}')


def annotation(draw: random.Random, key: int, owner: int) -> dict[str, object]:
    x, y, radius = draw.uniform(80, 560), draw.uniform(80, 400), draw.uniform(5, 75)
    category = draw.randrange(CLASSES) + 1
    common = {"iscrowd": 0, "image_id": owner, "category_id": category, "id": key}
    if draw.random() < 0.01:
        left, top = int(x), int(y)
        runs = [left * 480 + top] + [20, 460] * 9 + [20]
        runs.append(640 * 480 - sum(runs))
        box = [left, top, 9, 19]
        return {
            "segmentation": {"counts": runs, "size": [480, 640]},
            "area": 200, "bbox": box, **common, "iscrowd": 1,
        }  # fmt: skip
    ring: list[float] = []
    points = draw.randint(10, 80)
    for k in range(points):
        reach = radius * draw.uniform(0.7, 1)
        angle = 2 * pi * k / points
        ring += [round(x + reach * cos(angle), 2), round(y + reach * sin(angle), 2)]
    xs, ys = ring[0::2], ring[1::2]
    area = abs(sum(xs[k - 1] * ys[k] - xs[k] * ys[k - 1] for k in range(points))) / 2
    box = [min(xs), min(ys), round(max(xs) - min(xs), 2), round(max(ys) - min(ys), 2)]
    return {"segmentation": [ring], "area": round(area, 4), "bbox": box, **common}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 118_000)

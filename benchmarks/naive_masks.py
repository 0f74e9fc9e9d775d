"""COCO to the two PNGs of VOC as people write it: decode each mask, paint it, save with Pillow.

python benchmarks/naive_masks.py INPUT.json OUTPUT
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask


def main(source: Path, target: Path) -> None:
    said = json.loads(source.read_text())
    objects = defaultdict(list)
    for item in said["annotations"]:
        objects[item["image_id"]].append(item)
    for folder in ("SegmentationClass", "SegmentationObject"):
        (target / folder).mkdir(parents=True)
    for image in said["images"]:
        height, width = image["height"], image["width"]
        classes = np.zeros((height, width), dtype=np.uint8)
        numbers = np.zeros((height, width), dtype=np.uint8)
        for number, item in enumerate(objects[image["id"]], 1):
            shape = item["segmentation"]
            polygons = isinstance(shape, list)
            rle = coco_mask.merge(coco_mask.frPyObjects(shape, height, width)) if polygons else None
            pixels = coco_mask.decode(rle or coco_mask.frPyObjects(shape, height, width)) > 0
            classes[pixels] = item["category_id"]
            numbers[pixels] = number
        for folder, pixels in (("SegmentationClass", classes), ("SegmentationObject", numbers)):
            name = Path(image["file_name"]).with_suffix(".png")
            picture = Image.fromarray(pixels).convert("P")
            picture.save(target / folder / name)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))

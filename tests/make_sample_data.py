"""Make sample_data/ from the outlines in sample_labels.py: the jsonl first, and from it the other formats.

Run ``python tests/make_sample_data.py`` after a change of the labels or of a format, and look at the diff.
``test_sample_data.py`` proves that the files are current, and compares the readings with expected files.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sample_labels import CATEGORIES, IMAGES

from labelkit.formats.jsonl import JsonlWriter
from labelkit.geometry import rle
from labelkit.model import (
    BoundingBox,
    Box,
    Category,
    Header,
    Image,
    ImageLabel,
    Instance,
    Layer,
    Layers,
    Mask,
    Polygons,
    Record,
    SemanticMap,
)
from labelkit.pipeline import convert
from labelkit.pixels import image_size, mask_runs, rle_mask

SAMPLE = Path(__file__).parents[1] / "sample_data"
FORMATS = ("coco", "voc", "cityscapes", "labelstudio", "cvat", "parquet")
VOID = 255


def main(root: Path) -> None:
    """Write every folder of the sample below root, anew."""
    write_jsonl(root / "jsonl")
    for name in FORMATS:
        images = "none" if name == "parquet" else "copy"  # the sample is to stay small
        convert(root / "jsonl", root / name, to=name, images=images, overwrite=True)


def write_jsonl(root: Path) -> None:
    images = SAMPLE / "jsonl" / "images"
    if root.resolve() != images.parent.resolve():
        shutil.copytree(images, root / "images")
    writer = JsonlWriter(root, Header(categories=tuple(Category(**item) for item in CATEGORIES)))
    writer.write(0, [make_record(item, images) for item in IMAGES])
    writer.finish()


def make_record(item: dict[str, Any], images: Path) -> Record:
    """The record of one photo."""
    width, height = image_size(images / item["path"])
    states = {"present": item.get("labels", []), "absent": item.get("absent", [])}
    states["uncertain"] = item.get("uncertain", [])
    record = Record(
        image=Image(path=item["path"], width=width, height=height),
        splits=(item["split"],),
        labels=tuple(
            ImageLabel(category=name, state=state) for state, names in states.items() for name in names
        ),
        objects=tuple(make_object(each) for each in item["objects"]),
    )
    maps = {"semantic": make_map(record, item)} if item["semantic"] or item.get("void_border") else {}
    return record.model_copy(update={"maps": maps})


def make_object(item: dict[str, Any]) -> Instance | BoundingBox:
    fields = {key: value for key, value in item.items() if key not in ("parts", "box")}
    box = Box(*item["box"]) if item.get("box") else None
    if not item.get("parts"):
        assert box is not None
        return BoundingBox(box=box, **fields)
    return Instance(mask=Mask.of(Polygons(item["parts"])), box=box, **fields)


def make_map(record: Record, item: dict[str, Any]) -> SemanticMap:
    """Stuff below, objects above (crowds first), what is to be ignored on top."""
    width, height = record.image.width, record.image.height
    assert width and height
    values = {category["name"]: value for value, category in enumerate(CATEGORIES, 1)}
    layers = [
        Layer(value=values[region["category"]], mask=Mask.of(Polygons(region["parts"])))
        for region in item["semantic"]
    ]
    objects = sorted(record.objects, key=lambda each: not each.crowd)
    layers += [Layer(value=values[each.category], mask=each.mask) for each in objects]
    if item.get("void"):
        layers.append(Layer(value=VOID, mask=Mask.of(Polygons(item["void"]))))
    if item.get("void_border"):
        layers += [
            Layer(value=VOID, mask=border(record, each, item["void_border"])) for each in record.objects
        ]
    used = {layer.value for layer in layers} - {VOID}
    return SemanticMap(
        source=Layers(height=height, width=width, layers=tuple(layers)),
        classes={value: name for name, value in values.items() if value in used},
        ignore=VOID,
    )


def border(record: Record, item: Instance, width: int) -> Mask:
    """A band of that width along the edge of an object, half of it inside."""
    assert record.image.height and record.image.width
    inside = rle.decode_mask(mask_runs(record, item.mask), record.image.height, record.image.width)
    near = grown(inside, width // 2 + width % 2) & grown(~inside, width // 2)
    return rle_mask(rle.encode_mask(near), *inside.shape)


def grown(mask: np.ndarray, steps: int) -> np.ndarray:
    """The mask and its neighbours, that many times."""
    for _ in range(steps):
        wide = np.pad(mask, 1)
        mask = wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    return mask


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE)

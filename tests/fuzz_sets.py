"""Small data sets of every format and kind of document, in which little is wrong: for fuzzing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cityscapes_files import make as write_polygons
from cityscapes_files import polygon
from cityscapes_files import save as save_frame
from PIL import Image
from voc_files import photo, voc_set

from labelkit.formats.cityscapes.pngs import shown_as
from labelkit.geometry import raster, rle

SIZE = WIDTH, HEIGHT = 60, 40


class Made(NamedTuple):
    """A data set: what is validated, the options for reading it, and its format where that is known."""

    source: Path
    options: dict[str, Any] = {}  # noqa: RUF012  (nobody changes it)
    format: str | None = None


# --- the sets ----------------------------------------------------------------------------------------------

_RING = [2, 3, 12, 3, 12, 13, 2, 13]
_RUNS = {"size": [HEIGHT, WIDTH], "counts": [100, *[10, 30] * 9, 10, 1930]}
_TEXT = {"size": [HEIGHT, WIDTH], "counts": rle.encode_text(np.array(_RUNS["counts"]))}


def _document(*annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    size = {"width": WIDTH, "height": HEIGHT}
    images = [{"id": 1, "file_name": "a.jpg", **size}, {"id": 2, "file_name": "b.jpg", **size}]
    categories = [{"id": 1, "name": "cat", "supercategory": "animal"}, {"id": 2, "name": "dog"}]
    return {
        "info": {"year": 2026},
        "images": images,
        "annotations": [*annotations],
        "categories": categories,
    } | more


def _annotation(key: int, image: int, category: int, **more: Any) -> dict[str, Any]:
    place = {"id": key, "image_id": image, "category_id": category}
    return {**place, "bbox": [2, 3, 10, 10], "area": 100, "iscrowd": 0, **more}


def instances() -> dict[str, Any]:
    """Polygons of one and two rings, both kinds of runs, a crowd, and a box alone."""
    return _document(
        _annotation(1, 1, 1, segmentation=[_RING]),
        _annotation(2, 1, 2, bbox=[2, 20, 10, 10], segmentation=_RUNS),
        _annotation(3, 2, 2, bbox=[2, 20, 10, 10], segmentation=_TEXT, iscrowd=1),
        _annotation(4, 2, 1, bbox=[30.5, 3, 10.25, 10], segmentation=[], area=102.5),
        _annotation(5, 2, 2, bbox=[2, 3, 30, 30], segmentation=[_RING, [n + 20 for n in _RING]], area=200),
    )


def keypoints() -> dict[str, Any]:
    """One person of three points."""
    points = {"keypoints": [3, 4, 2, 5, 6, 1, 0, 0, 0], "num_keypoints": 2}
    category = {"id": 1, "name": "person", "keypoints": ["nose", "ear", "toe"], "skeleton": [[1, 2]]}
    return _document(_annotation(1, 1, 1, segmentation=[_RING], **points), categories=[category])


def labels() -> dict[str, Any]:
    """Image labels: annotations without a place."""
    whole = [{"id": key, "image_id": key, "category_id": key} for key in (1, 2)]
    return _document(*whole)


def stuff() -> dict[str, Any]:
    """Layers of two classes that share no pixel."""
    return _document(
        _annotation(1, 1, 1, segmentation=_RUNS, bbox=[2, 20, 10, 10]),
        _annotation(2, 1, 2, segmentation=[_RING]),
    )


def panoptic() -> dict[str, Any]:
    """Two segments of an image."""
    segments = [
        {"id": 300, "category_id": 1, "area": 100, "bbox": [2, 3, 10, 10], "iscrowd": 0},
        {"id": 70000, "category_id": 2, "area": 300, "bbox": [0, 35, 60, 5], "iscrowd": 0},
    ]
    things = [
        {"id": 1, "name": "cat", "isthing": 1, "color": [1, 2, 3]},
        {"id": 2, "name": "sky", "isthing": 0},
    ]
    annotation = {"image_id": 1, "file_name": "a.png", "segments_info": segments}
    return _document(annotation, categories=things)


def results() -> list[dict[str, Any]]:
    """What a detector said: a box and runs."""
    return [
        {"image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 10], "score": 0.5},
        {"image_id": 2, "category_id": 2, "segmentation": _TEXT, "score": 0.25},
    ]


def coco_document(root: Path, name: str, said: Any) -> Path:
    """One document, and the two images that all of them speak of. Returns: its file."""
    file = root / "annotations" / f"{name}_val.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(said), "utf-8")
    (root / "val").mkdir(exist_ok=True)
    for seed, image in enumerate(("a.jpg", "b.jpg")):
        photo(root / "val" / image, seed)
    return file


def coco_set(root: Path) -> Made:
    """Four documents of one split."""
    for name, said in (("instances", instances()), ("person_keypoints", keypoints()), ("stuff", stuff())):
        coco_document(root, name, said)
    coco_document(root, "labels", labels() | {"labelkit": {"role": "labels", "split": "val"}})
    return Made(root)


def panoptic_set(root: Path) -> Made:
    """A panoptic document with its PNG."""
    coco_document(root, "panoptic", panoptic())
    ids = np.zeros((HEIGHT, WIDTH), np.int64)
    ids[3:13, 2:12], ids[35:] = 300, 70000
    colours = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)
    (root / "annotations" / "panoptic_val").mkdir()
    Image.fromarray(colours).save(root / "annotations" / "panoptic_val" / "a.png")
    return Made(root)


def results_set(root: Path) -> Made:
    """Results, beside the document that they were predicted for."""
    truth = coco_document(root, "instances", instances())
    file = root / "results.json"
    file.write_text(json.dumps(results()), "utf-8")
    return Made(file, {"gt": truth})


def voc(root: Path) -> Made:
    """VOC with lists, class lists and PNGs."""
    return Made(voc_set(root))


def cityscapes_set(root: Path) -> Made:
    """A frame with its JSON and its PNGs."""
    objects = [
        polygon("road", 0, 20, 40, 10), polygon("car", 4, 12, 10, 8), polygon("car", 10, 13, 9, 7),
        polygon("persongroup", 28, 10, 8, 9), polygon("truck", 1, 1, 3, 3, deleted=1),
    ]  # fmt: skip
    write_polygons(root, objects, 40, 30)
    painted = np.zeros((30, 40), np.int64)
    for item, value in zip(objects[:4], (7, 26000, 26001, 24), strict=True):
        painted[rle.decode_mask(raster.official_polygon(item["polygon"], 30, 40), 30, 40)] = value
    for kind in ("labelIds", "labelTrainIds", "instanceIds", "instanceTrainIds"):
        save_frame(root, kind, shown_as(kind, painted))
    picture = root / "leftImg8bit/val/testcity/testcity_000000_000019_leftImg8bit.png"
    picture.parent.mkdir(parents=True)
    photo(picture, 1, (40, 30))
    return Made(root)


def jsonl_set(root: Path) -> Made:
    """Records with polygons, runs, layers, labels and what else a record can have."""
    size = {"width": WIDTH, "height": HEIGHT}
    head = {"labelkit": 1, "header": {"categories": [{"name": "cat", "colour": [1, 2, 3]}, {"name": "dog"}]}}
    ring = json.dumps([_RING])
    layers = {"kind": "layers", **size, "layers": [{"value": 1, "mask": ring}]}
    objects = [
        {
            "kind": "instance",
            "category": "cat",
            "box": [2, 3, 10, 10],
            "mask": ring,
            "uid": "1",
            "score": 0.5,
        },
        {"kind": "box", "category": "dog", "box": [2, 20, 10, 10], "crowd": False, "attributes": {"age": 3}},
        {"kind": "instance", "category": "dog", "mask": '{"map": "objects", "value": 2}'},
    ]
    layer = {"value": 2, "mask": "[[30,20,40,20,40,25,30,25]]"}
    owned = {"kind": "layers", **size, "layers": [layer]}
    first = {
        "image": {"path": "a.jpg", **size},
        "splits": ["val"],
        "labels": [{"category": "cat"}, {"category": "dog", "state": "absent"}],
        "objects": objects,
        "maps": {
            "semantic": {"kind": "semantic", "source": layers, "classes": {"1": "cat"}},
            "objects": {"kind": "instances", "source": owned},
        },
    }
    masked = {"kind": "instance", "category": "cat", "mask": json.dumps(_RUNS)}
    second = {"image": {"path": "b.jpg", **size}, "objects": [masked]}
    (root / "images").mkdir(parents=True)
    lines = "".join(json.dumps(each) + "\n" for each in (head, first, second))
    (root / "records.jsonl").write_text(lines, "utf-8")
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        photo(root / "images" / name, seed)
    return Made(root)


def cvat_set(root: Path) -> Made:
    """Boxes, a turned one, polygons, masks, a map, tags, attributes, and shapes of other kinds."""
    ring = ";".join(f"{x},{y}" for x, y in zip(_RING[::2], _RING[1::2], strict=True))
    said = "".join(
        f'<attribute name="{name}">{text}</attribute>'
        for name, text in (("uid", "1"), ("run", "r"), ("model", "m"), ("score", "0.5"), ("age", "json:3"))
    )
    box = 'occluded="0" xtl="2.00" ytl="20.00" xbr="12.00" ybr="30.00" z_order="0"'
    mask = 'occluded="0" rle="0, 50" left="20" top="20" width="10" height="5" z_order="-1"'
    labels = "".join(
        f"<label><name>{name}</name><color>#010203</color><attributes></attributes></label>\n"
        for name in ("cat", "dog")
    )
    text = f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><project><labels>{labels}</labels></project></meta>
  <image id="0" name="a.jpg" subset="val" width="{WIDTH}" height="{HEIGHT}">
    <polygon label="cat" source="auto" occluded="1" points="{ring}" z_order="0">{said}</polygon>
    <box label="dog" {box} rotation="30.00"></box>
    <box label="dog" {box.replace("2.00", "32.00", 1).replace("12.00", "42.00")}/>
    <mask label="cat" {mask}><attribute name="map">semantic</attribute></mask>
    <points label="dog" points="1,2"></points>
  </image>
  <image id="1" name="b.jpg" width="{WIDTH}" height="{HEIGHT}">
    <mask label="dog" {mask}></mask>
    <tag label="cat" source="manual"></tag>
  </image>
</annotations>
"""
    for seed, name in enumerate(("images/val/a.jpg", "images/b.jpg")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        photo(root / name, seed)
    (root / "annotations.xml").write_text(text)
    return Made(root)


SETS: dict[str, Callable[[Path], Made]] = {
    "coco": coco_set,
    "panoptic": panoptic_set,
    "results": results_set,
    "voc": voc,
    "cityscapes": cityscapes_set,
    "jsonl": jsonl_set,
    "cvat": cvat_set,
}

"""Defects of the other documents of COCO: keypoints, results, captions, image labels and stuff."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import test_rules_coco as coco
import test_rules_panoptic as panoptic
from seeds import NO_IMAGES, OF_FEW, Make, Seed

Said = Any  # a document, or a list of results
Change = Callable[[Said], object]
TRUTH = Path("truth/instances_val.json")  # beside the results


def keypoints() -> Said:
    """The clean instances, the persons of which have two points."""
    said = coco.clean()
    said["categories"] = [
        {"id": key, "name": name, "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
        for key, name in ((1, "cat"), (2, "dog"))
    ]
    for each in said["annotations"]:
        x, y, *_ = each["bbox"]
        each.update(keypoints=[x + 1, y + 1, 2, 0, 0, 0], num_keypoints=1)
    return said


def captions() -> Said:
    texts = [{"id": key, "image_id": key, "caption": text} for key, text in ((1, "a cat"), (2, "a dog"))]
    return {"images": coco.clean()["images"], "annotations": texts}


def labels() -> Said:
    """A class for each image, as image classification has it."""
    pairs = [{"id": key, "image_id": key, "category_id": key} for key in (1, 2)]
    return {**coco.clean(), "annotations": pairs}


def results() -> Said:
    """Predictions of the clean instances."""
    keys = ("image_id", "category_id", "bbox")
    return [{**{key: each[key] for key in keys}, "score": 0.5} for each in coco.clean()["annotations"]]


KINDS: dict[str, tuple[Callable[[], Said], str]] = {
    "keypoints": (keypoints, "person_keypoints_val.json"),
    "captions": (captions, "captions_val.json"),
    "labels": (labels, "labels_val.json"),
    "results": (results, "results.json"),
    "stuff": (panoptic.stuff, "stuff_val.json"),
}


def document(kind: str, change: Change = lambda said: None) -> Make:
    """A document of a kind, changed, and what its results are of."""

    def make(tmp: Path) -> Path:
        if kind == "results":
            (tmp / "truth").mkdir()
            coco.written(tmp / "truth", coco.clean())
        start, name = KINDS[kind]
        said = copy.deepcopy(start())
        change(said)
        (tmp / name).write_text(json.dumps(said), "utf-8")
        return tmp / name

    return make


def first(**values: object) -> Change:
    """Other values of the first annotation."""
    return lambda said: (said if isinstance(said, list) else said["annotations"])[0].update(values)


def without(key: str) -> Change:
    return lambda said: (said if isinstance(said, list) else said["annotations"])[0].pop(key)


def _twice(said: Said) -> None:
    entries = said if isinstance(said, list) else said["annotations"]
    entries.append({**entries[0], "id": 9})


# What is done, the code, and the element of the one finding.
DEFECTS: dict[str, dict[str, tuple[Change, str, str]]] = {
    "keypoints": {
        "no keypoints": (without("keypoints"), "STR104", "annotations[0].keypoints"),
        "keypoints of text": (first(keypoints="x"), "STR105", "annotations[0].keypoints"),
        "a point of two": (first(keypoints=[3, 4, 2, 0, 0]), "STR105", "annotations[0].keypoints"),
        "no count": (without("num_keypoints"), "STR112", "annotations[0].num_keypoints"),
        "count of text": (first(num_keypoints="1"), "STR105", "annotations[0].num_keypoints"),
        "no area": (without("area"), "STR112", "annotations[0].area"),
        "unknown image": (first(image_id=9), "REF104", "annotations[0].image_id"),
        "unknown class": (first(category_id=9), "REF105", "annotations[0].category_id"),
        "id zero": (first(id=0), "REF111", "annotations[0].id"),
        "id twice": (first(id=2), "REF102", "annotations[1].id"),
        "empty box": (first(bbox=[2, 3, 0, 10]), "GEO102", "annotations[0]"),
        "area of another": (first(area=300), "GEO112", "annotations[0]"),
        "pasted twice": (_twice, "GEO115", "annotations[3]"),
    },
    "captions": {
        "no caption": (without("caption"), "STR104", "annotations[0].caption"),
        "caption of a number": (first(caption=7), "STR105", "annotations[0].caption"),
        "no image": (without("image_id"), "STR104", "annotations[0].image_id"),
        "unknown image": (first(image_id=9), "REF104", "annotations[0].image_id"),
        "id twice": (first(id=2), "REF102", "annotations[1].id"),
    },
    "labels": {
        "no class": (without("category_id"), "STR104", "annotations[0].category_id"),
        "unknown class": (first(category_id=9), "REF105", "annotations[0].category_id"),
        "unknown image": (first(image_id=9), "REF104", "annotations[0].image_id"),
        "image as text": (first(image_id="1"), "STR105", "annotations[0].image_id"),
        "id twice": (first(id=2), "REF102", "annotations[1].id"),
    },
    "results": {
        "no score": (without("score"), "STR104", "annotations[0].score"),
        "score of text": (first(score="0.5"), "STR105", "annotations[0].score"),
        "unknown image": (first(image_id=9), "REF104", "annotations[0].image_id"),
        "unknown class": (first(category_id=9), "REF105", "annotations[0].category_id"),
        "no shape": (without("bbox"), "STR104", "annotations[0]"),
        "empty box": (first(bbox=[2, 3, 0, 10]), "GEO102", "annotations[0]"),
        "box outside": (first(bbox=[70, 3, 10, 10]), "GEO103", "annotations[0]"),
        "pasted twice": (lambda s: s.append(dict(s[0])), "GEO115", "annotations[3]"),
    },
    "stuff": {
        "no mask": (without("segmentation"), "STR104", "annotations[0].segmentation"),
        "unknown image": (first(image_id=9), "REF104", "annotations[0].image_id"),
        "unknown class": (first(category_id=9), "REF105", "annotations[0].category_id"),
        "RLE of another size": (
            first(segmentation={"size": [20, 12], "counts": [0, 60, 180]}), "MSK101", "annotations[0]",
        ),
        "RLE too short": (
            first(segmentation={"size": [12, 20], "counts": [0, 60]}), "MSK102", "annotations[0]",
        ),
        "mask of text": (first(segmentation="x"), "MSK104", "annotations[0]"),
        "mask of nothing": (
            first(segmentation={"size": [12, 20], "counts": [240]}), "MSK105", "annotations[0]",
        ),
        "layers that overlap": (
            first(segmentation={"size": [12, 20], "counts": [0, 70, 170]}), "MSK123", "annotations[1]",
        ),
    },
}  # fmt: skip


def seeds() -> Iterator[Seed]:
    """All of them."""
    for kind, defects in DEFECTS.items():
        clean, file = document(kind), KINDS[kind][1]
        options = (("options", {"gt": TRUTH}),) if kind == "results" else ()
        for name, (change, code, element) in defects.items():
            broken, place = document(kind, change), f"{file}:{element}"
            aside = (NO_IMAGES, *OF_FEW)
            yield Seed(code, "coco", f"{kind}, {name}", clean, broken, place, options=options, aside=aside)

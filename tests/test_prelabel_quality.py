"""Trained models through ``labelkit prelabel``, their labels measured against the truth by official tools.

A wrong order of classes, another convention of boxes, channels the other way round, another scale or other
transforms than in training: each of these fails here.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from shapes import CLASSES, RECIPES, Drawn, class_map, draw, extent, trained

from labelkit import open_dataset
from labelkit.cli import cli
from labelkit.pixels import map_pixels

pytestmark = pytest.mark.slow  # the models are trained once, for a minute or two each
COUNT = 40
Prelabel = Callable[..., Path]


@pytest.fixture(scope="session")
def cache(pytestconfig: pytest.Config) -> Path:
    """Where trained models are kept from run to run."""
    return Path(pytestconfig.rootpath) / ".pytest_cache" / "labelkit-models"


def truth(task: str) -> list[Drawn]:
    """Images that nothing was trained on."""
    return [draw(seed, most=1 if task == "classification" else 3) for seed in range(COUNT)]


@pytest.fixture
def prelabelled(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Prelabel:
    """Runs the command on the images of a task with its trained model.

    It runs in this process, for the small Mask R-CNN is in no registry but that of this process.
    """
    monkeypatch.chdir(tmp_path)

    def run(task: str, *words: str) -> Path:
        checkpoint = trained(RECIPES_OF[task], cache)
        for number, drawn in enumerate(truth(task)):
            (tmp_path / "photos").mkdir(exist_ok=True)
            Pictures.fromarray(drawn.pixels).save(tmp_path / "photos" / f"{number:03}.png")
        (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
        said = ["prelabel", "photos", "out", *RECIPES[RECIPES_OF[task]].arguments]
        said[said.index("--task") + 1] = task
        said += ["--weights", str(checkpoint), "--classes", "classes.txt", "--device", "cpu", *words]
        assert cli.main(said, "labelkit", standalone_mode=False) == 0
        return tmp_path / "out"

    return run


RECIPES_OF = {task: task for task in RECIPES} | {"localization": "detection"}


def ground_truth(folder: Path, out: Path) -> COCO:
    """The truth as COCO says it, under the ids that the labels have."""
    said = json.loads((out / "annotations" / "instances.json").read_text())
    images = {item["file_name"]: item["id"] for item in said["images"]}
    categories = {item["name"]: item["id"] for item in said["categories"]}
    annotations = []
    for number, drawn in enumerate(truth("detection")):
        for label, mask in zip(drawn.labels, drawn.masks, strict=True):
            runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            annotations.append({
                "id": len(annotations) + 1, "image_id": images[f"{number:03}.png"],
                "category_id": categories[CLASSES[label]], "bbox": list(extent(mask)),
                "area": float(mask.sum()),
                "iscrowd": 0, "segmentation": {"size": list(mask.shape), "counts": runs["counts"].decode()},
            })  # fmt: skip
    file = folder / "truth.json"
    file.write_text(json.dumps({**said, "annotations": annotations}))
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(file)


def ap50(truth: COCO, out: Path, kind: str) -> float:
    """AP at an IoU of 0.5, by COCO's own evaluation."""
    said = json.loads((out / "annotations" / "instances.json").read_text())["annotations"]
    with contextlib.redirect_stdout(io.StringIO()):
        found = COCOeval(truth, truth.loadRes(said), kind)
        found.evaluate()
        found.accumulate()
        found.summarize()
    return float(found.stats[1])


def test_boxes_of_a_trained_detector_are_where_the_shapes_are(prelabelled: Prelabel, tmp_path: Path) -> None:
    out = prelabelled("detection", "--threshold", "0.05")
    assert ap50(ground_truth(tmp_path, out), out, "bbox") >= 0.8


def test_masks_of_a_trained_model_are_where_the_shapes_are(prelabelled: Prelabel, tmp_path: Path) -> None:
    out = prelabelled("instance", "--threshold", "0.05")
    truth = ground_truth(tmp_path, out)
    assert ap50(truth, out, "segm") >= 0.8
    assert ap50(truth, out, "bbox") >= 0.8


def test_the_best_box_of_an_image_is_on_a_shape_of_its_class(prelabelled: Prelabel) -> None:
    out = prelabelled("localization")
    hits = 0
    for record, drawn in zip(open_dataset(out), truth("localization"), strict=True):
        assert len(record.objects) <= 1
        for item in record.objects:
            assert item.box is not None
            boxes = [
                extent(m)
                for label, m in zip(drawn.labels, drawn.masks, strict=True)
                if CLASSES[label] == item.category
            ]
            hits += (
                bool(boxes)
                and coco_mask.iou([list(item.box)], [list(b) for b in boxes], [0] * len(boxes)).max() >= 0.5
            )
    assert hits / COUNT >= 0.9


def test_pixels_of_a_trained_segmenter_have_the_classes_of_the_shapes(prelabelled: Prelabel) -> None:
    out = prelabelled("semantic", "--threshold", "0", "--to", "jsonl")
    values: Any = np.zeros((len(CLASSES) + 1, len(CLASSES) + 1), int)
    for record, drawn in zip(open_dataset(out), truth("semantic"), strict=True):
        item = record.maps["semantic"]
        said = map_pixels(item)
        assert said.shape == drawn.pixels.shape[:2] and item.classes == dict(enumerate(CLASSES, 1))  # type: ignore[union-attr]
        np.add.at(values, (class_map(drawn), said), 1)
    hits = values.diagonal()
    iou = hits / (values.sum(0) + values.sum(1) - hits)
    assert iou.mean() >= 0.8, iou


def test_labels_of_a_trained_classifier_are_those_of_the_shapes(prelabelled: Prelabel) -> None:
    out = prelabelled("classification")
    said = [[label.category for label in record.labels] for record in open_dataset(out)]
    expected = [[CLASSES[drawn.labels[0]]] for drawn in truth("classification")]
    assert np.mean([a == b for a, b in zip(said, expected, strict=True)]) >= 0.9

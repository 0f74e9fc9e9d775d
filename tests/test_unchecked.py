"""What was not asked for is not decoded, and that it was not checked is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelkit.errors import BadRecordsError
from labelkit.pipeline import convert

RINGS = [[1, 1, 5, 1, 5, 5]]
BROKEN = {"size": [9, 9], "counts": [3, -1]}


def coco(path: Path) -> Path:
    shapes = [RINGS, BROKEN, []]
    said = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}
    annotations = [{"id": k, **said, "segmentation": shape} for k, shape in enumerate(shapes, 1)]
    images = [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}]
    text = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "car"}]}
    path.write_text(json.dumps(text), "utf-8")
    return path


def test_masks_that_nobody_asked_for_are_counted(tmp_path: Path) -> None:
    report = convert(coco(tmp_path / "a.json"), tmp_path / "b", to="voc", only="boxes")
    assert report.objects == 3
    assert report.ledger.counts["NOTE02"] == 2
    assert "neither decoded nor checked" in report.ledger.examples["NOTE02"][0].message


def test_masks_that_were_asked_for_are_checked(tmp_path: Path) -> None:
    with pytest.raises(BadRecordsError) as caught:
        convert(coco(tmp_path / "a.json"), tmp_path / "b", to="voc")
    assert "mask" in str(caught.value.errors[0])


def test_where_everything_is_looked_at_nothing_is_unchecked(tmp_path: Path) -> None:
    file = coco(tmp_path / "a.json")
    file.write_text(file.read_text("utf-8").replace("-1", "78"), "utf-8")
    assert "NOTE02" not in convert(file, tmp_path / "b", to="jsonl").ledger.counts

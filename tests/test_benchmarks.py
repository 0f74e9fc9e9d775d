"""The data and the table of the benchmarks. Nothing is timed here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import make_coco  # noqa: E402
import table  # noqa: E402


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "coco.json"
    make_coco.main(path, 1000)
    return path


def test_the_data_are_the_same_each_time(file: Path, tmp_path: Path) -> None:
    make_coco.main(tmp_path / "again.json", 1000)
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()


def test_the_data_have_the_statistics_that_they_are_said_to_have(file: Path) -> None:
    said = json.loads(file.read_text())
    items = said["annotations"]
    per_image = [sum(item["image_id"] == image["id"] for item in items) for image in said["images"]]
    assert 6.5 < len(items) / len(said["images"]) < 8
    assert max(per_image) > 25 and min(per_image) == 0
    assert 0.008 < sum(item["iscrowd"] for item in items) / len(items) < 0.016
    assert all(isinstance(item["segmentation"], dict) == bool(item["iscrowd"]) for item in items)
    vertices = sorted(len(item["segmentation"][0]) // 2 for item in items if not item["iscrowd"])
    assert vertices[-1] > 5 * vertices[len(vertices) // 2]
    owners = [item["image_id"] for item in items]
    assert owners != sorted(owners) and len({item["id"] for item in items}) == len(items)


def test_masks_of_the_data_lie_in_their_images(file: Path) -> None:
    for item in json.loads(file.read_text())["annotations"]:
        x, y, w, h = item["bbox"]
        assert x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= 640.01 and y + h <= 480.01
        if item["iscrowd"]:
            assert sum(item["segmentation"]["counts"]) == 640 * 480
            assert min(item["segmentation"]["counts"][1:]) > 0


def _results(**failed: Any) -> dict[str, Any]:
    programs = [
        {"program": "labelkit, 1 job", "seconds": [3.0, 1.0, 2.0], "megabytes": 1234, "failed": []},
        {"program": "peer", "seconds": [4.0, 4.0, 5.0], "megabytes": 10, "failed": failed.get("peer", [])},
    ]
    job = {"name": "a", "title": "A → B", "images": 5000, "programs": programs}
    return {"machine": "two cores", "images": 5000, "runs": 3, "jobs": [job]}


def test_the_table_has_medians_and_ratios() -> None:
    assert table.markdown(_results()).splitlines()[-2:] == [
        "| A → B | 5,000 | labelkit, 1 job | 2.00 | 1.00 | 1,234 |",
        "| A → B | 5,000 | peer | 4.00 | 2.00 | 10 |",
    ]


def test_a_program_that_failed_has_no_time() -> None:
    assert table.markdown(_results(peer=[3])).endswith("| peer | failed (3) | | 10 |")


def test_the_table_is_put_between_its_markers(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text((BENCHMARKS / "README.md").read_text())
    table.put_into(readme, _results())
    table.put_into(readme, _results())
    assert readme.read_text().count("| peer | 4.00 |") == 1

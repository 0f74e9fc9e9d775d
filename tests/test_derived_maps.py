"""A semantic map that was asked for is written, also where the objects imply it."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelkit.pipeline import convert, open_dataset
from labelkit.visible import map_digest

SAMPLE = Path(__file__).parents[1] / "sample_data"


def maps(root: Path) -> dict[str, str]:
    return {
        record.image.path: map_digest(record.maps["semantic"])
        for record in open_dataset(root, carrier=False)
        if "semantic" in record.maps
    }


@pytest.mark.parametrize("target", ["coco", "jsonl"])
def test_a_map_that_was_asked_for_is_there(tmp_path: Path, target: str) -> None:
    source = SAMPLE / "coco"
    asked = {"derived": "semantic", "only": "instances"}
    report = convert(source, tmp_path / "a", to=target, **asked)
    assert report.ledger.counts["LOS307"] > 0
    assert "LOS114" not in report.ledger.counts
    found = maps(tmp_path / "a")
    assert len(found) == report.ledger.counts["LOS307"]
    convert(source, tmp_path / "b", to="jsonl", **asked)
    assert found == maps(tmp_path / "b")


def test_a_map_that_nobody_asked_for_is_implied(tmp_path: Path) -> None:
    convert(SAMPLE / "coco", tmp_path / "a", to="jsonl", derived="semantic", only="instances", carrier=False)
    report = convert(tmp_path / "a", tmp_path / "b", to="coco", carrier=False)
    assert report.ledger.counts["LOS114"] > 0
    assert maps(tmp_path / "b") == {}

"""What a conversion does not do: counts that no machine changes, where a clock would.

A mask that nobody asked for is not decoded, and pixels are not painted for every one who looks at them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from labelkit.geometry import rle
from labelkit.model import Mask
from labelkit.pipeline import convert

SAMPLE = Path(__file__).parents[1] / "sample_data"
CARRIER = "labelkit.jsonl"  # which compares masks with what it showed
PAINTED = 3  # maps, of the two that VOC has


@pytest.mark.parametrize("target", ["coco", "voc", "jsonl"])
def test_boxes_of_coco_are_converted_without_decoding_a_mask(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []
    before = Mask._decoded

    def noting(mask: Mask) -> Any:
        decoded.append(mask.text)
        return before(mask)

    monkeypatch.setattr(Mask, "_decoded", noting)
    source = shutil.copytree(SAMPLE / "coco", tmp_path / "coco", ignore=shutil.ignore_patterns(CARRIER))
    convert(source, tmp_path / "all", to="voc")
    assert decoded  # so that the last line can fail
    decoded.clear()
    convert(source, tmp_path / "boxes", to=target, only="boxes", carrier=False)
    assert decoded == []


def test_a_map_is_painted_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[int] = []
    before = rle.paint

    def noting(*arguments: Any, **options: Any) -> Any:
        painted.append(1)
        return before(*arguments, **options)

    monkeypatch.setattr(rle, "paint", noting)
    report = convert(SAMPLE / "coco", tmp_path / "voc", to="voc")
    assert 2 <= len(painted) <= PAINTED * report.records

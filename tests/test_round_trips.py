"""Real data there and back, through every other format: every file to the last digit and pixel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelkit.carrier import carrier_path
from labelkit.formats import formats
from labelkit.pipeline import convert

SAMPLE = Path(__file__).parents[1] / "sample_data"
SOURCES = {
    "sample coco": ("coco", "coco"),
    "sample voc": ("voc", "voc"),
    "sample cityscapes": ("cityscapes", "cityscapes"),
    "val2014": ("coco", "coco-val2014-100/instances_val2014_100.json"),
    "panoptic": ("coco", "coco-panoptic/sample_data/panoptic_examples.json"),
    "detection": ("coco", "coco-panoptic/sample_data/panoptic_coco_detection_format.json"),
    "fridge": ("voc", "voc-fridge/samples/fridge/odFridgeObjects"),
    "golden": ("cityscapes", "cityscapes-golden"),
}
WAYS = [(name, via) for name, (home, _) in SOURCES.items() for via in formats() if via != home]


def exact(path: Path) -> Any:
    """A file as what counts in it: order of keys and text of numbers, mode and pixels, or bytes."""
    if path.suffix == ".json":
        return json.loads(
            path.read_bytes(), parse_float=lambda t: f"float {t}", parse_int=lambda t: f"int {t}",
            object_pairs_hook=list,
        )  # fmt: skip
    if path.suffix == ".png":
        image = Image.open(path)
        return image.mode, np.asarray(image).tolist()
    return path.read_bytes()


def annotations(root: Path) -> dict[str, Path]:
    """Every file of a data set that is no image and no carrier, by name."""
    if root.is_file():
        return {root.name: root}
    skip = carrier_path(root)
    kinds = ("annotations", "Annotations", "ImageSets", "SegmentationClass", "SegmentationObject", "gtFine")
    return {
        str(path.relative_to(root)): path
        for path in sorted(root.rglob("*"))
        if path.is_file() and path != skip and set(path.relative_to(root).parts) & set(kinds)
    }


@pytest.mark.parametrize(("name", "via"), WAYS)
def test_every_file_comes_back(name: str, via: str, corpus: Path, tmp_path: Path) -> None:
    home, place = SOURCES[name]
    source = SAMPLE / place if name.startswith("sample") else corpus / place
    convert(source, tmp_path / "there", to=via)
    convert(tmp_path / "there", tmp_path / "back", to=home)
    before, after = annotations(source), annotations(tmp_path / "back")
    assert before
    for relative, path in before.items():
        matches = [other for key, other in after.items() if Path(key).name == Path(relative).name]
        wanted = after.get(relative) or (matches[0] if len(matches) == 1 else None)
        assert wanted is not None, f"{relative} is missing"
        assert exact(wanted) == exact(path), relative
    images = {path.name for path in source.rglob("*.jpg")} if source.is_dir() else set()
    assert images <= {path.name for path in (tmp_path / "back").rglob("*.jpg")}


@pytest.mark.parametrize(("name", "via"), WAYS)
def test_a_second_way_changes_nothing_any_more(name: str, via: str, corpus: Path, tmp_path: Path) -> None:
    home, place = SOURCES[name]
    source = SAMPLE / place if name.startswith("sample") else corpus / place
    convert(source, tmp_path / "there", to=via)
    convert(tmp_path / "there", tmp_path / "back", to=home)
    convert(tmp_path / "back", tmp_path / "again", to=via)
    before, after = annotations(tmp_path / "there"), annotations(tmp_path / "again")
    assert list(before) == list(after)
    for relative in before:
        assert exact(after[relative]) == exact(before[relative]), relative

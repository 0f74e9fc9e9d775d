"""Real data gives no error and no warning but those that are true, each shown to be so by other means."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shapely import Polygon

from labelkit.findings import Finding
from labelkit.validation import Validation, validate

SAMPLE = Path(__file__).parents[1] / "sample_data"
VAL = "coco-val2014-100/instances_val2014"
PANOPTIC = "coco-panoptic/sample_data"

# Every data set of the corpus that labelkit can open, with the annotations that results are of. The PNGs of
# two channels in coco-panoptic are in no format that it reads.
SETS: dict[str, str | None] = {
    f"{VAL}_100.json": None,
    f"{VAL}_fakebbox100_results.json": f"{VAL}_100.json",
    f"{VAL}_fakesegm100_results.json": f"{VAL}_100.json",
    PANOPTIC: None,
    f"{PANOPTIC}/panoptic_examples.json": None,
    f"{PANOPTIC}/panoptic_coco_detection_format.json": None,
    f"{PANOPTIC}/images_info_examples.json": None,
    "voc-fridge/samples/fridge/odFridgeObjects": None,
    "cityscapes-golden": None,
}
# What is found in them and true: how often, and why.
TRUE: dict[str, dict[str, tuple[int, str]]] = {
    PANOPTIC: {"REF111": (1, "panopticapi's panoptic2detection numbers from 0")},
    f"{PANOPTIC}/panoptic_coco_detection_format.json": {"REF111": (1, "the same document")},
    "cityscapes-golden": {
        "GEO107": (55, "its polygons were drawn at random to test rasterisers: they cross themselves"),
        "GEO108": (26, "of the same, those whose points are on a line"),
        "GEO119": (79, "of the same, those that leave the image"),
    },
}


def checked(corpus: Path, place: str) -> Validation:
    truth = SETS[place]
    return validate(corpus / place, options={"gt": corpus / truth} if truth else None)


def serious(done: Validation) -> list[Finding]:
    return [each for each in done.findings if done.severity(each) != "info"]


@pytest.mark.parametrize("place", SETS)
def test_real_data_gives_true_findings_only(place: str, corpus: Path) -> None:
    done = checked(corpus, place)
    assert done.images
    expected = {code: times for code, (times, _) in TRUE.get(place, {}).items()}
    assert Counter(each.code for each in serious(done)) == expected


@pytest.mark.parametrize("name", ["coco", "voc", "cityscapes", "jsonl"])
def test_the_sample_gives_none(name: str) -> None:
    assert serious(validate(SAMPLE / name)) == []


def leaves(ring: Polygon, width: int, height: int) -> bool:
    left, top, right, bottom = ring.bounds
    return bool(min(left, top, width - right, height - bottom) < -1)


# What shapely, which shares no code with the rules, says of a polygon for which each rule was found.
SHOWN: dict[str, Callable[[Polygon, int, int], bool]] = {
    "GEO107": lambda ring, width, height: not ring.is_valid,
    "GEO108": lambda ring, width, height: ring.area == 0,
    "GEO119": leaves,
}


def test_shapely_agrees_with_what_is_found_in_the_golden_polygons(corpus: Path) -> None:
    for finding in serious(checked(corpus, "cityscapes-golden")):
        assert finding.at is not None
        said: Any = json.loads((corpus / "cityscapes-golden" / finding.at.file).read_text("utf-8"))
        number = re.fullmatch(r"objects\[(\d+)\]\.polygon", finding.at.element or "")
        assert number is not None
        ring = Polygon(said["objects"][int(number[1])]["polygon"])
        assert SHOWN[finding.code](ring, said["imgWidth"], said["imgHeight"]), finding


@pytest.mark.parametrize("place", [place for place, found in TRUE.items() if "REF111" in found])
def test_the_annotation_of_id_zero_has_that_id(place: str, corpus: Path) -> None:
    (finding,) = serious(checked(corpus, place))
    file = corpus / PANOPTIC / "panoptic_coco_detection_format.json"
    assert finding.at is not None
    assert json.JSONDecoder().raw_decode(file.read_text("utf-8")[finding.at.offset :])[0]["id"] == 0

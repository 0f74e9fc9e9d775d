"""A finding about two objects says where the second is: in words, in JSON, in SARIF and in the picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_outputs import written_as
from test_rules_coco import clean, written

from labelkit.baseline import Baseline
from labelkit.findings import Location
from labelkit.outputs import html, sarif
from labelkit.outputs import json as as_json
from labelkit.validation import Validation, validate


@pytest.fixture
def pasted(tmp_path: Path) -> Validation:
    """The first object once more, two pixels to the right."""
    said = clean()
    moved = {"bbox": [2.2, 3, 10, 10], "segmentation": [[2.2, 3, 12.2, 3, 12.2, 13, 2.2, 13]]}
    said["annotations"].append({**said["annotations"][0], **moved, "id": 4})
    return validate(written(tmp_path, said), select=["GEO116"], outlines=1)


def test_both_places_are_in_the_finding(pasted: Validation) -> None:
    (finding,) = pasted.findings
    assert finding.at is not None
    assert finding.at.other is not None
    assert (finding.at.id, finding.at.other.id) == (4, 1)
    assert finding.message.endswith(f" {finding.at.other}")
    (said,) = json.loads(written_as(as_json, pasted))["findings"]
    assert (said["at"]["id"], said["other"]["id"], said["other"]["box"]) == (4, 1, [2, 3, 10, 10])
    assert "outline" not in said["other"]
    (result,) = json.loads(written_as(sarif, pasted))["runs"][0]["results"]
    (related,) = result["relatedLocations"]
    assert related["logicalLocations"][0]["fullyQualifiedName"] == "annotations[0]"


def test_both_objects_are_in_the_picture(pasted: Validation) -> None:
    document = written_as(html, pasted)
    assert '<path class="shape" d="M2.2 3 12.2 3 12.2 13 2.2 13z"/>' in document
    assert '<path class="shape other" d="M2 3 12 3 12 13 2 13z"/>' in document
    assert '<path class="mark other" d="M2 3h10v10h-10z"/>' in document
    assert "dashed: the other object" in document


def test_a_place_without_an_element_names_the_object() -> None:
    assert str(Location("a.jpg", image="a.jpg", object=2)) == "a.jpg:object 2"
    assert str(Location("a.xml", element="object[2]/bndbox", object=2)) == "a.xml:object[2]/bndbox"
    assert str(Location("a.json", id=7, object=2, offset=9)) == "a.json:id 7, byte 9"


def test_a_page_says_how_many_findings_it_does_not_show(pasted: Validation, tmp_path: Path) -> None:
    assert "Hidden:" not in written_as(html, pasted)
    known = Baseline().renewed(pasted.findings, {"GEO116"})
    hidden = validate(pasted.source, select=["GEO116"], baseline=known)
    assert '<p class="lead">Hidden: 1 by baseline.</p>' in written_as(html, hidden)
    gone = validate(written(tmp_path, clean()), select=["GEO116"], baseline=known)
    said = "1 finding of the baseline is gone; --write-baseline forgets them."
    assert f'<p class="lead">{said}</p>' in written_as(html, gone)

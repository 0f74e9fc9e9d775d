"""What people and other programs see of findings: places, SARIF, pages, files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labelkit.findings import Finding, Location, fingerprint


def finding(**place: Any) -> Finding:
    at = Location("instances.json", **place)
    return Finding("GEO102", str(at), "box [1, 2, 0, 4] has no area", at=at)


# --- fingerprints ------------------------------------------------------------------------------------------


def test_a_fingerprint_survives_what_changes_elsewhere() -> None:
    before = finding(line=3, offset=99, element="annotations[7].bbox", id=12, object=2, box=(1, 2, 0, 4))
    after = finding(line=8, offset=44, element="annotations[3].bbox", id=12, object=1, box=(1, 2, 0, 5))
    assert fingerprint(before) == fingerprint(replace(after, message="box [1, 2, 0, 5] has no area"))
    assert len(fingerprint(before)) == 32


@pytest.mark.parametrize(
    "other",
    [
        replace(finding(element="annotations[7].bbox", id=12), code="GEO103"),
        finding(element="annotations[7].area", id=12),
        finding(element="annotations[7].bbox", id="12"),
        finding(element="annotations[7].bbox", id=13),
        finding(element="annotations[7].bbox", id=12, image="a.jpg"),
        finding(element="annotations[7].bbox"),
        finding(),
    ],
)
def test_fingerprints_of_other_places_are_others(other: Finding) -> None:
    assert fingerprint(other) != fingerprint(finding(element="annotations[7].bbox", id=12))


def test_a_place_without_an_id_is_named_by_its_element_then_by_its_position() -> None:
    one, two = finding(element="object[1]", image="a"), finding(element="object[2]", image="a")
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(finding(image="a", object=1)) != fingerprint(finding(image="a", object=2))
    assert fingerprint(finding(image="a")) == fingerprint(replace(finding(image="a"), message="other"))
    assert fingerprint(finding()) != fingerprint(replace(finding(), message="other"))

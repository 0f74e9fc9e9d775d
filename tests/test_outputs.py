"""What people and other programs see of findings: places, SARIF, pages, files."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from labelkit.findings import Finding, Location, fingerprint
from labelkit.outputs import page, plots


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


# --- pages and plots ---------------------------------------------------------------------------------------

HOSTILE = "</title><script>alert(1)</script>\"'&\n\u202egnp.exe\ud800"
VOID = {"meta", "link", "input", "br", "img"}


class Opened(HTMLParser):
    """The elements of a page with their attributes, and its text; fails where a tag does not close."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said = ""
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.said += data

    def count(self, tag: str, **attributes: str) -> int:
        return sum(
            tag == each and attributes.items() <= given.items()  # type: ignore[operator]
            for each, given in self.elements
        )


def reaches_out(page: Opened) -> list[str]:
    """What a page would fetch from elsewhere."""
    given = [
        value or "" for _, each in page.elements for key, value in each.items() if key in ("src", "href")
    ]
    return [value for value in given if not value.startswith(("#", "data:"))]


def test_a_page_needs_nothing_else_and_escapes_what_it_is_given() -> None:
    plot = plots.bars([(HOSTILE, 3), ("b", 0)], title=HOSTILE, unit=HOSTILE)
    document = page.page(HOSTILE, [page.Section(HOSTILE, plot + page.table([HOSTILE], [[HOSTILE]]))])
    opened = Opened(document)
    assert opened.count("script") == 1
    assert reaches_out(opened) == []
    assert "url(" not in document and "@import" not in document
    assert "</title><script>alert(1)</script>\"'&␊�gnp.exe�" in opened.said
    document.encode("utf-8")


def test_a_page_allows_itself_its_own_script_and_nothing_else() -> None:
    document = page.page("a", [])
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', document)
    (script,) = re.findall(r"<script>(.*?)</script>", document, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")


@pytest.mark.parametrize(
    ("plot", "shapes"),
    [
        (plots.bars([("a", 4), ("b", 1), ("c", 0), ("d", math.nan)], title="t", unit="px"), 8),
        (plots.histogram([0, 1, 2, 4], [3, 0, 9], title="t"), 2),
        (plots.histogram(np.logspace(0, 6, 13), np.arange(12), title="t", log=True), 11),
        (plots.heat_map(np.eye(4) * 3, title="t"), 1),
        (plots.matrix(["a", "b"], [[4, 1], [1, 1e9]], title="t"), 4),
    ],
)
def test_plots_are_well_formed_and_say_what_they_are(plot: str, shapes: int) -> None:
    figure = ElementTree.fromstring(plot.replace("class=wide", 'class="wide"'))
    svg = figure.find(".//svg")
    assert svg is not None
    assert svg.get("aria-label") == "t"
    assert len(svg.findall(".//rect")) == shapes
    assert "nan" not in plot.lower()


def test_a_bar_is_as_long_as_its_share() -> None:
    figure = ElementTree.fromstring(plots.bars([("a", 400), ("b", 100)], title="t"))
    assert [each.get("width") for each in figure.findall(".//rect[@class='bar']")] == ["100.00%", "25.00%"]


def test_a_column_stands_between_its_edges() -> None:
    plot = plots.histogram([1, 10, 1000], [1, 2], title="t", log=True)
    columns = ElementTree.fromstring(plot).findall(".//rect")
    assert [(each.get("x"), each.get("width")) for each in columns] == [
        ("0.00%", "33.33%"),
        ("33.33%", "66.67%"),
    ]
    assert float(columns[1].get("height") or 0) == 2 * float(columns[0].get("height") or 0)


def test_a_heat_map_is_darkest_where_there_is_most() -> None:
    figure = ElementTree.fromstring(plots.heat_map([[0, 8], [1, 1]], title="t"))
    paths = {each.get("class"): each.get("d") for each in figure.findall(".//path")}
    assert paths == {"shade shade-8": "M1 0h1v1h-1z", "shade shade-1": "M0 1h2v1h-2z"}


@pytest.mark.parametrize(
    "plot",
    [
        plots.bars([], title="t"),
        plots.histogram([], [], title="t"),
        plots.histogram([0, 1], [0], title="t"),
        plots.heat_map(np.zeros((3, 3)), title="t"),
        plots.matrix([], np.zeros((0, 0)), title="t"),
    ],
)
def test_a_plot_of_nothing_says_so(plot: str) -> None:
    assert "Nothing to show." in plot

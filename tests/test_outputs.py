"""What people and other programs see of findings: places, SARIF, pages, files."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from functools import partial
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from jsonschema import Draft4Validator
from test_cli import entries, labelkit
from test_rules_coco import clean, written
from test_validate_cli import dataset

from labelkit.changes import Edit, Fix
from labelkit.cli.validate import OUTPUTS
from labelkit.findings import Finding, Location, fingerprint
from labelkit.outputs import github, junit, page, plots, sarif
from labelkit.outputs import json as as_json
from labelkit.outputs.text import summary
from labelkit.places import Files
from labelkit.rules import rules
from labelkit.validation import Validation, validate

SAMPLE = Path(__file__).parents[1] / "sample_data"


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


# --- places on disk ----------------------------------------------------------------------------------------


def broken(root: Path) -> Path:
    """A data set of one file, an annotation a line, with hostile names and four defects."""
    said = clean()
    said["images"][1]["file_name"] = 'é,b::c%<&">\n.jpg'
    said["categories"][1]["name"] = "</script><b>dog"
    said["annotations"][2]["bbox"] = [30, 3, 0, 10]
    said["annotations"].append({**said["annotations"][0], "id": 4, "bbox": [50, 3, 30, 10]})
    root.mkdir(parents=True, exist_ok=True)
    path = root / "ü, a%b.json"
    path.write_text(json.dumps(said, indent=1), "utf-8")
    return path


def written_as(module: Any, validation: Validation) -> str:
    stream = io.StringIO()
    module.write(validation, stream)
    return stream.getvalue()


def test_a_byte_is_found_in_its_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('{\n "é": 1,\r\n "x": 2}'.encode() + b"\n" * 3_000_000 + b"  y")
    findings = [finding(offset=k) for k in (0, 3, 8, 16, 3_000_023)]
    findings = [replace(each, at=replace(each.at, file="a.json")) for each in findings if each.at]
    files = Files(path, findings, tmp_path)
    spots = [files.spot(each.at) for each in findings if each.at]
    assert [(each.line, each.column) for each in spots] == [(1, 1), (2, 2), (2, 6), (3, 4), (3_000_003, 3)]
    beyond = finding(offset=9_000_000).at
    assert beyond is not None
    assert Files(path, [], tmp_path).spot(beyond).line is None


def test_files_are_named_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = broken(tmp_path / "sets" / "annotations")
    monkeypatch.chdir(tmp_path)
    for source in (path, path.parent, path.parent.parent, Path("sets/annotations"), Path("sets")):
        found = validate(source, select=["GEO102"])
        (spot,) = (Files(source, found.findings).spot(each.at) for each in found.findings if each.at)
        assert spot.file == "sets/annotations/ü, a%b.json"
        assert path.read_text("utf-8").splitlines()[(spot.line or 0) - 1].strip() == "{"
    monkeypatch.chdir(path.parent)
    assert Files(path, []).spot(Location("no such.jpg")).file == "no such.jpg"
    monkeypatch.chdir("/")
    assert Files(tmp_path / "sets", []).spot(Location("a.jpg")).file == str(tmp_path / "sets/a.jpg")[1:]


def test_the_current_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = broken(tmp_path / "birds").parent
    monkeypatch.chdir(root)
    (found,) = validate(".", select=["REF112"]).findings
    assert found.place == "birds"
    assert found.at is not None
    assert Files(Path(), []).spot(found.at).file == "."


def test_github_finds_the_files_of_its_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = broken(tmp_path / "repository" / "data")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "repository"))
    monkeypatch.chdir(path.parent)
    lines = written_as(github, validate(path.name, select=["GEO102"])).splitlines()
    assert lines[0].startswith("::error title=GEO102 empty-box,file=data/ü%2C a%25b.json,line=84,col=3::")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "other"))
    assert ",file=ü%2C a%25b.json," in written_as(github, validate(path.name, select=["GEO102"]))


# --- SARIF -------------------------------------------------------------------------------------------------

SARIF = json.loads((Path(__file__).parent / "sarif/sarif-schema-2.1.0.json").read_text("utf-8"))


def log_of(validation: Validation) -> Any:
    log = json.loads(written_as(sarif, validation))
    assert [error.message for error in Draft4Validator(SARIF).iter_errors(log)] == []
    return log["runs"][0]


@pytest.mark.parametrize("source", ["coco", "voc", "cityscapes", "jsonl"])
def test_sarif_passes_the_official_schema(source: str) -> None:
    run = log_of(validate(SAMPLE / source))
    assert [each["id"] for each in run["tool"]["driver"]["rules"]] == list(rules())
    for rule in run["tool"]["driver"]["rules"]:
        assert rule["help"]["markdown"].startswith(f"# {rule['id']} ")
        assert rule["shortDescription"]["text"].endswith(".")


def test_sarif_says_where_a_defect_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = broken(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    run = log_of(validate(Path("data") / path.name, select=["GEO", "REF112"]))
    empty, outside, missing = run["results"]
    assert (empty["ruleId"], empty["level"]) == ("GEO102", "error")
    assert run["tool"]["driver"]["rules"][empty["ruleIndex"]]["id"] == "GEO102"
    place = empty["locations"][0]
    artifact = {"uri": "data/%C3%BC%2C%20a%25b.json", "uriBaseId": "%SRCROOT%"}
    assert place["physicalLocation"]["artifactLocation"] == artifact
    region = place["physicalLocation"]["region"]
    assert path.read_bytes()[region["byteOffset"] :].startswith(b'{\n   "id": 3,')
    assert path.read_text("utf-8").splitlines()[region["startLine"] - 1][region["startColumn"] - 1 :] == "{"
    assert [(each["kind"], each["fullyQualifiedName"]) for each in place["logicalLocations"]] == [
        ("element", "annotations[2]"),
        ("resource", 'é,b::c%<&">\n.jpg'),
    ]
    assert empty["properties"] == {"id": 3, "box": [30, 3, 0, 10]}
    assert (outside["ruleId"], outside["level"]) == ("GEO118", "warning")
    assert (missing["ruleId"], missing["level"]) == ("REF112", "note")
    assert "region" not in missing["locations"][0]["physicalLocation"]


def test_sarif_is_the_same_twice_and_from_elsewhere_keeps_its_fingerprints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = broken(tmp_path / "one")
    assert written_as(sarif, validate(path)) == written_as(sarif, validate(path))
    before = [each["partialFingerprints"] for each in log_of(validate(path))["results"]]
    monkeypatch.chdir(tmp_path)
    other = broken(tmp_path / "two")
    other.write_text("\n\n" + other.read_text("utf-8"), "utf-8")
    assert [each["partialFingerprints"] for each in log_of(validate(other))["results"]] == before


def test_sarif_tells_equal_places_apart_by_their_order(tmp_path: Path) -> None:
    said = clean()
    said["annotations"] += [{**said["annotations"][2], "id": 9, "bbox": [1, 1, 0, k]} for k in (2, 3)]
    results = log_of(validate(written(tmp_path, said), select=["GEO102"]))["results"]
    first, second = (each["partialFingerprints"]["labelkit/v1"] for each in results)
    assert (first[:-2], first[-2:], second[-2:]) == (second[:-2], ":1", ":2")


def test_sarif_has_the_bytes_that_mend_a_defect(tmp_path: Path) -> None:
    path = broken(tmp_path)
    done = validate(path, select=["GEO102"])
    done.fixes[0] = Fix(
        "remove it", partial(iter, [Edit(path, 3, 7, b"\xff"), Edit(path, 9, 12, b"")]), False
    )
    (result,) = log_of(done)["results"]
    (fix,) = result["fixes"]
    assert fix["description"]["text"] == "remove it (unsafe)"
    first, last = fix["artifactChanges"][0]["replacements"]
    assert first == {
        "deletedRegion": {"byteOffset": 3, "byteLength": 4},
        "insertedContent": {"binary": b64encode(b"\xff").decode()},
    }
    assert last["deletedRegion"]["byteLength"] == 3
    done.fixes[0] = Fix("make it anew", partial(iter, [Edit(path, 0, None, b"")]), False)
    assert "fixes" not in log_of(done)["results"][0]


# --- a report in a file ------------------------------------------------------------------------------------


def validated(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return labelkit("validate", *arguments, cwd=cwd)


def test_a_report_goes_into_a_file_and_the_counts_to_stdout(tmp_path: Path) -> None:
    path = broken(tmp_path / "data")
    for kind in OUTPUTS:
        done = validated(path, "--output-format", kind, "-o", f"report.{kind}", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout == summary(validate(path)) + "\n"
        plain = validated(path, "--output-format", kind, cwd=tmp_path).stdout
        assert (tmp_path / f"report.{kind}").read_text("utf-8") == plain
    assert entries(tmp_path) == ["data", *sorted(f"report.{kind}" for kind in OUTPUTS)]


def test_a_report_replaces_a_file_and_keeps_its_mode(tmp_path: Path) -> None:
    path, report = broken(tmp_path / "data"), tmp_path / "report.txt"
    report.write_text("old " * 10_000)
    report.chmod(0o640)
    assert validated(path, "-o", report, cwd=tmp_path).returncode == 1
    assert "old" not in report.read_text("utf-8")
    assert report.stat().st_mode & 0o777 == 0o640
    made = tmp_path / ("new" * 80 + ".txt")  # as long as names can be, or nearly
    assert validated(path, "-o", made, cwd=tmp_path).returncode == 1
    os.umask(mask := os.umask(0))
    assert made.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_report_goes_where_nothing_is_lost_or_not_at_all(tmp_path: Path) -> None:
    path = broken(tmp_path / "data")
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    for target, words in [
        (tmp_path / "no folder" / "report.txt", "there is no folder"),
        (tmp_path, "is no regular file"),
        (tmp_path / "link", "is no regular file"),
        (tmp_path / "pipe", "is no regular file"),
        (path, "is the data set itself"),
    ]:
        done = validated(path, "-o", target, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
    assert path.read_bytes() == before
    assert entries(tmp_path) == ["data", "link", "pipe"]


def test_a_report_inside_the_data_set_is_no_part_of_it(tmp_path: Path) -> None:
    path = broken(tmp_path)
    before = validated(".", cwd=tmp_path).stdout
    assert validated(".", "--output-format", "html", "-o", "report.html", cwd=tmp_path).returncode == 1
    assert validated(".", cwd=tmp_path).stdout == before
    done = validated(".", "--output-format", "json", "-o", "report.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "would be taken for a part of the data set" in done.stderr
    assert entries(tmp_path) == sorted(["report.html", path.name])
    assert validated(path.name, "--output-format", "json", "-o", "report.json", cwd=tmp_path).returncode == 1


def test_a_full_disk_leaves_the_old_report(tmp_path: Path) -> None:
    path, report = broken(tmp_path / "data"), tmp_path / "report.json"
    report.write_text("old")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = labelkit("validate", path, "--output-format", "json", "-o", report, preexec_fn=limit)
    assert done.returncode == 2
    assert "report.json: cannot be written (File too large); it is as it was" in done.stderr
    assert report.read_text() == "old"
    assert entries(tmp_path) == ["data", "report.json"]


def test_names_that_are_no_text_are_written_as_they_can_be(tmp_path: Path) -> None:
    (root := tmp_path / "data").mkdir()
    dataset(root)
    shutil.copy(root / "a.jpg", os.fsencode(root) + b"/\xff.jpg")
    for kind in OUTPUTS:
        done = validated(root, "--output-format", kind, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), kind
        assert validated(root, "--output-format", kind, "-o", "report", cwd=tmp_path).returncode == 0
    (found,) = json.loads(validated(root, "--output-format", "json", cwd=tmp_path).stdout)["findings"]
    assert found["at"]["file"] == "\udcff.jpg"


def test_junit_is_xml_whatever_names_hold(tmp_path: Path) -> None:
    path = broken(tmp_path / "a\x01]]>&")
    suite = ElementTree.fromstring(written_as(junit, validate(path)))
    (case,) = (each for each in suite if each.get("name") == "GEO102 empty-box")
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "1 finding: A box has no area, or a negative width or height."


# --- a terminal --------------------------------------------------------------------------------------------


_PROGRESS = re.compile(
    r"\x1b\[\?25l.*?\x1b\[\?25h(?:\n?\x1b\[1A\x1b\[2K)*", re.DOTALL
)  # a hidden cursor, then a shown one


def on_terminal(*arguments: str | Path, cwd: Path, columns: int = 80, **said: str) -> tuple[int, str]:
    """The exit code and what a terminal of so many columns is sent, but for the progress."""
    mine, theirs = pty.openpty()
    plain = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "CI")}
    with os.fdopen(mine, "rb", buffering=0) as screen:
        running = subprocess.Popen(
            [sys.executable, "-m", "labelkit", "validate", *map(str, arguments)],
            cwd=cwd, stdout=theirs, stderr=theirs,
            env={**plain, "TERM": "xterm-256color", "COLUMNS": str(columns), **said},
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
            while block := screen.read(1 << 16):
                shown += block
        text = shown.decode().replace("\r\n", "\n")
        return running.wait(timeout=60), _PROGRESS.sub("", text)


def test_a_terminal_gets_paths_to_click_on_in_colour(tmp_path: Path) -> None:
    path = broken(tmp_path / "data")
    code, shown = on_terminal("data", cwd=tmp_path, columns=200)
    assert code == 1
    assert "\x1b[1;31merror" in shown or "\x1b[1m\x1b[31merror" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "GEO102 empty-box error · 1\n" in plain
    assert f'\n  data/{path.name}:84:3  annotations[2], id 3, é,b::c%<&">␊.jpg\n' in plain
    assert "\n    box [30, 3, 0, 10] has no area; expected width and height above 0\n" in plain
    assert "1 error, 1 warning, 1 info (2 images, 4 objects" in plain


def test_a_narrow_terminal_wraps_words_and_never_paths(tmp_path: Path) -> None:
    path = broken(tmp_path / "a folder with a name that is longer than forty columns")
    _, shown = on_terminal(path.parent, cwd=tmp_path, columns=40, NO_COLOR="1")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert f"  {path.relative_to(tmp_path)}:84:3" in lines
    assert "    box [30, 3, 0, 10] has no area;" in lines
    assert "    annotations[2], id 3," in lines


def test_a_terminal_without_colour_gets_none(tmp_path: Path) -> None:
    broken(tmp_path / "data")
    for said in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[3" not in on_terminal("data", cwd=tmp_path, **said)[1]


def test_a_page_is_not_sent_to_a_terminal(tmp_path: Path) -> None:
    broken(tmp_path / "data")
    code, shown = on_terminal("data", "--output-format", "html", cwd=tmp_path)
    assert code == 2
    assert "--output-format html: on a terminal; expected -o FILE, or a pipe" in shown.replace("\n", " ")


def test_names_cannot_move_the_cursor(tmp_path: Path) -> None:
    said = clean()
    said["images"][1]["file_name"] = "\x1b[2J\x1b]0;taken\x07.jpg"
    written(tmp_path, said)
    for shown in (
        on_terminal(".", cwd=tmp_path, NO_COLOR="1")[1],
        validated(".", "--output-format", "full", cwd=tmp_path).stdout,
    ):
        assert "\x1b[2J" not in shown and "\x07" not in shown


def test_numbers_that_json_does_not_have_are_left_out(tmp_path: Path) -> None:
    done = validate(broken(tmp_path), select=["GEO102"])
    (found,) = done.findings
    assert found.at is not None
    done.findings[0] = replace(found, at=replace(found.at, box=(0, 0, math.inf, 1)))
    assert "properties" not in json.loads(written_as(as_json, done), parse_constant=pytest.fail)
    (result,) = log_of(done)["results"]
    assert result["properties"] == {"id": 3}

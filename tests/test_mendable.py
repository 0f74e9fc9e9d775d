"""What a rule declares of its fixes is so: each kind is given for some defect, and no other is."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_cli import SAMPLE, labelkit
from test_mending import CHAIR, put
from test_rule_pages import own
from test_rules_coco import clean, written
from test_rules_voc import A, text
from test_rules_voc_maps import CLASS_A, PERSON, converted, palette
from voc_files import voc_set

from labelkit import convert
from labelkit.changes import Fix
from labelkit.errors import UsageError
from labelkit.findings import Location
from labelkit.mending import plan
from labelkit.outputs import diff
from labelkit.outputs.rule_text import company, mended_by
from labelkit.outputs.text import hint
from labelkit.rules import Fault, Faults, Fixes, rule, rule_of, rules
from labelkit.table import Table
from labelkit.validation import Validation, validate

Said = dict[str, Any]
SQUARE = [2, 3, 12, 3, 12, 13, 2, 13]


def shaped(*rings: list[int], **values: object) -> Callable[[Said], object]:
    return lambda said: put(said, 0, segmentation=[*rings], **values)


def again(**values: object) -> Callable[[Said], object]:
    """The box of the second image once more."""
    return lambda said: said["annotations"].append({**said["annotations"][2], "id": 9, **values})


def covered(counts: list[int], **values: object) -> Callable[[Said], object]:
    return lambda said: put(said, 1, segmentation={"size": [40, 60], "counts": counts}, **values)


# What is done to the clean document, by the rule that finds it and the kind of its fix.
DOCUMENTS: dict[tuple[str, str], Callable[[Said], object]] = {
    ("REF102", "unsafe"): lambda said: put(said, 2, id=1),
    ("REF104", "unsafe"): lambda said: said["annotations"].append({**CHAIR, "image_id": 7}),
    ("REF105", "unsafe"): lambda said: said["annotations"].append({**CHAIR, "category_id": 7}),
    ("REF111", "unsafe"): lambda said: put(said, 0, id=0),
    ("STR105", "safe"): lambda said: put(said, 0, iscrowd=False),
    ("STR105", "unsafe"): lambda said: put(said, 0, id="1"),
    ("STR112", "safe"): lambda said: said["annotations"][0].pop("area"),
    ("STR112", "unsafe"): lambda said: said["annotations"][0].pop("iscrowd"),
    ("GEO102", "unsafe"): lambda said: put(said, 2, bbox=[30, 3, 0, 10]),
    ("GEO103", "unsafe"): lambda said: put(said, 2, bbox=[100, 3, 10, 10]),
    ("GEO104", "unsafe"): shaped(SQUARE, [2, 3]),
    ("GEO106", "unsafe"): shaped(SQUARE, [2, 3, 12, 13]),
    ("GEO108", "unsafe"): shaped(SQUARE, [2, 3, 7, 3, 12, 3]),
    ("GEO109", "safe"): shaped([2, 3, *SQUARE]),
    ("GEO111", "unsafe"): lambda said: put(said, 0, bbox=[2, 3, 5, 10]),
    ("GEO112", "safe"): lambda said: put(said, 0, area=900),
    ("GEO113", "safe"): lambda said: put(said, 0, area=-5),
    ("GEO115", "safe"): again(),
    ("GEO116", "unsafe"): again(bbox=[30, 3, 10, 10.5]),
    ("GEO118", "unsafe"): lambda said: put(said, 2, bbox=[55, 3, 10, 10]),
    ("GEO119", "unsafe"): shaped([52, 3, 66, 3, 66, 13, 52, 13]),
    ("GEO120", "safe"): lambda said: put(said, 2, bbox=[50, 3, 10.3, 10]),
    ("GEO121", "unsafe"): lambda said: put(said, 0, bbox=[2, 3, 30, 30]),
    ("MSK105", "unsafe"): covered([2400]),
    ("MSK107", "unsafe"): covered([100, *[30, 10] * 29, 30, 110, 1, 999]),
}


def with_mark(root: Path) -> None:
    path = written(root, clean())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def turned(root: Path) -> None:
    written(root, clean())
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.linear_gradient("L").resize((40, 60)).save(root / "a.jpg", exif=exif)


def with_stray_hole(root: Path) -> None:
    convert(written(root, clean()), root / "set.jsonl", to="jsonl", images="none")
    (root / "instances_val.json").unlink()
    holed = json.dumps(json.dumps({"parts": [[SQUARE, [20, 20, 25, 20, 25, 25]]]}))
    said = (root / "set.jsonl").read_text("utf-8")
    (root / "set.jsonl").write_text(said.replace(json.dumps(json.dumps([SQUARE])), holed), "utf-8")


def voc(change: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: change(voc_set(root))


FILES: dict[tuple[str, str], Callable[[Path], object]] = {
    ("STR109", "safe"): with_mark,
    ("CNV107", "unsafe"): turned,
    ("GEO110", "safe"): with_stray_hole,
    ("STR113", "safe"): voc(text(f"Annotations/{A}.xml", "<difficult>0<", "<difficult>False<")),
    ("STR113", "unsafe"): voc(text(f"Annotations/{A}.xml", "<difficult>0<", "<difficult>True<")),
    ("MSK110", "safe"): voc(converted(CLASS_A, "RGB")),
    ("MSK120", "safe"): voc(palette(CLASS_A, (PERSON, (255, 0, 0)))),
    ("MSK129", "safe"): voc(converted(CLASS_A, "L")),
}
SEEDS = [*DOCUMENTS, *FILES]


def seeded(seed: tuple[str, str], root: Path) -> Path:
    """A data set with that defect."""
    if seed in FILES:
        FILES[seed](root)
        lines = root / "set.jsonl"
        return lines if lines.is_file() else root
    said = copy.deepcopy(clean())
    DOCUMENTS[seed](said)
    return written(root, said)


def kinds(done: Validation) -> set[str]:
    return {"safe" if fix.is_safe else "unsafe" for fix in done.fixes.values()}


def test_every_declared_kind_of_fix_has_its_defect_here() -> None:
    declared = {
        (code, kind)
        for code, item in own().items()
        for kind in ("safe", "unsafe")
        if item.fixes in (kind, "both")
    }
    assert declared == set(SEEDS)


@pytest.mark.parametrize("seed", SEEDS, ids=" ".join)
def test_the_defect_has_a_fix_of_its_kind_that_a_preview_shows(seed: tuple[str, str], tmp_path: Path) -> None:
    code, kind = seed
    done = validate(seeded(seed, tmp_path), select=[code], fixes=True)
    assert {finding.code for finding in done.findings} == {code}
    assert kinds(done) == {kind}
    out = StringIO()
    diff.write(plan(done, unsafe=True), tmp_path, out)
    shown = out.getvalue().splitlines()
    assert (shown[0][:6], shown[1][:6]) == ("--- a/", "+++ b/")
    assert len(shown) > 2


def test_a_fix_of_a_kind_that_is_not_declared_is_refused() -> None:
    def made(fixes: Fixes) -> list[Fault]:
        @rule("XYZ101", fixes=fixes)
        def wrong(table: Table) -> Faults:
            yield Fault(Location("a"), "wrong", fix=Fix("mend it", list, is_safe=False))

        return [*rule_of(wrong).faults(None, {})]

    assert len(made("unsafe")) == len(made("both")) == 1
    for fixes in ("none", "safe"):
        with pytest.raises(UsageError, match="rule XYZ101: gives a fix that is unsafe; expected @rule"):
            made(fixes)  # type: ignore[arg-type]


# --- how it is told ----------------------------------------------------------------------------------------


def test_pages_and_lists_say_which_option_mends() -> None:
    assert "\n\n`labelkit validate --fix` mends it where it can." in labelkit("rules", "GEO115").stdout
    listed = {line.split()[0]: line for line in labelkit("rules").stdout.splitlines()}
    assert " warning   --fix " in listed["GEO115"]
    assert " error     --unsafe-fixes " in listed["GEO102"]
    assert "--" not in listed["GEO101"]
    said = {item["code"]: item for item in json.loads(labelkit("rules", "--output-format", "json").stdout)}
    assert {code: item["fixes"] for code, item in said.items()} == {
        code: item.fixes for code, item in rules().items()
    }
    assert mended_by(rules()["GEO101"]) == ""


def test_pages_say_what_is_silent_beside_a_rule() -> None:
    assert company(rules()["CNV105"]) == (
        "Where it finds something, GEO107, GEO108, GEO111, GEO112, GEO119 and GEO121 are silent."
    )
    assert company(rules()["GEO107"]) == "It is silent where CNV105 finds the cause."
    assert company(rules()["GEO112"]) == "It is silent where CNV102 or CNV105 finds the cause."
    assert company(rules()["IMG101"]) == ""


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([("GEO112", "safe")], "--fix mends some of these; --diff instead of --fix shows how"),
        (
            [("GEO111", "unsafe")],
            "--fix --unsafe-fixes mends some of these; --diff instead of --fix shows how",
        ),
        (
            [("GEO112", "safe"), ("GEO118", "unsafe")],
            "--fix mends some of these, --fix --unsafe-fixes more; --diff instead of --fix shows how",
        ),
        ([], ""),
    ],
)
def test_a_report_says_whether_something_can_be_mended(
    seeds: list[tuple[str, str]], said: str, tmp_path: Path
) -> None:
    document = copy.deepcopy(clean())
    for seed in seeds:
        DOCUMENTS[seed](document)
    path = written(tmp_path, document)
    assert hint(validate(path, select=["GEO"])) == said
    lines = labelkit("validate", path, "--select", "GEO").stdout.splitlines()
    assert lines[-2:-1] == ([said] if said else [])


def test_what_its_format_cannot_say_is_not_promised_to_be_mended(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "cityscapes", tmp_path / "set")
    files = sorted((tmp_path / "set").rglob("*_polygons.json"))
    file, said = next((each, said) for each in files if (said := json.loads(each.read_bytes()))["objects"])
    said["objects"][0]["polygon"].insert(0, said["objects"][0]["polygon"][0])
    file.write_text(json.dumps(said), "utf-8")
    done = validate(tmp_path / "set", select=["GEO109"], images=False)
    assert [each.code for each in done.findings] == ["GEO109"]
    assert hint(done) == ""

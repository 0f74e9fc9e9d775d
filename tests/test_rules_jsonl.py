"""One defect, one finding, at its line: files of records that are right but for one thing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_rules_voc_maps import apply
from voc_files import photo

from labelkit.changes import Change, Put, Remove
from labelkit.formats import Parcel
from labelkit.formats.jsonl import FORMAT
from labelkit.model import Mask, Polygons
from labelkit.table import Table
from labelkit.validation import validate

Said = dict[str, Any]
HEADER = {"labelkit": 1, "header": {"categories": [{"name": "cat"}, {"name": "dog"}]}}


def clean() -> list[Said]:
    """Two images, four objects and two classes; nothing is wrong with them."""
    size = {"width": 60, "height": 40}
    ring, runs = "[[2,3,12,3,12,13,2,13]]", json.dumps({"size": [40, 60], "counts": [100, 50, 2250]})
    masked = {"kind": "instance", "category": "cat", "box": [2, 3, 10, 10], "mask": ring}
    layers = {"kind": "layers", **size, "layers": [{"value": 1, "mask": ring}]}
    return [
        {
            "image": {"path": "a.jpg", **size},
            "objects": [masked, {"kind": "box", "category": "dog", "box": [2, 20, 10, 10]}],
            "maps": {"semantic": {"kind": "semantic", "source": layers, "classes": {"1": "cat"}}},
        },
        {
            "image": {"path": "b.jpg", **size},
            "objects": [
                {"kind": "box", "category": "cat", "box": [30, 3, 10, 10]},
                {"kind": "instance", "category": "dog", "mask": runs},
            ],
        },
    ]


def written(root: Path, said: list[Said]) -> Path:
    """The data set with its images, and a blank line after the header."""
    lines = [json.dumps(HEADER), "", *map(json.dumps, said)]
    (root / "images").mkdir(parents=True)
    (root / "records.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        photo(root / "images" / name, seed)
    return root


def test_the_clean_set_has_no_finding(tmp_path: Path) -> None:
    assert validate(written(tmp_path, clean())).findings == []


# What is done to the clean set; the code, the line, the element, and words of the message of the one finding.
Seed = tuple[Callable[[list[Said]], object], str, int, str, str]
SEEDS: dict[str, Seed] = {
    "path twice": (
        lambda s: s.append({"image": dict(s[1]["image"])}),
        *("REF109", 5, "image.path", "'b.jpg' once more (as in line 4); expected each image once"),
    ),
    "unknown class": (
        lambda s: s[1]["objects"].append({"kind": "box", "category": "cow", "box": [2, 3, 10, 10]}),
        *("REF105", 4, "", "category 'cow' of object 3; expected one of the header"),
    ),
    "unknown key": (lambda s: s[1].update(colour=1), "STR110", 4, "colour", "extra inputs"),
    "width of nothing": (lambda s: s[1]["image"].update(width=0), "STR110", 4, "image.width", "found 0"),
    "box of three": (
        lambda s: s[1]["objects"][0].update(box=[1, 2, 3]),
        *("STR110", 4, "objects[0].box[3]", "field required"),
    ),
    "map in a file": (
        lambda s: s[0]["maps"]["semantic"].update(source={"kind": "png", "path": "/etc/passwd"}),
        *("STR110", 3, "", "layers were expected"),
    ),
    "empty box": (
        lambda s: s[1]["objects"][0].update(box=[1, 2, 0, 3]),
        "GEO102",
        4,
        "objects[0]",
        "no area",
    ),
    "box outside": (
        lambda s: s[1]["objects"][0].update(box=[70, 2, 5, 3]),
        *("GEO103", 4, "objects[0]", "outside"),
    ),
    "pasted twice": (
        lambda s: s[1]["objects"].append(s[1]["objects"][0]),
        *("GEO115", 4, "objects[2]", "records.jsonl:4:objects[0]"),
    ),
    "odd ring": (
        lambda s: s[0]["objects"][0].update(mask="[[2,3,9,3,9,9,2]]"),
        "GEO105",
        3,
        "objects[0]",
        "7",
    ),
    "RLE of another size": (
        lambda s: s[1]["objects"][1].update(mask='{"size":[60,40],"counts":[100,50,2250]}'),
        *("MSK101", 4, "objects[1]", "[60, 40]"),
    ),
}


@pytest.mark.parametrize("name", SEEDS)
def test_one_defect_is_one_finding_at_its_line(name: str, tmp_path: Path) -> None:
    change, code, line, element, words = SEEDS[name]
    said = clean()
    change(said)
    root = written(tmp_path, said)
    (finding,) = validate(root).findings
    at = finding.at
    assert at is not None
    assert (finding.code, at.file, at.line, at.element or "") == (code, "records.jsonl", line, element)
    data = (root / "records.jsonl").read_bytes()
    assert at.offset == sum(len(each) for each in data.splitlines(keepends=True)[: line - 1])
    assert words in finding.message


def test_a_layer_of_another_size_is_found_at_its_map(tmp_path: Path) -> None:
    said = clean()
    said[0]["maps"]["semantic"]["source"].update(width=30)
    (finding,) = validate(written(tmp_path, said)).findings
    assert (finding.code, finding.place) == ("MSK108", "a.jpg:map semantic")


def test_every_fault_of_a_line_is_told_and_its_image_is_no_stranger(tmp_path: Path) -> None:
    said = clean()
    said[1]["image"]["width"] = "wide"
    said[1]["objects"][0]["box"] = [1, 2, 3]
    found = [(each.code, each.at.element) for each in validate(written(tmp_path, said)).findings if each.at]
    assert found == [("STR110", "image.width"), ("STR110", "objects[0].box[3]")]


TEXTS: dict[str, tuple[bytes, bytes, str, str]] = {
    "key twice": (b'"box": [30', b'"box": [1, 2, 3, 4], "box": [30', "STR102", "the key 'box' twice"),
    "not finite": (b'"box": [30', b'"box": [NaN', "STR103", "finite number"),
    "latin-1": (b'"dog", "mask"', b'"d\xf6g", "mask"', "STR111", "not UTF-8"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_one_defect_of_the_text_is_one_finding_at_its_line(name: str, tmp_path: Path) -> None:
    old, new, code, words = TEXTS[name]
    root = written(tmp_path, clean())
    file = root / "records.jsonl"
    file.write_bytes(file.read_bytes().replace(old, new))
    (finding,) = [each for each in validate(root).findings if each.code != "CAT104"]
    assert (finding.code, finding.at.line if finding.at else 0) == (code, 4)
    assert words in finding.message


def test_a_line_that_ends_early_is_one_finding(tmp_path: Path) -> None:
    root = written(tmp_path, clean())
    file = root / "records.jsonl"
    file.write_bytes(file.read_bytes()[:-30])
    (finding,) = [each for each in validate(root).findings if each.code != "CAT104"]
    assert (finding.code, finding.at.line if finding.at else 0) == ("STR110", 4)


# --- edits -------------------------------------------------------------------------------------------------


def change_object(root: Path, row: int, change: Change) -> bool:
    """Applies the edits of a row; whether there are any."""
    assert FORMAT.inspect is not None
    (parcel,) = [item for item in FORMAT.inspect(root) if isinstance(item, Parcel)]
    (table,) = [item for item in parcel.make(*parcel.arguments) if isinstance(item, Table)]
    edits = [*table.edits(row, change)]
    apply(edits)
    return bool(edits)


RING = Mask.of(Polygons([[[1.0, 1.0, 9.0, 1.0, 9.0, 9.0]]]))
CHANGES: dict[str, tuple[int, Change, Callable[[list[Said]], object]]] = {
    "box": (2, Put("box", (1, 2, 3.5, 4)), lambda s: s[1]["objects"][0].update(box=[1, 2, 3.5, 4])),
    "mask": (0, Put("mask", RING), lambda s: s[0]["objects"][0].update(mask=RING.text.decode())),
    "removal": (1, Remove(), lambda s: s[0]["objects"].pop(1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_writes_its_line_anew_and_no_other(name: str, tmp_path: Path) -> None:
    row, change, expected = CHANGES[name]
    root, said = written(tmp_path, clean()), clean()
    before = (root / "records.jsonl").read_bytes().splitlines()
    assert change_object(root, row, change)
    after = (root / "records.jsonl").read_bytes().splitlines()
    expected(said)
    line = 3 if row < 2 else 4
    pairs = enumerate(zip(before, after, strict=True), 1)
    assert [number for number, (old, new) in pairs if old != new] == [line]
    got, want = json.loads(after[line - 1]), said[line - 3]
    assert got["image"] == want["image"]
    assert got["objects"] == want["objects"]
    assert validate(root).findings == []


def test_what_a_record_cannot_say_has_no_edits(tmp_path: Path) -> None:
    root = written(tmp_path, clean())
    assert not change_object(root, 0, Put("area", 7.0))
    assert not change_object(root, 1, Put("mask", RING))

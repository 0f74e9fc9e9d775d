"""One defect, one finding, at its place: COCO files that are right but for one thing."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelkit.rules import FAMILIES, SEVERITIES, rules
from labelkit.validation import validate

Said = dict[str, Any]

RLE = {"size": [40, 60], "counts": [100, *[10, 30] * 9, 10, 1930]}  # the box [2, 20, 10, 10]


def clean() -> Said:
    """Two images, three objects, two classes; nothing is wrong with it."""
    box = {"area": 100, "iscrowd": 0}
    ring = [[2, 3, 12, 3, 12, 13, 2, 13]]
    return {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 60, "height": 40},
            {"id": 2, "file_name": "b.jpg", "width": 60, "height": 40},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 10], "segmentation": ring, **box},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [2, 20, 10, 10], "segmentation": RLE, **box},
            {"id": 3, "image_id": 2, "category_id": 2, "bbox": [30, 3, 10, 10], "segmentation": [], **box},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }


def found(path: Path) -> list[tuple[str, str, str]]:
    """Code, element and message of each finding, but for that the images are not there."""
    result = validate(path, ignore=["REF112"])
    return [(each.code, each.at.element or "", each.message) for each in result.findings if each.at]


def written(tmp: Path, said: Said) -> Path:
    path = tmp / "instances_val.json"
    path.write_text(json.dumps(said), "utf-8")
    return path


def test_the_clean_set_has_no_finding(tmp_path: Path) -> None:
    assert found(written(tmp_path, clean())) == []


# What is done to the clean set; the code, the element, and words of the message of the one finding.
Seed = tuple[Callable[[Said], object], str, str, str]
SEEDS: dict[str, Seed] = {
    "image without file name": (
        lambda s: s["images"][1].pop("file_name"),
        "STR104",
        "images[1].file_name",
        "no",
    ),
    "annotation without image": (
        lambda s: s["annotations"][2].pop("image_id"),
        "STR104",
        "annotations[2].image_id",
        "",
    ),
    "annotation without category": (
        lambda s: s["annotations"][2].pop("category_id"),
        "STR104",
        "annotations[2].category_id",
        "",
    ),
    "category without name": (
        lambda s: s["categories"].append({"id": 3}),
        "STR104",
        "categories[2].name",
        "no 'name'",
    ),
    "image without width": (lambda s: s["images"][1].pop("width"), "STR112", "images[1].width", "no 'width'"),
    "annotation without area": (
        lambda s: s["annotations"][0].pop("area"),
        "STR112",
        "annotations[0].area",
        "",
    ),
    "annotation without iscrowd": (
        lambda s: s["annotations"][0].pop("iscrowd"),
        "STR112",
        "annotations[0].iscrowd",
        "",
    ),
    "id as text": (
        lambda s: s["annotations"][0].update(id="1"),
        "STR105",
        "annotations[0].id",
        "id '1'; expected a whole",
    ),
    "true as crowd": (
        lambda s: s["annotations"][0].update(iscrowd=True),
        "STR105",
        "annotations[0].iscrowd",
        "0 or 1",
    ),
    "crowd of two": (
        lambda s: s["annotations"][0].update(iscrowd=2),
        "STR105",
        "annotations[0].iscrowd",
        "0 or 1",
    ),
    "box of three": (
        lambda s: s["annotations"][0].update(bbox=[1, 2, 3]),
        "STR105",
        "annotations[0].bbox",
        "four numbers",
    ),
    "box of text": (
        lambda s: s["annotations"][0].update(bbox="1,2"),
        "STR105",
        "annotations[0].bbox",
        "four numbers",
    ),
    "box of null": (
        lambda s: s["annotations"][0].update(bbox=None),
        "STR105",
        "annotations[0].bbox",
        "four numbers",
    ),
    "area as text": (
        lambda s: s["annotations"][0].update(area="9"),
        "STR105",
        "annotations[0].area",
        "a number",
    ),
    "width of nothing": (lambda s: s["images"][1].update(width=0), "STR105", "images[1].width", "above 0"),
    "annotation that is none": (
        lambda s: s["annotations"].append(7),
        "STR105",
        "annotations[3]",
        "an object",
    ),
    "image id twice": (
        lambda s: s["images"].append({**s["images"][1], "file_name": "c.jpg"}),
        "REF101",
        "images[2].id",
        "once more",
    ),
    "annotation id twice": (
        lambda s: s["annotations"][2].update(id=1),
        "REF102",
        "annotations[2].id",
        "id 1 once more",
    ),
    "category id twice": (
        lambda s: s["categories"].append({"id": 2, "name": "cow"}),
        "REF103",
        "categories[2].id",
        "'dog'",
    ),
    "unknown image": (
        lambda s: s["annotations"][2].update(image_id=9),
        "REF104",
        "annotations[2].image_id",
        "image_id 9",
    ),
    "unknown category": (
        lambda s: s["annotations"][2].update(category_id=9),
        "REF105",
        "annotations[2].category_id",
        "9",
    ),
    "file name twice": (
        lambda s: s["images"].append({**s["images"][1], "id": 3}),
        "REF109",
        "images[2].file_name",
        "'b.jpg' once more",
    ),
    "names alike": (
        lambda s: s["images"].append({**s["images"][1], "id": 3, "file_name": "B.jpg"}),
        "REF110",
        "",
        "by case only",
    ),
    "names but for suffix": (
        lambda s: s["images"].append({**s["images"][1], "id": 3, "file_name": "b.png"}),
        "REF110",
        "",
        "its suffix only",
    ),
    "id zero": (lambda s: s["annotations"][0].update(id=0), "REF111", "annotations[0].id", "id 0"),
    "path outside": (
        lambda s: s["images"][1].update(file_name="../b.jpg"),
        "STR108",
        "images[1].file_name",
        "leaves its folder",
    ),
    "absolute path": (
        lambda s: s["images"][1].update(file_name="/b.jpg"),
        "STR108",
        "images[1].file_name",
        "is absolute",
    ),
    "empty box": (
        lambda s: s["annotations"][2].update(bbox=[30, 3, 0, 10]),
        "GEO102",
        "annotations[2]",
        "no area",
    ),
    "negative box": (
        lambda s: s["annotations"][2].update(bbox=[30, 3, 10, -5]),
        "GEO102",
        "annotations[2]",
        "no area",
    ),
    "box outside": (
        lambda s: s["annotations"][2].update(bbox=[70, 3, 10, 10]),
        "GEO103",
        "annotations[2]",
        "outside",
    ),
    "box partly outside": (
        lambda s: s["annotations"][2].update(bbox=[55, 3, 10, 10]),
        "GEO118",
        "annotations[2]",
        "by 5",
    ),
    "thin box": (
        lambda s: s["images"][1].update(width=6000) or s["annotations"][2].update(bbox=[0, 0, 5000, 3]),
        "GEO114",
        "annotations[2]",
        "1667 times",
    ),
    "ring of one point": (
        lambda s: s["annotations"][0].update(segmentation=[[2, 3]]),
        "GEO104",
        "annotations[0]",
        "1 points",
    ),
    "odd ring": (
        lambda s: s["annotations"][0].update(segmentation=[[2, 3, 9, 3, 9, 9, 2]]),
        "GEO105",
        "annotations[0]",
        "7",
    ),
    "ring of four": (
        lambda s: s["annotations"][0].update(segmentation=[[2, 3, 9, 9]]),
        "GEO106",
        "annotations[0]",
        "a box",
    ),
    "flat ring": (
        lambda s: s["annotations"][0].update(segmentation=[[2, 3, 9, 3, 5, 3]]),
        "GEO108",
        "annotations[0]",
        "no area",
    ),
    "ring outside": (
        lambda s: s["annotations"][0].update(segmentation=[[2, 3, 80, 3, 9, 9]]),
        "GEO119",
        "annotations[0]",
        "by 20",
    ),
    "negative area": (
        lambda s: s["annotations"][0].update(area=-100),
        "GEO113",
        "annotations[0]",
        "area -100",
    ),
    "pasted twice": (
        lambda s: s["annotations"].append({**s["annotations"][2], "id": 4}),
        "GEO115",
        "annotations[3]",
        "annotations[2]",
    ),
    "RLE of another size": (
        lambda s: s["annotations"][1].update(segmentation={**RLE, "size": [60, 40]}),
        "MSK101",
        "annotations[1]",
        "[60, 40]",
    ),
    "RLE too short": (
        lambda s: s["annotations"][1].update(segmentation={**RLE, "counts": [1, 2]}),
        "MSK102",
        "annotations[1]",
        "decoded",
    ),
    "RLE negative": (
        lambda s: s["annotations"][1].update(segmentation={**RLE, "counts": [-1, 2401]}),
        "MSK102",
        "annotations[1]",
        "",
    ),
    "RLE of garbage": (
        lambda s: s["annotations"][1].update(segmentation={**RLE, "counts": "~~"}),
        "MSK102",
        "annotations[1]",
        "'~'",
    ),
    "RLE without pixels": (
        lambda s: s["annotations"][1].update(segmentation={**RLE, "counts": [2400]}),
        "MSK105",
        "annotations[1]",
        "pixel",
    ),
    "segmentation of text": (
        lambda s: s["annotations"][1].update(segmentation="x"),
        "MSK104",
        "annotations[1]",
        "cannot be read",
    ),
    "category name twice": (
        lambda s: s["categories"].append({"id": 3, "name": "dog"}),
        "CAT101",
        "categories[2].name",
        "once more",
    ),
    "category without letters": (
        lambda s: s["categories"][1].update(name="  "),
        "CAT102",
        "categories[1].name",
        "empty",
    ),
    "category names alike": (
        lambda s: s["categories"][1].update(name="Cat "),
        "CAT103",
        "category 'Cat '",
        "'cat' by case or spaces",
    ),
    "unused category": (lambda s: s["categories"].append({"id": 3, "name": "cow"}), "CAT104", "", "cow"),
}


# What is true of some of these sets besides: a class loses its only example, an image is added unlabelled.
TRUE_TOO = {"CAT104", "STA103"}


@pytest.mark.parametrize("name", SEEDS)
def test_one_defect_is_one_finding_at_its_place(name: str, tmp_path: Path) -> None:
    change, code, element, words = SEEDS[name]
    said = copy.deepcopy(clean())
    change(said)
    findings = [each for each in found(written(tmp_path, said)) if each[0] not in TRUE_TOO - {code}]
    assert [(each[0], each[1]) for each in findings] == [(code, element)], findings
    assert words in findings[0][2]


# What is done to the text; the code, and words of the message.
TEXTS: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "truncated": (lambda text: text[:300], "STR101", "too early"),
    "NaN": (lambda text: text.replace(b'"area": 100', b'"area": NaN', 1), "STR103", "NaN"),
    "Infinity": (lambda text: text.replace(b'"area": 100', b'"area": -Infinity', 1), "STR103", "-Infinity"),
    "latin-1": (lambda text: text.replace(b"a.jpg", b"\xe9.jpg"), "STR111", "not UTF-8"),
    "byte order mark": (lambda text: b"\xef\xbb\xbf" + text, "STR109", "byte order mark"),
    "key twice": (
        lambda text: text.replace(b'"area"', b'"bbox": [2, 3, 10, 11], "area"', 1),
        "STR102",
        "'bbox' twice",
    ),
    "spaced key twice": (
        lambda text: text.replace(b'"area"', b'"bbox" : [2, 3, 10, 11], "area"', 1),
        "STR102",
        "'bbox' twice",
    ),
    "nested key twice": (
        lambda text: text.replace(b'"counts"', b'"counts": [1], "counts"', 1),
        "STR102",
        "'counts' twice",
    ),
    "list twice": (
        lambda text: text.replace(b'{"images"', b'{"categories": [], "images"', 1),
        "STR102",
        "'categories' twice",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_one_defect_of_the_text_is_one_finding(name: str, tmp_path: Path) -> None:
    change, code, words = TEXTS[name]
    path = written(tmp_path, clean())
    path.write_bytes(change(path.read_bytes()))
    findings = found(path)
    assert [each[0] for each in findings] == [code], findings
    assert words in findings[0][2]


def test_the_offset_is_that_of_the_annotation(tmp_path: Path) -> None:
    said = clean()
    said["annotations"][2]["bbox"] = [30, 3, 0, 10]
    path = written(tmp_path, said)
    (finding,) = validate(path, ignore=["REF112"]).findings
    assert finding.at is not None
    assert path.read_bytes()[finding.at.offset :].startswith(b'{"id": 3')
    assert (finding.at.file, finding.at.id, finding.at.image) == ("instances_val.json", 3, "b.jpg")
    assert finding.at.box == (30, 3, 0, 10)


def test_every_rule_is_documented() -> None:
    for code, rule in rules().items():
        text = rule.documentation
        assert code[:3] in FAMILIES
        assert rule.severity in SEVERITIES
        assert all(word in text for word in ("\nWhy: ", "\nFix: ", "\nExample: ")), code
        assert all(f"{name}," in text for name in rule.options), code


def test_codes_and_names_are_unique() -> None:
    names = [rule.name for rule in rules().values()]
    assert len(set(names)) == len(names)

"""One defect, one finding, at its element: CVAT's files that are right but for one thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from test_rules_voc_maps import apply
from voc_files import photo

from labelkit.changes import Change, Put, Remove
from labelkit.formats import Parcel
from labelkit.formats.cvat import FORMAT
from labelkit.model import Mask, Polygons
from labelkit.table import Table
from labelkit.validation import validate

FILE = "annotations.xml"
TEXT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <labels>
        <label>
          <name>cat</name>
        </label>
        <label>
          <name>dog</name>
        </label>
      </labels>
    </task>
  </meta>
  <image id="0" name="a.jpg" width="60" height="40">
    <polygon label="cat" source="manual" occluded="0" points="2.00,3.00;12.00,3.00;12.00,13.00;2.00,13.00" z_order="0">
      <attribute name="uid">a1</attribute>
    </polygon>
    <box label="dog" source="manual" occluded="0" xtl="2.00" ytl="20.00" xbr="12.00" ybr="30.00" z_order="0">
    </box>
  </image>
  <image id="1" name="b.jpg" width="60" height="40">
    <box label="cat" source="manual" occluded="0" xtl="30.00" ytl="3.00" xbr="40.00" ybr="13.00" z_order="0">
    </box>
    <mask label="dog" source="manual" occluded="0" rle="0, 50" left="20" top="20" width="10" height="5" z_order="0">
    </mask>
    <tag label="dog" source="manual">
    </tag>
  </image>
</annotations>
"""  # noqa: E501
OUTSIDE = 'name="../b.jpg"'


def written(root: Path, text: str = TEXT) -> Path:
    """The data set with its images."""
    (root / "images").mkdir(parents=True)
    (root / FILE).write_text(text, "utf-8")
    for seed, name in enumerate(("a.jpg", "b.jpg")):
        photo(root / "images" / name, seed)
    return root


def test_the_clean_set_has_no_finding(tmp_path: Path) -> None:
    assert validate(written(tmp_path)).findings == []


COPY = TEXT[TEXT.index('    <box label="dog"') : TEXT.index("  </image>")]
LAST = TEXT[TEXT.index('  <image id="1"') : TEXT.index("</annotations>")]
# What is replaced by what (once); the code, the line, the element, and words of the message of the finding.
SEEDS: dict[str, tuple[str, str, str, int, str, str]] = {
    "unknown label": ('box label="dog"', 'box label="cow"', "REF105", 20, "box 1 label", "label 'cow'"),
    "unknown label of a tag": ('tag label="dog"', 'tag label="cow"', "REF105", 28, "tag 1 label", "'cow'"),
    "image twice": (
        "</annotations>", LAST.replace('id="1"', 'id="2"') + "</annotations>",
        "REF109", 31, "name", "an image of this name stands before it; expected each name once",
    ),
    "no corner": (' ybr="30.00"', "", "STR104", 20, "box 1 ybr", "no ybr; expected a number of pixels"),
    "no label": ('box label="cat" ', "box ", "STR104", 24, "box 1 label", "no label"),
    "no points": (TEXT[TEXT.index(" points="):TEXT.index(' z_order="0">\n      <attr')], "", "STR104", 17,
                  "polygon 1 points", "no points"),
    "no name": ('name="b.jpg" ', "", "STR104", 23, "name", "no name; expected the image's file"),
    "corner of text": ('xtl="30.00"', 'xtl="left"', "STR105", 24, "box 1 xtl", "'left'"),
    "side of nothing": ('name="b.jpg" width="60"', 'name="b.jpg" width="0"', "STR105", 23, "width", "'0'"),
    "point of one": ("2.00,3.00;12", "2.00;12", "STR105", 17, "polygon 1 points", "expected x,y;x,y;…"),
    "runs of text": ('rle="0, 50"', 'rle="all"', "STR105", 26, "mask 1 rle", "'all'"),
    "corner that is no number": ('xtl="30.00"', 'xtl="nan"', "STR103", 24, "box 1 xtl", "'nan'"),
    "attribute twice": (
        '<attribute name="uid">a1', '<attribute name="x">1</attribute><attribute name="x">2',
        "STR102", 17, "polygon 1 attribute", "'x' twice",
    ),
    "runs too short": ('"0, 50"', '"0, 49"', "MSK102", 26, "mask 1 rle", "add up to 49; expected 10 x 5"),
    "window outside": ('left="20"', 'left="55"', "STR110", 26, "mask 1 rle", "a window 10 x 5 at 55, 20"),
    "path outside": ('name="b.jpg"', OUTSIDE, "STR108", 23, "name", "absolute or leaves its folder"),
    "empty box": ('xbr="40.00"', 'xbr="30.00"', "GEO102", 24, "box 1", "no area"),
    "box outside": (
        'xtl="30.00" ytl="3.00" xbr="40.00"', 'xtl="70.00" ytl="3.00" xbr="80.00"',
        "GEO103", 24, "box 1", "outside",
    ),
    "one point": (";12.00,3.00;12.00,13.00;2.00,13.00", "", "GEO104", 17, "polygon 1", "1 point"),
    "two points": (";12.00,13.00;2.00,13.00", "", "GEO106", 17, "polygon 1", "four numbers"),
    "line": ("12.00,13.00;2.00,13.00", "22.00,3.00", "GEO108", 17, "polygon 1", "no area"),
    "mask of nothing": ('rle="0, 50"', 'rle="50"', "MSK105", 26, "mask 1", "a mask without a pixel"),
    "pasted twice": (COPY, COPY + COPY, "GEO115", 22, "box 2", "box 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
def test_one_defect_is_one_finding_at_its_element(name: str, tmp_path: Path) -> None:
    old, new, code, line, element, words = SEEDS[name]
    root = written(tmp_path, TEXT.replace(old, new, 1))
    if code == "STR108":
        (root / "images/b.jpg").unlink()
    found = [each for each in validate(root).findings if each.code not in ("REF107", "CAT104")]
    (finding,) = found
    at = finding.at
    assert at is not None
    assert (finding.code, at.file, at.line, at.element) == (code, FILE, line, element)
    data = (root / FILE).read_bytes()
    assert at.offset is not None
    assert data[at.offset : at.offset + 1] == b"<"
    assert data.count(b"\n", 0, at.offset) + 1 == line
    assert words in finding.message


def test_every_flaw_of_an_image_is_told_and_the_rest_is_judged(tmp_path: Path) -> None:
    text = TEXT.replace('xtl="30.00"', 'xtl="left"').replace('rle="0, 50"', 'rle="50"')
    text = text.replace('tag label="dog"', 'tag label="cow"')
    found = [(each.code, each.at.element) for each in validate(written(tmp_path, text)).findings if each.at]
    assert sorted(found) == [("MSK105", "mask 1"), ("REF105", "tag 1 label"), ("STR105", "box 1 xtl")]


TEXTS: dict[str, tuple[bytes, bytes, str, int, str]] = {
    "a DTD": (b"<annotations>", b"<!DOCTYPE a><annotations>", "STR107", 2, "a DTD"),
    "tags that do not close": (b"</meta>", b"", "STR101", 31, "mismatched tag"),
    "latin-1": (b">dog<", b">d\xf6g<", "STR111", 11, "not UTF-8 at byte"),
    "a label twice": (b">dog<", b">cat<", "CAT101", 0, "label 'cat' twice"),
    "a label of no name": (b">dog<", b"><", "CAT102", 0, "a label without a name"),
    "a video": (b"<image id", b'<track id="0"/><image id', "STR101", 16, "annotations of a video"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_one_defect_of_the_file_is_one_finding(name: str, tmp_path: Path) -> None:
    old, new, code, line, words = TEXTS[name]
    root = written(tmp_path)
    (root / FILE).write_bytes((root / FILE).read_bytes().replace(old, new, 1))
    (finding,) = validate(root, format="cvat").findings
    assert (finding.code, finding.at.line or 0 if finding.at else 0) == (code, line)
    assert words in finding.message


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
MOVED = (
    '<polygon label="dog" source="manual" occluded="0" z_order="0" points="1.00,1.00;9.00,1.00;9.00,9.00">'
)
CHANGES: dict[str, tuple[int, Change, Callable[[str], str]]] = {
    "box": (2, Put("box", (30, 3, 3.5, 10)), lambda text: text.replace('xbr="40.00"', 'xbr="33.50"')),
    "polygon": (
        0,
        Put("mask", RING),
        lambda text: text.replace(
            "2.00,3.00;12.00,3.00;12.00,13.00;2.00,13.00", "1.00,1.00;9.00,1.00;9.00,9.00"
        ),
    ),
    "mask": (
        3,
        Put("mask", RING),
        lambda text: text.replace(
            text[text.index("<mask") : text.index(">\n    </mask")] + ">", MOVED
        ).replace("</mask>", "</polygon>"),
    ),
    "removal": (1, Remove(), lambda text: text.replace(COPY, "")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_writes_its_element_anew_and_no_other(name: str, tmp_path: Path) -> None:
    row, change, expected = CHANGES[name]
    root = written(tmp_path)
    assert change_object(root, row, change)
    assert (root / FILE).read_text("utf-8") == expected(TEXT)
    assert [each for each in validate(root).findings if each.code != "CAT104"] == []


def test_what_cvat_cannot_say_has_no_edits(tmp_path: Path) -> None:
    root = written(tmp_path)
    assert not change_object(root, 0, Put("area", 7.0))
    assert not change_object(root, 0, Put("box", (1, 2, 3, 4)))
    assert not change_object(root, 1, Put("mask", RING))

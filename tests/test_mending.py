"""Defect, fix, clean; and every byte that was not the defect's is as it was."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from test_rules_coco import RLE, clean, written

from labelkit.changes import Edit
from labelkit.errors import DestinationError
from labelkit.mending import Plan, apply, edited, mend, plan
from labelkit.outputs import diff
from labelkit.validation import validate

Said = dict[str, Any]
CHAIR = {"id": 9, "image_id": 2, "category_id": 1, "bbox": [5, 5, 9, 9], "area": 81, "iscrowd": 0}


def put(said: Said, place: int, **values: object) -> None:
    said["annotations"][place].update(values)


# What is done to the clean set, which rule finds it, and whether its fix is safe.
SEEDS: dict[str, tuple[Callable[[Said], object], str, bool]] = {
    "true as crowd": (lambda s: put(s, 0, iscrowd=False), "STR105", True),
    "width as a fraction": (lambda s: s["images"][0].update(width=60.0), "STR105", True),
    "id as text": (lambda s: put(s, 0, id="1"), "STR105", False),
    "no area": (lambda s: s["annotations"][0].pop("area"), "STR112", True),
    "no area of a box": (lambda s: s["annotations"][2].pop("area"), "STR112", True),
    "no box": (lambda s: s["annotations"][0].pop("bbox"), "STR112", True),
    "no crowd": (lambda s: s["annotations"][0].pop("iscrowd"), "STR112", False),
    "id zero": (lambda s: put(s, 1, id=0), "REF111", False),
    "id twice": (lambda s: put(s, 2, id=1), "REF102", False),
    "first of no image": (lambda s: s["annotations"].insert(0, {**CHAIR, "image_id": 7}), "REF104", False),
    "last of no image": (lambda s: s["annotations"].append({**CHAIR, "image_id": 7}), "REF104", False),
    "of no class": (lambda s: s["annotations"].insert(1, {**CHAIR, "category_id": 7}), "REF105", False),
}


def seeded(tmp: Path, name: str) -> Path:
    said = copy.deepcopy(clean())
    SEEDS[name][0](said)
    return written(tmp, said)


def common(a: bytes, b: bytes) -> int:
    """How many bytes two texts have in common at their start."""
    return next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("name", SEEDS)
def test_a_defect_is_mended_and_nothing_else_changes(name: str, indent: int | None, tmp_path: Path) -> None:
    _, code, is_safe = SEEDS[name]
    path = seeded(tmp_path, name)
    if indent:
        path.write_text(json.dumps(json.loads(path.read_text()), indent=indent))
    before = path.read_bytes()
    ignored = ["REF112", "CAT104"]
    validation, done = mend(lambda: validate(path, ignore=ignored, fixes=True), unsafe=not is_safe)
    assert [(each.finding.code, each.is_safe) for each in done] == [(code, is_safe)]
    assert validation.findings == []
    after = path.read_bytes()
    start = common(before, after)
    end = common(before[start:][::-1], after[start:][::-1])
    if " of no " in f" {name} ":
        assert after == (json.dumps(clean(), indent=indent)).encode()
    else:
        assert max(len(before), len(after)) - start - end <= len(', "bbox": [2.0, 3.0, 10.0, 10.0]')


def test_safe_fixes_alone_leave_what_changes_a_meaning(tmp_path: Path) -> None:
    path = seeded(tmp_path, "id twice")
    before = path.read_bytes()
    validation, done = mend(lambda: validate(path, fixes=True), unsafe=False)
    assert done == []
    assert [each.code for each in validation.findings if each.code != "REF112"] == ["REF102"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("orphans", [[0], [0, 1], [2, 3], [3, 4], [1, 3], [0, 1, 2, 3, 4], [0, 4]])
def test_elements_leave_a_list_with_their_commas(orphans: list[int], tmp_path: Path) -> None:
    said = clean()
    entries = [{**CHAIR, "id": key + 1, "bbox": [key, 5, 9, 9]} for key in range(5)]
    said["annotations"] = [{**each, "image_id": 7 if k in orphans else 1} for k, each in enumerate(entries)]
    path = written(tmp_path, said)
    mend(lambda: validate(path, select=["REF104"], fixes=True), unsafe=True)
    kept = json.loads(path.read_text())["annotations"]
    assert [each["id"] - 1 for each in kept] == [k for k in range(5) if k not in orphans]
    assert path.read_text() == json.dumps(json.loads(path.read_text()))


def test_a_byte_order_mark_goes_and_offsets_count_it(tmp_path: Path) -> None:
    path = seeded(tmp_path, "id zero")
    text = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + text)
    _, done = mend(lambda: validate(path, select=["STR109", "REF111"], fixes=True), unsafe=True)
    assert [each.finding.code for each in done] == ["REF111", "STR109"]
    assert path.read_bytes() == re.sub(rb'"id": 0\b', b'"id": 4', text)


def test_fixes_of_the_same_bytes_take_turns(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b'{"x": 1}')
    assert b"".join(edited(file, [Edit(file, 6, 7, b"22")])) == b'{"x": 22}'
    said = clean()
    said["annotations"] += [{**CHAIR, "id": 1, "image_id": 7}]
    path = written(tmp_path, said)
    first = plan(validate(path, select=["REF"], fixes=True), unsafe=True)
    assert (len(first.fixes), first.waiting) == (1, 1)
    _, done = mend(lambda: validate(path, select=["REF102", "REF104"], fixes=True), unsafe=True)
    assert {each.finding.code for each in done} == {"REF102", "REF104"}
    assert json.loads(path.read_text()) == clean()


def test_a_preview_shows_the_changed_place_and_changes_nothing(tmp_path: Path) -> None:
    path = seeded(tmp_path, "id zero")
    before = path.read_bytes()
    out = StringIO()
    diff.write(plan(validate(path, select=["REF111"], fixes=True), unsafe=True), tmp_path, out)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["--- a/instances_val.json", "+++ b/instances_val.json"]
    assert [line[0] for line in lines[2:]] == ["@", "-", "+"]
    assert '"id": 4' in lines[4]
    assert path.read_bytes() == before


def test_a_preview_of_lines_that_can_be_read_is_a_patch(tmp_path: Path) -> None:
    path = seeded(tmp_path, "id zero")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    out = StringIO()
    diff.write(plan(validate(path, select=["REF111"], fixes=True), unsafe=True), tmp_path, out)
    changed = [line for line in out.getvalue().splitlines()[2:] if line[0] in "+-"]
    assert changed == ['-   "id": 0,', '+   "id": 4,']


# --- whole or not at all -----------------------------------------------------------------------------------


def two_files(tmp: Path) -> Plan:
    files = [tmp / name for name in ("a.json", "b.json")]
    for file in files:
        file.write_bytes(b"0123456789")
    return Plan(edits={file: [Edit(file, 2, 4, b"x")] for file in files})


def test_all_files_are_written_and_nothing_is_left_beside_them(tmp_path: Path) -> None:
    made = two_files(tmp_path)
    (tmp_path / "a.json").chmod(0o640)
    apply(made, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "a.json": b"01x456789",
        "b.json": b"01x456789",
    }
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_if_one_file_cannot_be_written_none_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = two_files(tmp_path)
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "b.json" and self.name.endswith("-new"):
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DestinationError, match=r"b\.json: cannot be written \(No space left on device\)"):
        apply(made, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "b.json"]
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {b"0123456789"}


def test_a_file_that_a_link_leads_to_elsewhere_is_not_written(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    (tmp_path / "mine.json").write_bytes(b"0123456789")
    (root / "a.json").symlink_to(tmp_path / "mine.json")
    made = Plan(edits={root / "a.json": [Edit(root / "a.json", 0, 1, b"x")]})
    with pytest.raises(DestinationError, match="a link that leaves the data set"):
        apply(made, root)
    assert (tmp_path / "mine.json").read_bytes() == b"0123456789"


def test_a_file_that_is_read_only_stays_as_it_is() -> None:
    """Not below pytest's own folder, which nobody else may enter; root may write everything."""
    with TemporaryDirectory() as name:
        root, is_root = Path(name), os.geteuid() == 0
        root.chmod(0o777)
        made = two_files(root)
        (root / "a.json").chmod(0o444)
        try:
            if is_root:
                os.seteuid(65534)
            with pytest.raises(DestinationError, match=r"a\.json: is read-only; .*; nothing was mended"):
                apply(made, root)
        finally:
            if is_root:
                os.seteuid(0)
        assert {file.name: file.read_bytes() for file in root.iterdir()} == {
            "a.json": b"0123456789",
            "b.json": b"0123456789",
        }


def test_what_a_killed_run_left_is_replaced_and_never_written_through(tmp_path: Path) -> None:
    made = two_files(tmp_path)
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / ".a.json.labelkit-new").symlink_to(tmp_path / "mine")
    (tmp_path / ".b.json.labelkit-old").symlink_to(tmp_path / "mine")
    apply(made, tmp_path)
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "b.json", "mine"]
    assert (tmp_path / "a.json").read_bytes() == b"01x456789"


def test_a_missing_area_of_an_rle_is_its_pixels(tmp_path: Path) -> None:
    said = clean()
    said["annotations"][1].pop("area")
    path = written(tmp_path, said)
    mend(lambda: validate(path, select=["STR112"], fixes=True), unsafe=False)
    assert sum(RLE["counts"][1::2]) == json.loads(path.read_text())["annotations"][1]["area"]


# --- images ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_an_image_is_turned_as_exif_says(name: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a gradient"
    stored = Image.linear_gradient("L").resize((40, 60)).rotate(20).convert("RGB")
    stored.save(tmp_path / name, exif=exif, lossless=True, quality=90)
    with Image.open(tmp_path / name) as image:
        shown = np.asarray(ImageOps.exif_transpose(image), dtype=np.int16)
    said = clean()
    said["images"] = [{**said["images"][0], "file_name": name}]
    said["annotations"] = said["annotations"][:2]
    path = written(tmp_path, said)
    annotations = path.read_bytes()
    validation, done = mend(lambda: validate(path, fixes=True), unsafe=True)
    assert [each.finding.code for each in done] == ["CNV107"]
    assert validation.findings == []
    assert path.read_bytes() == annotations
    with Image.open(tmp_path / name) as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010E] == "a gradient"
        difference = np.abs(np.asarray(image.convert("RGB"), dtype=np.int16) - shown)
    assert difference.mean() <= (1.5 if name == "a.jpg" else 0)

"""Nothing that a file says ends a run: data sets that hypothesis breaks, and what fuzzing has found.

``benchmarks/fuzz_validate.py`` looks further, outside CI. What must be so is in ``fuzz_survival``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from fuzz_breaks import break_set
from fuzz_sets import SETS, Made, coco_set, instances, panoptic_set, results_set
from fuzz_survival import survives, validated
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit.errors import UsageError

DEPTH = int(os.environ.get("LABELKIT_DEPTH", "1"))  # more examples for whoever has the time


@pytest.mark.parametrize("name", SETS)
def test_what_is_broken_was_whole(name: str, tmp_path: Path) -> None:
    made = SETS[name](tmp_path)
    assert not validated(made).fails("error")
    assert survives(made)


@pytest.mark.parametrize("name", SETS)
@settings(max_examples=12 * DEPTH)
@given(random=st.randoms(use_true_random=False))
def test_a_broken_data_set_is_checked_written_counted_and_mended(name: str, random: Random) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder) / "set"
        root.mkdir()
        made = SETS[name](root)
        break_set(random, root)
        survives(made)


# --- what fuzzing has found --------------------------------------------------------------------------------

Said = dict[str, Any]


def coco(root: Path, change: Callable[[Said], object]) -> Made:
    """The set of COCO documents with other instances."""
    made = coco_set(root)
    said = instances()
    change(said)
    (root / "annotations" / "instances_val.json").write_text(json.dumps(said), "utf-8")
    return made


def codes(made: Made) -> set[str]:
    return {finding.code for finding in validated(made).findings}


def test_a_link_in_a_circle_beside_the_images_is_no_image(tmp_path: Path) -> None:
    made = panoptic_set(tmp_path)
    before = codes(made)
    (tmp_path / "val" / "c.jpg").symlink_to("c.jpg")
    assert codes(made) == before
    assert survives(made)


def test_a_broken_file_that_results_are_of_is_a_finding(tmp_path: Path) -> None:
    made = results_set(tmp_path)
    truth = made.options["gt"]
    truth.write_bytes(truth.read_bytes()[:-30])
    assert "STR101" in codes(made)
    assert survives(made)
    truth.unlink()
    assert codes(made) >= {"STR101"}


def test_a_split_that_no_folder_can_be_named_like_has_no_images(tmp_path: Path) -> None:
    made = coco(tmp_path, lambda said: said.update(labelkit={"split": "x" * 300}))
    assert "REF106" in codes(made)
    assert survives(made)


@pytest.mark.parametrize(
    ("kind", "name"), [("coco", "a.jpg"), ("panoptic", "a.png"), ("jsonl", "a.jpg"), ("voc", "2007_000027")]
)
def test_a_name_that_no_file_can_have_is_that_of_no_file(kind: str, name: str, tmp_path: Path) -> None:
    made = SETS[kind](tmp_path)
    before = codes(made)
    for file in tmp_path.rglob("*"):
        if file.suffix in (".json", ".jsonl", ".txt", ".xml"):
            file.write_text(file.read_text().replace(name, "x" * 300 + name))
    assert codes(made) - before
    assert survives(made)


@pytest.mark.parametrize("kind", ["annotations", "images", "categories"])
def test_an_id_of_false_is_no_id_of_a_place(kind: str, tmp_path: Path) -> None:
    made = coco(tmp_path, lambda said: said[kind][0].update(id=False))
    assert all(each.at is None or each.at.id is not False for each in validated(made).findings)
    assert survives(made)


def test_images_of_which_only_one_side_is_known_have_no_aspect(tmp_path: Path) -> None:
    def change(said: Said) -> None:
        for image, side in zip(said["images"], ("width", "height"), strict=True):
            del image[side]

    assert survives(Made(coco(tmp_path, change).source / "annotations" / "instances_val.json"))


def test_an_image_that_two_records_describe_is_told_once(tmp_path: Path) -> None:
    made = SETS["jsonl"](tmp_path)
    file = tmp_path / "records.jsonl"
    *lines, last = file.read_text().replace('"width": 60', '"width": 59').splitlines(keepends=True)
    file.write_text("".join([*lines, last, last]))
    found = [each for each in validated(made).findings if each.code == "IMG104"]
    assert [each.at and each.at.image for each in found] == ["a.jpg", "b.jpg"]
    assert survives(made)


@pytest.mark.parametrize("kind", ["coco", "jsonl"])
@pytest.mark.parametrize("more", [{}, {"score": 0.5}, {"attributes": {"age": 4}}, {"difficult": True}])
def test_a_copy_that_says_more_is_not_safely_removed(kind: str, more: Said, tmp_path: Path) -> None:
    """Of a detector's results two can have one box; which score is right, nobody knows."""
    made = SETS[kind](tmp_path)
    if kind == "coco":
        said = instances()
        said["annotations"].append({**said["annotations"][3], "id": 9, **more})
        (tmp_path / "annotations" / "instances_val.json").write_text(json.dumps(said), "utf-8")
    else:
        file = tmp_path / "records.jsonl"
        head, first, second = map(json.loads, file.read_text().splitlines())
        first["objects"].append({**first["objects"][1], "uid": "9", **more})
        file.write_text("".join(json.dumps(each) + "\n" for each in (head, first, second)), "utf-8")
    done = validated(made)
    (copy,) = [place for place, each in enumerate(done.findings) if each.code == "GEO115"]
    assert done.fixes[copy].is_safe is not bool(more)
    assert survives(made)


# --- what may not be read ----------------------------------------------------------------------------------

_NOBODY = 65534


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder, and no rights but its owner's: root may read what is shut."""
    is_root = os.geteuid() == 0
    with TemporaryDirectory() as folder:
        if is_root:
            os.chown(folder, _NOBODY, _NOBODY)
            os.seteuid(_NOBODY)
        try:
            yield Path(folder)
        finally:
            if is_root:
                os.seteuid(0)


# The set, what of it is shut, and the codes that tell; none where what matters can be read all the same.
SHUT = {
    "a folder of lists": ("voc", "ImageSets/Main", 0o000, {"STR101", "SPL104"}),
    "lists that are listed only": ("voc", "ImageSets/Main", 0o400, {"STR101", "SPL104"}),
    "the annotations of VOC": ("voc", "Annotations", 0o000, {"STR101"}),
    "an annotation of VOC": ("voc", "Annotations/2007_000027.xml", 0o000, {"STR110", "SPL104"}),
    "a map of classes": ("voc", "SegmentationClass/2007_000027.png", 0o000, {"MSK108"}),
    "a document": ("coco", "annotations/labels_val.json", 0o000, {"STR101"}),
    "a city": ("cityscapes", "gtFine/val/testcity", 0o000, {"STR101"}),
    "the images": ("jsonl", "images", 0o000, {"REF112"}),
    "images that cannot be listed": ("jsonl", "images", 0o100, set()),
    "an image": ("jsonl", "images/a.jpg", 0o000, {"IMG101"}),
}


@pytest.mark.parametrize("name", SHUT)
def test_what_is_shut_is_told_and_ends_no_run(name: str, tmp_path: Path) -> None:
    kind, place, mode, expected = SHUT[name]
    before = codes(SETS[kind](tmp_path))  # and all modules are imported, while they may be read
    with nobody() as root:
        made = SETS[kind](root)
        (root / place).chmod(mode)
        try:
            found = validated(made).findings
        finally:
            (root / place).chmod(0o700)
    assert {each.code for each in found} - before == expected
    assert not [each.place for each in found if each.place.startswith("/")]


@pytest.mark.parametrize("place", ["annotations", "."])
def test_a_set_that_cannot_be_looked_into_is_of_no_known_format(place: str, tmp_path: Path) -> None:
    validated(SETS["coco"](tmp_path))
    with nobody() as root:
        made = SETS["coco"](root)
        (root / place).chmod(0)
        try:
            with pytest.raises(UsageError, match="is none of the formats"):
                validated(made)
        finally:
            (root / place).chmod(0o700)

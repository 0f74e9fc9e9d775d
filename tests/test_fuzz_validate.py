"""Nothing that a file says ends a run: data sets that hypothesis breaks, and what fuzzing has found.

``benchmarks/fuzz_validate.py`` looks further, outside CI. What must be so is in ``fuzz_survival``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
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

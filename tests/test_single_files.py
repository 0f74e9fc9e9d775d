"""A data set in one file has its images and its sidecar beside it, where others may have theirs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labelkit import convert, open_dataset
from labelkit.errors import DestinationError
from labelkit.formats import formats

SAMPLE = Path(__file__).parents[1] / "sample_data" / "jsonl"


@pytest.mark.parametrize("to", sorted(name for name, item in formats().items() if item.file_suffix))
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_others_have_beside_a_single_file_stays(tmp_path: Path, to: str, *, overwrite: bool) -> None:
    mine = tmp_path / "images" / "mine" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    (tmp_path / "labels.xml").write_text("mine")
    destination = tmp_path / f"out{formats()[to].file_suffix}"
    for again in (False, True) if overwrite else (False,):
        convert(SAMPLE, destination, to=to, only="boxes", splits="val", overwrite=again)
    assert mine.read_text() == "precious" and (tmp_path / "labels.xml").read_text() == "mine"
    assert len(list(open_dataset(destination, format=to))) == 3
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_another_image_of_the_same_name_is_in_the_way_of_a_single_file(tmp_path: Path) -> None:
    other = tmp_path / "images" / "train" / "rocket.jpg"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"another rocket")
    with pytest.raises(DestinationError, match=r"rocket\.jpg: is another file, and in the way"):
        convert(SAMPLE, tmp_path / "out.jsonl", to="jsonl")
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["images", "train", "rocket.jpg"]
    assert other.read_bytes() == b"another rocket"
    convert(SAMPLE, tmp_path / "out.jsonl", to="jsonl", overwrite=True)
    assert other.read_bytes() == (SAMPLE / "images" / "train" / "rocket.jpg").read_bytes()


@pytest.mark.parametrize("how", ["copy", "hardlink", "symlink"])
def test_images_that_lie_there_already_stay_what_they_are(tmp_path: Path, how: str) -> None:
    shutil.copytree(SAMPLE / "images", tmp_path / "images")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    convert(SAMPLE, tmp_path / "out.jsonl", to="jsonl")
    convert(tmp_path / "out.jsonl", tmp_path / "again.jsonl", to="jsonl", images=how)
    assert {path: path.read_bytes() for path in before} == before
    assert not any(path.is_symlink() for path in before)

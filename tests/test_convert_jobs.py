"""A conversion gives the same bytes and tells the same with any number of processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_image_order import jsonl

from labelkit.errors import BadRecordsError, DestinationError, UsageError
from labelkit.findings import Finding
from labelkit.formats import formats
from labelkit.formats.parquet import write as _  # noqa: F401  (it has a PART, which is made small below)
from labelkit.images import bring
from labelkit.loss import Ledger
from labelkit.model import Record
from labelkit.pipeline import Report, convert, open_dataset

SAMPLE = Path(__file__).parents[1] / "sample_data"
ROUTES = [*((name, "jsonl") for name in formats()), *(("jsonl", name) for name in formats())]


@pytest.fixture(autouse=True)
def small_parts_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image is a part of its own, and all but the first go to other processes at once."""
    monkeypatch.setattr("labelkit.engine.PATIENCE", 0.0)
    for name, module in list(sys.modules.items()):
        if name.startswith("labelkit.formats.") and hasattr(module, "PART"):
            monkeypatch.setattr(module, "PART", 1)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def told(report: Report) -> object:
    return {**report.as_json(), "destination": None, "source": None}


@pytest.mark.parametrize(("origin", "target"), ROUTES)
def test_any_number_of_processes_writes_the_same(origin: str, target: str, tmp_path: Path) -> None:
    source = SAMPLE / origin
    if len(open_dataset(source).reader.parts()) == 1:  # where parts are what was written together
        source = convert(source, tmp_path / "parts", to=origin).destination
    assert len(open_dataset(source).reader.parts()) > 1  # so that there is something to share
    alone = convert(source, tmp_path / "one" / "x", to=target)
    shared = convert(source, tmp_path / "two" / "x", to=target, jobs=2)
    assert told(alone) == told(shared)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_the_carrier_knows_comes_back_through_processes(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", ["m/9.png", "a/2.png", "z/1.png", "a/1.png"], ["val", "train"] * 2)
    convert(source, tmp_path / "b", to="voc")
    for jobs in (1, 2):
        convert(tmp_path / "b", tmp_path / f"c{jobs}", to="jsonl", jobs=jobs)
    assert contents(tmp_path / "c1") == contents(tmp_path / "c2")
    assert [line["image"]["path"] for line in lines(tmp_path / "c2")][:2] == ["m/9.png", "a/2.png"]


def lines(root: Path) -> list[dict[str, dict[str, str]]]:
    text = (root / "records.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()[1:]]


def test_carried_entries_that_no_process_used_are_told_once(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", ["a.png", "b.png", "c.png", "d.png"], ["train"] * 4)
    convert(source, tmp_path / "b", to="cityscapes")
    gone = next((tmp_path / "b").rglob("*_polygons.json"))
    for file in gone.parent.glob(f"{gone.name.rpartition('_polygons')[0]}*"):
        file.unlink()
    alone, shared = (convert(tmp_path / "b", tmp_path / f"c{n}", to="jsonl", jobs=n) for n in (1, 2))
    assert alone.ledger.counts["ODD009"] == shared.ledger.counts["ODD009"] == 1


@pytest.mark.parametrize("images", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_two_images_of_one_place_are_refused_whoever_brings_them(
    jobs: int, images: str, tmp_path: Path
) -> None:
    source = pictures(tmp_path / "a")
    with pytest.raises(DestinationError, match=r"two images: 'a.png' and 'c.png'"):
        convert(source, tmp_path / "b", to="jsonl", images=images, jobs=jobs, edit=third_as_first)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("images", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("paths", [["a.png", "a.png/b.png"], ["a.png/b.png", "a.png"]])
def test_an_image_whose_place_is_a_folder_is_not_dropped_in_silence(
    paths: list[str], images: str, tmp_path: Path
) -> None:
    source = pictures(tmp_path / "a")
    places = dict(zip(("a.png", "b.png", "c.png"), [*paths, "c.png"], strict=True))

    def moved(record: Record) -> Record:
        return record.model_copy(
            update={"image": record.image.model_copy(update={"path": places[record.image.path]})}
        )

    with pytest.raises(DestinationError, match="writing failed"):
        convert(source, tmp_path / "b", to="jsonl", images=images, edit=moved)
    assert not (tmp_path / "b").exists()


def pictures(root: Path) -> Path:
    source = jsonl(root, ["a.png", "b.png", "c.png"], ["train"] * 3)
    (source / "images").mkdir(exist_ok=True)
    for name in ("a.png", "b.png", "c.png"):
        (source / "images" / name).write_bytes(name.encode())
    return source


@pytest.mark.parametrize("broken", ["a.png", "c.png"])
def test_only_an_image_that_came_has_a_place_in_every_part(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pictures(tmp_path / "a")

    def breaking(file: Path, place: Path, how: str) -> None:
        if file.name == broken:
            raise ValueError("broken")
        bring(file, place, how)

    monkeypatch.setattr("labelkit.conversion.bring", breaking)
    if broken == "c.png":  # would have had the place of a.png, which came
        with pytest.raises(DestinationError, match=r"two images: 'a.png' and 'c.png'"):
            convert(source, tmp_path / "b", to="jsonl", on_error="skip", edit=third_as_first)
        return
    report = convert(source, tmp_path / "b", to="jsonl", on_error="skip", edit=third_as_first)
    assert [error.found for error in report.errors] == ["broken"]
    assert (tmp_path / "b/images/a.png").read_bytes() == b"c.png"


def third_as_first(record: Record) -> Record:
    if record.image.path != "c.png":
        return record
    return record.model_copy(update={"image": record.image.model_copy(update={"path": "a.png"})})


def test_all_problems_are_told_in_their_order(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", [f"{k}.png" for k in range(6)], ["train"] * 6)
    file = source / "records.jsonl"
    rows = file.read_text("utf-8").splitlines()
    rows[2], rows[5] = "{", "[]"
    file.write_text("\n".join(rows) + "\n", "utf-8")
    said = []
    for jobs in (1, 2):
        with pytest.raises(BadRecordsError) as caught:
            convert(source, tmp_path / "b", to="coco", jobs=jobs)
        said.append([str(error) for error in caught.value.errors])
    assert said[0] == said[1]
    assert [":3" in said[0][0], ":6" in said[0][1], len(said[0])] == [True, True, 2]
    assert not (tmp_path / "b").exists()


def test_an_edit_that_no_process_can_be_given_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a function that stands in a module"):
        convert(SAMPLE / "coco", tmp_path / "b", to="voc", jobs=2, edit=lambda record: record)


def test_progress_counts_every_image_once(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", [f"{k}.png" for k in range(5)], ["train"] * 5)
    seen: list[tuple[int, int | None]] = []
    convert(source, tmp_path / "b", to="voc", jobs=2, progress=lambda *told: seen.append(told))
    assert seen == [(k, 5) for k in range(1, 6)]


def test_ledgers_of_parts_add_up_to_that_of_the_whole() -> None:
    findings = [Finding("LOS105", f"{k}.png", f"message {k % 30}", count=k % 3 + 1) for k in range(200)]
    whole, joined = Ledger(), Ledger()
    for finding in findings:
        whole.add(finding, carried=False)
    for start in range(0, 200, 7):
        part = Ledger(kinds=sys.maxsize)
        for finding in findings[start : start + 7]:
            part.add(finding, carried=False)
        joined.merge(part)
    assert joined.as_json() == whole.as_json()
    assert joined.uncarried == whole.uncarried


BUSY = """
import sys
import labelkit.engine
from labelkit.cli import main
labelkit.engine.PATIENCE = 0.0
if __name__ == "__main__":
    main(sys.argv[1:])
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ctrl_c_ends_all_processes_and_leaves_nothing(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a", [f"{k}.png" for k in range(60_000)], ["train"] * 60_000)
    arguments = ["convert", str(source), str(tmp_path / "b"), "--to", "voc", "--jobs", "2"]
    script = tmp_path / "busy.py"
    script.write_text(BUSY)
    run = subprocess.Popen(
        [sys.executable, str(script), *arguments], stderr=subprocess.PIPE, start_new_session=True
    )
    while not list(tmp_path.glob(".b.labelkit-new.*/b/.pieces/00000003")):
        assert run.poll() is None, run.stderr
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)
    try:
        _, text = run.communicate(timeout=300)  # many files are deleted, however busy the disk is
    finally:
        run.kill()
    assert run.returncode == 130
    assert b"Traceback" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "busy.py"]

"""Runs of ``labelkit prelabel``: stopped in every way, they go on, and end in the same bytes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pictures
from seeded import checkpoint, class_file, photos, pixels, tree
from shapes import SIZES
from test_laws import write_jsonl

import labelkit.journal
from labelkit import open_dataset, prelabel
from labelkit.errors import DestinationError, FormatError, ModelError, UsageError
from labelkit.model import BoundingBox, Box, Category, Header, Image, Instance, Mask, Polygons, Record
from labelkit.pixels import mask_runs
from labelkit.prelabelling import Run, run_folder

NAMES = ["dog", "cat", "bird"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, its classes, and photos."""
    folder = tmp_path_factory.mktemp("home")
    checkpoint(folder, "resnet18", 3)
    class_file(folder, NAMES)
    photos(folder / "photos", 11)
    return folder


def options(home: Path, **rest: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "task": "classification",
        "model": "resnet18",
        "weights": str(home / "resnet18-3-0.pth"),
        "classes": home / "classes.txt",
        "transform_options": {"resize_size": 48, "crop_size": 48},
        "batch_size": 2,
        "device": "cpu",
        "top_k": 2,
    }
    return said | rest


def run(home: Path, to: Path, source: Path | None = None, **rest: Any) -> Run:
    return prelabel(source or home / "photos", to, **options(home, **rest))


def arguments(home: Path, to: Path) -> list[str]:
    said = options(home)
    words = [sys.executable, "-m", "labelkit", "prelabel", str(home / "photos"), str(to), "--top-k", "2"]
    for name in ("task", "model", "weights", "classes", "device"):
        words += [f"--{name}", str(said[name])]
    words += ["--batch-size", "2", "--transform", "resize_size=48", "--transform", "crop_size=48"]
    return words


def both(to: Path) -> dict[str, bytes]:
    """All that a run left: the labels and its record, by name."""
    return {**tree(to), **{f"run/{name}": data for name, data in tree(run_folder(to)).items()}}


@pytest.fixture(scope="module")
def whole(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted run leaves."""
    to = tmp_path_factory.mktemp("whole") / "out"
    done = run(home, to)
    assert (done.predicted, done.tally.counts["images"]) == (11, 11)
    return both(to)


def test_two_runs_leave_the_same_bytes(home: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    run(home, tmp_path / "out")
    assert both(tmp_path / "out") == whole


def test_progress_counts_images_that_are_labelled(home: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    run(home, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    batches = [(done, 11) for done in (2, 4, 6, 8, 10, 11)]
    assert told[:6] == batches  # then they are written
    assert told[6:] == [(11, 11)]
    told.clear()
    run(home, tmp_path / "out", resume=True, overwrite=True, progress=lambda *said: told.append(said))
    assert told == [*batches, (11, 11)]


def test_workers_leave_the_same_bytes(home: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    run(home, tmp_path / "out", workers=2)
    assert both(tmp_path / "out") == whole


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_goes_on_and_ends_in_the_same_bytes(
    home: Path, whole: dict[str, bytes], tmp_path: Path, sent: signal.Signals
) -> None:
    to = tmp_path / "out"
    journal = run_folder(to) / labelkit.journal.FILE
    with subprocess.Popen(arguments(home, to), stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 2):
            time.sleep(0.001)
        process.send_signal(sent)
        _, said = process.communicate()
    if process.returncode == 0:
        pytest.fail("the run was over before it could be stopped: give it more to do")
    assert not to.exists()
    if sent is not signal.SIGKILL:
        assert process.returncode == 128 + sent
        assert b"what was predicted is kept: --resume goes on with it" in said and b"Traceback" not in said
    done = run(home, to, resume=True)
    assert 0 < done.predicted < 11
    assert both(to) == whole


@pytest.mark.parametrize(("cut", "lost"), [(1, 1), (40, 1), (700, 3)])
def test_a_torn_journal_loses_its_last_batch_only(
    home: Path, whole: dict[str, bytes], tmp_path: Path, cut: int, lost: int
) -> None:
    to = tmp_path / "out"
    run(home, to)
    shutil.rmtree(to)
    journal = run_folder(to) / labelkit.journal.FILE
    journal.write_bytes(journal.read_bytes()[:-cut])
    done = run(home, to, resume=True)
    assert done.predicted == lost  # the last batch has one image, those before it two
    assert both(to) == whole


def test_a_full_disk_keeps_the_batches_that_are_done(
    home: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    to = tmp_path / "out"

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    done = subprocess.run(arguments(home, to), capture_output=True, preexec_fn=limit, check=False)
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    assert b"batches are kept; --resume goes on with the next" in done.stderr, done.stderr
    assert not to.exists()
    assert 0 < run(home, to, resume=True).predicted < 11
    assert both(to) == whole


def test_another_threshold_needs_no_model(home: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    first = run(home, to)
    kept = [line["record"]["labels"] for line in entries(to)]
    middle = sorted(x["score"] for labels in kept for x in labels)[10]
    again = run(home, to, resume=True, overwrite=True, threshold=str(middle))
    assert (first.predicted, again.predicted) == (11, 0)
    scores = [label.score for record in open_dataset(to) for label in record.labels]
    assert sorted(scores) == sorted(x["score"] for labels in kept for x in labels if x["score"] >= middle)
    assert 0 < len(scores) < sum(map(len, kept))


def entries(to: Path) -> list[dict[str, Any]]:
    """What the journal says of every image."""
    lines = (run_folder(to) / labelkit.journal.FILE).read_text("utf-8").splitlines()[1:]
    return [entry for line in lines for entry in json.loads(line)["images"]]


def test_a_threshold_under_what_is_kept_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing under 0.3 is kept"):
        run(home, tmp_path / "out", keep_threshold=0.3, threshold="0.2")
    assert list(tmp_path.iterdir()) == []


def test_going_on_with_other_options_is_refused_by_name(home: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    run(home, to)
    with pytest.raises(UsageError, match=r"--resume: the run in .* has batch_size 2, this one 3"):
        run(home, to, resume=True, overwrite=True, batch_size=3)


def test_a_run_that_is_there_is_neither_taken_nor_lost_unasked(home: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    run(home, to)
    shutil.rmtree(to)
    before = tree(run_folder(to))
    with pytest.raises(DestinationError, match="--resume goes on with it, --overwrite begins a new one"):
        run(home, to)
    assert tree(run_folder(to)) == before
    assert run(home, to, overwrite=True).predicted == 11


def test_a_destination_that_is_there_is_refused_before_anything_is_predicted(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(DestinationError, match="exists already"):
        run(home, tmp_path / "out")
    assert not run_folder(tmp_path / "out").exists()


def test_two_runs_to_one_place_do_not_mix(home: Path, tmp_path: Path) -> None:
    journal = labelkit.journal.Journal(run_folder(tmp_path / "out"), {}, resume=False, overwrite=False)
    with pytest.raises(DestinationError, match="another run is writing it"):
        run(home, tmp_path / "out", overwrite=True)
    journal.close()


def test_an_image_that_has_changed_is_predicted_again_and_all_behind_it(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    shutil.copytree(home / "photos", source)
    run(home, tmp_path / "out", source)
    paths = [entry["path"] for entry in entries(tmp_path / "out")]
    shutil.copy(source / paths[0], source / paths[4])
    done = run(home, tmp_path / "out", source, resume=True, overwrite=True)
    assert done.predicted == 7  # batches of two: the third, and all behind it
    run(home, tmp_path / "fresh", source)
    assert both(tmp_path / "out") == both(tmp_path / "fresh")


def test_a_broken_image_is_told_and_ends_nothing(home: Path, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos", 3)
    (source / "a" / "x.jpg").write_bytes(b"no image")
    cut = (source / "a" / "002.png").read_bytes()[:300]
    (source / "a" / "002.png").write_bytes(cut)
    to = tmp_path / "out"
    done = run(home, to, source)
    assert [path for path, _ in done.tally.faults] == ["a/002.png", "a/x.jpg"]
    assert [record.image.path for record in open_dataset(to)] == ["a/001.png", "b c/000.png"]
    said = json.loads((run_folder(to) / "run.json").read_text())["images"]
    assert [(item["image"], "fault" in item) for item in said] == [
        ("a/001.png", False), ("a/002.png", True), ("a/x.jpg", True), ("b c/000.png", False),
    ]  # fmt: skip


def test_a_set_without_its_images_is_not_written_as_if_nothing_were_on_them(
    home: Path, tmp_path: Path
) -> None:
    source = labelled(tmp_path / "set", home)
    shutil.rmtree(source / "images")
    with pytest.raises(FormatError, match=r"no image could be labelled .*no such image file.*--images-dir"):
        run(home, tmp_path / "out", source)
    assert not (tmp_path / "out").exists()
    assert run(home, tmp_path / "out", source, images_dir=home / "photos", resume=True).predicted == 6


def test_an_image_with_nothing_on_it_is_told_apart_from_one_that_nobody_looked_at(
    home: Path, tmp_path: Path
) -> None:
    to = tmp_path / "out"
    done = run(home, to, top_k=1, multi_label=True, keep_threshold=1.0, threshold="1")
    assert done.tally.counts["images without a prediction"] == 11
    said = json.loads((run_folder(to) / "run.json").read_text())
    assert [item["kept"] for item in said["images"]] == [0] * 11
    assert len(list(open_dataset(to))) == 11


def test_the_queue_has_the_least_certain_first(home: Path, tmp_path: Path) -> None:
    run(home, tmp_path / "out", order="uncertainty")
    lines = (run_folder(tmp_path / "out") / "queue.jsonl").read_text().splitlines()
    queue = [json.loads(line) for line in lines]
    unsure = [item["uncertainty"] for item in queue]
    assert unsure == sorted(unsure, reverse=True) and len(set(unsure)) > 5
    best = {e["path"]: e["record"]["labels"][0]["score"] for e in entries(tmp_path / "out")}
    assert {q["image"]: q["uncertainty"] for q in queue} == {
        path: round(1 - score, 6) for path, score in best.items()
    }


def test_windows_are_passed_in_order_whatever_the_sizes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
) -> None:
    """A detector's images share a batch by size, so that the journal's order is not that of the data set."""
    folder = tmp_path / "model"
    folder.mkdir()
    file = checkpoint(folder, "ssdlite320_mobilenet_v3_large", 4, weights_backbone=None)
    said = options(
        home, task="detection", model="ssdlite320_mobilenet_v3_large", weights=str(file),
        transform_options={}, keep_threshold=0.0, threshold="0", max_per_image=2, batch_size=4, top_k=1,
    )  # fmt: skip
    monkeypatch.setattr("labelkit.predict.plan.WINDOW", 5)
    prelabel(home / "photos", tmp_path / "out", **said)
    order = [entry["path"] for entry in entries(tmp_path / "out")]
    records = list(open_dataset(tmp_path / "out"))
    paths = [record.image.path for record in records]
    assert paths == sorted(paths) and order != paths and sorted(order) == paths
    by_path = {entry["path"]: entry["record"]["objects"] for entry in entries(tmp_path / "out")}
    for record in records:
        assert [item.score for item in record.objects] == [x["score"] for x in by_path[record.image.path]]


# --- what is there already ---------------------------------------------------------------------------------


def by_path(root: Path) -> list[Record]:
    return sorted(open_dataset(root), key=lambda record: record.image.path)


def labelled(root: Path, home: Path) -> Path:
    """A data set in which a human has drawn one dog on some images."""
    items = []
    for number in range(6):
        path = f"{'a' if number % 3 else 'b c'}/{number:03}.png"
        width, height = SIZES[number % 2]
        box = BoundingBox(category="horse", box=Box(1.25, 2, 30, 40), uid=f"human-{number}")
        items.append(
            Record(
                image=Image(path=path, width=width, height=height), objects=(box,) if number % 2 else (),
            )
        )  # fmt: skip
    made = write_jsonl(root, Header(categories=(Category(name="horse"),)), items)
    shutil.copytree(home / "photos", made / "images")
    return made


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    return checkpoint(folder, "ssdlite320_mobilenet_v3_large", 4, weights_backbone=None)


def detection(home: Path, detector: Path, **rest: Any) -> dict[str, Any]:
    return options(
        home, task="detection", model="ssdlite320_mobilenet_v3_large", weights=str(detector),
        transform_options={}, keep_threshold=0.0, threshold="0", max_per_image=3, top_k=1, **rest,
    )  # fmt: skip


@pytest.mark.parametrize("to", ["coco", "voc", "jsonl"])
def test_a_humans_labels_are_never_touched(home: Path, detector: Path, tmp_path: Path, to: str) -> None:
    source = labelled(tmp_path / "set", home)
    done = prelabel(source, tmp_path / "out", to=to, **detection(home, detector))
    before, after = by_path(source), by_path(tmp_path / "out")
    assert [record.image.path for record in after] == [record.image.path for record in before]
    for old, new in zip(before, after, strict=True):
        assert new.objects[: len(old.objects)] == old.objects or to != "jsonl"
        assert [(o.category, o.box, o.uid) for o in new.objects[: len(old.objects)]] == [
            (o.category, o.box, o.uid) for o in old.objects
        ]
        for item in new.objects[len(old.objects) :]:
            assert item.provenance is not None and item.provenance.status == "pending"
            assert item.provenance.run == done.id and item.provenance.score == item.score and item.uid
    uids = [item.uid for record in after for item in record.objects]
    assert len(set(uids)) == len(uids) > 10
    assert done.tally.triage["human only"] + done.tally.triage["class clash"] == 3


def test_labels_are_replaced_where_that_is_said(home: Path, detector: Path, tmp_path: Path) -> None:
    source = labelled(tmp_path / "set", home)
    done = prelabel(source, tmp_path / "out", existing="replace", **detection(home, detector))
    assert done.tally.counts["labels replaced"] == 3
    assert all(item.provenance for record in open_dataset(tmp_path / "out") for item in record.objects)


def test_images_that_are_labelled_are_left_alone_where_that_is_said(
    home: Path, detector: Path, tmp_path: Path
) -> None:
    source = labelled(tmp_path / "set", home)
    done = prelabel(source, tmp_path / "out", existing="only-unlabelled", **detection(home, detector))
    assert (done.predicted, done.tally.counts["images that were labelled already"]) == (3, 3)
    for record in open_dataset(tmp_path / "out"):
        by_human = [item.provenance is None for item in record.objects]
        assert by_human == [True] or not any(by_human)


def test_uids_survive_every_format_and_the_way_on(home: Path, detector: Path, tmp_path: Path) -> None:
    source = labelled(tmp_path / "set", home)
    prelabel(source, tmp_path / "out", **detection(home, detector))
    labelkit.convert(tmp_path / "out", tmp_path / "voc", to="voc")
    labelkit.convert(tmp_path / "voc", tmp_path / "back", to="coco")
    said = [
        [
            (item.uid, item.score, item.provenance, item.category)
            for record in by_path(root)
            for item in record.objects
        ]
        for root in (tmp_path / "out", tmp_path / "voc", tmp_path / "back")
    ]
    assert said[0] == said[1] == said[2]


def test_the_images_of_a_glob_are_named_from_its_last_plain_folder(home: Path, tmp_path: Path) -> None:
    done = run(home, tmp_path / "out", Path(f"{home}/photos/*/00[0-3].png"))
    assert done.tally.counts["images"] == 4
    assert [record.image.path for record in open_dataset(tmp_path / "out")] == [
        "a/001.png", "a/002.png", "b c/000.png", "b c/003.png",
    ]  # fmt: skip


def test_names_of_the_set_are_given_by_a_map(home: Path, tmp_path: Path) -> None:
    table = {"dog": "Hund", "cat": "Katze"}
    run(home, tmp_path / "out", class_map=table, top_k=3, keep_threshold=0.0)
    names = {label.category for record in open_dataset(tmp_path / "out") for label in record.labels}
    assert names == {"Hund", "Katze", "bird"}


def test_thresholds_by_class_are_of_the_names_of_the_set(home: Path, tmp_path: Path) -> None:
    (tmp_path / "limits.json").write_text('{"Hund": 0.0, "*": 1.0}')
    run(
        home, tmp_path / "out", class_map={"dog": "Hund"}, top_k=3, keep_threshold=0.0,
        threshold=str(tmp_path / "limits.json"),
    )  # fmt: skip
    names = {label.category for record in open_dataset(tmp_path / "out") for label in record.labels}
    assert names == {"Hund"}


def test_wrong_words_are_refused_in_one_line(home: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [*arguments(home, tmp_path / "out"), "--device", "cuda:99"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stderr.startswith("labelkit: error: --device cuda:99: torch sees ")
    assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())


def test_without_a_network_one_line_says_what_is_missing(tmp_path: Path) -> None:
    environment = {**os.environ, "TORCH_HOME": str(tmp_path / "torch"), "https_proxy": "http://127.0.0.1:9"}
    words = [
        sys.executable,
        "-m",
        "labelkit",
        "prelabel",
        str(Path(__file__).parents[1] / "sample_data/coco"),
        "o",
    ]
    done = subprocess.run(
        [*words, "--task", "semantic"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "deeplabv3_resnet50_coco-cd0a2569.pth" in done.stderr and "TORCH_HOME" in done.stderr
    assert list(tmp_path.rglob("*.pth*")) == [] and not (tmp_path / "o").exists()


# --- what a careful stranger tried -------------------------------------------------------------------------


def segmented(root: Path, home: Path) -> Path:
    """A data set in which a human has outlined most of every image."""
    items = []
    for number in range(4):
        path = f"{'a' if number % 3 else 'b c'}/{number:03}.png"
        width, height = SIZES[number % 2]
        ring = [2.0, 2.0, width - 2.0, 2.0, width - 2.0, height * 0.7, 2.0, height * 0.7]
        items.append(
            Record(
                image=Image(path=path, width=width, height=height),
                objects=(
                    Instance(category="horse", mask=Mask.of(Polygons([[ring]])), uid=f"human-{number}"),
                ),
            )
        )
    made = write_jsonl(root, Header(categories=(Category(name="horse"),)), items)
    shutil.copytree(home / "photos", made / "images")
    return made


@pytest.mark.parametrize("to", ["voc", "coco"])
def test_the_pixels_of_a_humans_mask_stay_its_own(home: Path, tmp_path: Path, to: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    small = {"min_size": 64, "max_size": 96}
    file = checkpoint(folder, "maskrcnn_resnet50_fpn", 4, weights_backbone=None, **small)
    said = options(
        home, task="instance", model="maskrcnn_resnet50_fpn", weights=str(file), transform_options={},
        model_options=small, keep_threshold=0.0, threshold="0", max_per_image=12, top_k=1, batch_size=4,
    )  # fmt: skip
    source = segmented(tmp_path / "set", home)
    done = prelabel(source, tmp_path / "out", to=to, carrier=False, **said)
    assert done.tally.counts["labels written"] > 3
    before, after = by_path(source), by_path(tmp_path / "out")
    for old, new in zip(before, after, strict=True):
        first, second = old.objects[0], new.objects[0]
        assert first.kind == second.kind == "instance"
        assert mask_runs(new, second.mask).tolist() == mask_runs(old, first.mask).tolist()


@pytest.mark.parametrize("orientation", [3, 6])
def test_going_on_after_the_stated_size_has_changed_labels_anew(
    home: Path, detector: Path, tmp_path: Path, orientation: int
) -> None:
    def made(width: int | None, height: int | None, to: Path) -> Run:
        source = tmp_path / f"{to.name}-{width}x{height}"
        record = Record(image=Image(path="turned.png", width=width, height=height))
        write_jsonl(source, Header(), [record])
        exif = Pictures.Exif()
        exif[0x0112] = orientation
        (source / "images").mkdir()
        Pictures.fromarray(pixels(3, 60, 40)).save(source / "images" / "turned.png", exif=exif)
        again = run_folder(to).exists()
        return prelabel(source, to, resume=again, overwrite=again, **detection(home, detector))

    assert made(60, 40, tmp_path / "out").predicted == 1
    turned = (40, 60) if orientation == 6 else (None, None)
    assert made(*turned, tmp_path / "out").predicted == (1 if orientation == 6 else 0)
    made(*turned, tmp_path / "fresh")
    assert [r.objects for r in open_dataset(tmp_path / "out")] == [
        r.objects for r in open_dataset(tmp_path / "fresh")
    ]


def test_a_second_pass_gives_no_uid_twice_and_tells_what_waits_for_review(
    home: Path, detector: Path, tmp_path: Path
) -> None:
    prelabel(home / "photos", tmp_path / "first", to="jsonl", **detection(home, detector))
    moved = tmp_path / "moved"

    def aside(record: Record) -> Record:
        objects = list(record.objects)
        if objects and objects[0].box:
            objects[0] = objects[0].model_copy(update={"box": Box(0.0, 0.0, 2.0, 2.0)})
        return record.model_copy(update={"objects": tuple(objects)})

    labelkit.convert(tmp_path / "first", moved, to="jsonl", edit=aside)
    done = prelabel(moved, tmp_path / "second", to="jsonl", **detection(home, detector))
    assert done.tally.triage["waiting for review"] > 0 and done.tally.triage["human only"] == 0
    for record in open_dataset(tmp_path / "second"):
        uids = [item.uid for item in record.objects]
        assert len(set(uids)) == len(uids)
    again = prelabel(
        moved, tmp_path / "third", to="jsonl", existing="replace-pending", **detection(home, detector)
    )
    assert again.tally.counts["labels replaced"] > 0
    first, third = by_path(tmp_path / "first"), by_path(tmp_path / "third")
    assert [[o.box for o in r.objects] for r in third] == [[o.box for o in r.objects] for r in first]


def test_a_start_that_fails_takes_no_earlier_run_away_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    run(home, tmp_path / "out")
    before = both(tmp_path / "out")
    with pytest.raises(ModelError, match="has no tensor"):
        run(home, tmp_path / "out", model="resnet34", overwrite=True)
    assert both(tmp_path / "out") == before
    with pytest.raises(ModelError, match="has no tensor"):
        run(home, tmp_path / "new", model="resnet34")
    assert not run_folder(tmp_path / "new").exists()
    assert run(home, tmp_path / "new").predicted == 11


def test_going_on_with_other_images_throws_nothing_away(home: Path, tmp_path: Path) -> None:
    run(home, tmp_path / "out")
    before = both(tmp_path / "out")
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(home / "photos" / "a" / "001.png", other / "x.png")
    with pytest.raises(UsageError, match=r"is of other images: 'a/001.png' is where 'x.png' is now"):
        run(home, tmp_path / "out", other, resume=True, overwrite=True)
    assert both(tmp_path / "out") == before


def test_images_that_came_behind_the_last_cost_the_last_window(home: Path, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos", 5)
    run(home, tmp_path / "out", source)
    photos(source, 7)
    assert run(home, tmp_path / "out", source, resume=True, overwrite=True).predicted < 7
    run(home, tmp_path / "fresh", source)
    assert both(tmp_path / "out") == both(tmp_path / "fresh")


def test_an_image_that_no_model_can_take_is_a_fault_of_it_alone(
    home: Path, detector: Path, tmp_path: Path
) -> None:
    source = photos(tmp_path / "photos", 2)
    Pictures.fromarray(pixels(0, 3000, 1)).save(source / "narrow.png")
    folder = tmp_path / "model"
    folder.mkdir()
    for task, model in (("semantic", "lraspp_mobilenet_v3_large"), ("instance", "maskrcnn_resnet50_fpn")):
        small = {"min_size": 64, "max_size": 96} if task == "instance" else {}
        file = checkpoint(folder, model, 4, weights_backbone=None, **small)
        said = options(
            home,
            task=task,
            model=model,
            weights=str(file),
            transform_options={},
            model_options=small,
            top_k=1,
        )
        done = prelabel(source, tmp_path / task, **said)
        assert [path for path, _ in done.tally.faults] == ["narrow.png"], done.tally.faults
        assert done.tally.counts["images"] == 3


def test_a_glob_does_not_take_in_its_own_output(home: Path, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos", 3)
    pattern = f"{source}/**/*.png"
    done = [
        prelabel(pattern, source / "out", resume=again, overwrite=again, **options(home))
        for again in (False, True)
    ]
    assert [each.tally.counts["images"] for each in done] == [3, 3]


def test_a_journal_is_not_written_through_a_link(home: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    run_folder(tmp_path / "out").mkdir()
    (run_folder(tmp_path / "out") / labelkit.journal.FILE).symlink_to(victim)
    with pytest.raises(DestinationError, match="is no regular file"):
        run(home, tmp_path / "out", overwrite=True)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"nms_iou": 0.5}, "--nms-iou: does nothing for classification"),
        ({"task": "detection", "model": None, "top_k": 2}, "--top-k: does nothing for detection"),
        ({"batch_size": 0}, "--batch-size: 0; expected a number from 1 on"),
        ({"class_map": {"zebra": "x"}}, "--map: renames no class of the model"),
        ({"images_dir": "."}, "--images-dir: together with images"),
        ({"model_options": {"num_classes": 9}}, "--model-option num_classes: follows from"),
    ],
)
def test_options_that_do_nothing_are_refused(
    home: Path, tmp_path: Path, said: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(home, tmp_path / "out", **said)
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_has_no_place_for_the_labels_is_refused(home: Path, tmp_path: Path) -> None:
    said = options(home)
    with pytest.raises(
        UsageError, match="--to cityscapes: holds no image labels; expected one of coco, cvat"
    ):
        prelabel(home / "photos", tmp_path / "out", to="cityscapes", **said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["models"], ["prelabel", "photos", "out", "--task", "detection"]])
def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, words: list[str]) -> None:
    photos(tmp_path / "photos", 1)
    code = f"""
import sys
sys.modules["torch"] = sys.modules["torchvision"] = None
from labelkit.cli import main
main({words!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert 'pip install "labelkit-vision[prelabel]"' in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]

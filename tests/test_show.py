"""``labelkit show`` as a user meets it: what is drawn into which files, what is told, how it fails."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import HEADER, RECORDS, box, halves, image, photograph, written
from PIL import Image
from test_cli import entries, labelkit

import labelkit as library
from labelkit.errors import DestinationError, UsageError
from labelkit.model import Category, Header, ImageLabel
from labelkit.model import Image as ModelImage
from labelkit.showing import default_destination, show

SAMPLE = Path(__file__).parents[1] / "sample_data"
DOG = (10, 200, 30)


def files(root: Path) -> dict[str, str]:
    """Every file of a folder with a digest."""
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        assert opened.format == "PNG"
        return np.asarray(opened)


# --- what is made ------------------------------------------------------------------------------------------


def test_the_command_draws_every_image_and_says_where(tmp_path: Path) -> None:
    done = labelkit("show", written(tmp_path / "set"), "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'out'}: 5 images, 7 objects, 1 image label (index.html, images/)\n"
    made = ["a 10.jpg.png", "a 2.jpg.png", "b.jpg.png", "c/empty.jpg.png", "c/square.png"]
    assert sorted(files(tmp_path / "out")) == [f"images/{name}" for name in made] + ["index.html"]
    assert np.array_equal(pixels(tmp_path / "out/images/c/square.png")[:480][200:], photograph(4)[200:])
    square = pixels(tmp_path / "out/images/c/square.png")
    assert (square[30:60, 10] == DOG).all() and (square[59, 10:60] == DOG).all()
    assert not (square[60, 10:60] == DOG).all(axis=1).any()


def test_the_library_draws_what_the_command_draws(tmp_path: Path) -> None:
    source = written(tmp_path / "set")
    labelkit("show", source, "-o", tmp_path / "a")
    done = library.show(source, tmp_path / "b")
    assert (done.images, done.objects, done.is_whole, done.is_cut) == (5, 7, True, False)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_the_same_input_gives_the_same_bytes_with_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelkit.engine.PATIENCE", 0.0)  # else all is done here before processes start
    records = tuple(image(f"{k:03}.jpg", box("cat", k / 60)) for k in range(20))
    source = written(tmp_path / "set", records)
    show(source, tmp_path / "one")
    show(source, tmp_path / "two", jobs=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert len(files(tmp_path / "one")) == 21


@pytest.mark.parametrize("format", ["coco", "voc", "cityscapes", "jsonl"])
def test_the_samples_of_every_format_are_drawn_whole(tmp_path: Path, format: str) -> None:
    done = show(SAMPLE / format, tmp_path / "out")
    assert (done.images, done.errors, done.findings) == (7, [], [])
    assert len(files(tmp_path / "out")) == 8


def test_the_same_labels_look_the_same_from_two_formats(tmp_path: Path) -> None:
    for format in ("coco", "jsonl"):
        show(SAMPLE / format, tmp_path / format, gallery=False)
    assert files(tmp_path / "coco") == files(tmp_path / "jsonl")


@pytest.mark.parametrize(
    "name", ["cityscapes-golden", "coco-panoptic/sample_data", "voc-fridge/samples/fridge/odFridgeObjects"]
)
def test_real_data_is_drawn(tmp_path: Path, corpus: Path, name: str) -> None:
    done = show(corpus / name, tmp_path / "out", limit=2)
    assert done.images == 2
    assert not done.errors
    assert "ODD016" not in {finding.code for finding in done.findings}


# --- what is wanted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "images", "objects"),
    [
        ({"splits": "val"}, 2, 1),
        ({"images": "a *.jpg"}, 2, 4),
        ({"images": ["c/**", "b.jpg"]}, 3, 3),
        ({"classes": "cat"}, 5, 3),
        ({"min_score": 0.6}, 5, 5),
        ({"limit": 2}, 2, 3),
        ({"only": ["boxes", "labels"]}, 5, 7),
        ({"only": "instances"}, 5, 2),
        ({"png": False}, 5, 7),
        ({"gallery": False}, 5, 7),
    ],
)
def test_options_choose_what_is_drawn(
    tmp_path: Path, options: dict[str, Any], images: int, objects: int
) -> None:
    done = show(written(tmp_path / "set"), tmp_path / "out", **options)
    assert (done.images, done.objects, done.is_whole) == (images, objects, True)
    made = files(tmp_path / "out")
    assert ("index.html" in made) == options.get("gallery", True)
    pictures = [name for name in made if name.startswith("images/")]
    assert len(pictures) == (images if options.get("png", True) else 0)


def test_the_command_says_its_options_as_the_library_does(tmp_path: Path) -> None:
    source = written(tmp_path / "set")
    said = [
        "--split",
        "val",
        "--images",
        "*.png",
        "--classes",
        "dog,cat",
        "--only",
        "instances",
        "--min-score",
        "0",
    ]
    done = labelkit(
        "show", source, "-o", tmp_path / "out", *said, "--no-png", "--jobs", "1", "--from", "jsonl"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path / 'out'}: 1 image, 1 object (index.html)\n"


def test_a_score_that_is_no_number_from_0_to_1_is_a_wrong_use(tmp_path: Path) -> None:
    done = labelkit("show", written(tmp_path / "set"), "-o", tmp_path / "out", "--min-score", "nan")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--min-score: nan; expected a number from 0 to 1" in done.stderr


@pytest.mark.parametrize(
    ("fields", "counted"),
    [
        ({"labels": (ImageLabel(category="dog"), ImageLabel(category="cat"))}, "2 image labels"),
        ({"maps": {"semantic": halves(), "panoptic": halves()}}, "2 semantic maps"),
        (
            {"labels": (ImageLabel(category="dog"),), "maps": {"semantic": halves()}},
            "1 image label, 1 semantic map",
        ),
        ({}, "0 objects"),
    ],
)
def test_image_labels_and_maps_are_counted_too(tmp_path: Path, fields: dict[str, Any], counted: str) -> None:
    source = written(tmp_path / "set", (image("a.jpg", **fields),))
    done = labelkit("show", source, "-o", tmp_path / "out")
    assert done.stdout == f"{tmp_path / 'out'}: 1 image, {counted} (index.html, images/)\n"
    page = (tmp_path / "out/index.html").read_text("utf-8")
    assert f"1 image, {counted};" in page
    assert f'aria-label="a.jpg, 640 × 480 pixels, {counted}"' in page


def test_a_limit_that_cuts_is_told(tmp_path: Path) -> None:
    done = labelkit("show", written(tmp_path / "set"), "-o", tmp_path / "out", "--limit", "2")
    assert done.stderr == "These are the first 2 images; there are more (--limit).\n"
    assert "These are the first 2 images" in (tmp_path / "out/index.html").read_text("utf-8")
    assert not show(tmp_path / "set", tmp_path / "whole", limit=5).is_cut


@pytest.mark.parametrize(
    "options",
    [
        {"classes": "horse"},
        {"splits": "test"},
        {"images": "*.gif"},
        {"images": "[z-a]"},
        {"limit": 0},
        {"min_score": float("nan")},
        {"min_score": float("inf")},
        {"min_score": -0.1},
        {"min_score": 1.1},
        {"png": False, "gallery": False},
        {"options": {"voc": {"base": "0"}}},
        {"options": {"jsonl": {"base": "0"}}},
        {"only": "text"},
    ],
)
def test_what_does_not_exist_is_a_wrong_use(tmp_path: Path, options: dict[str, Any]) -> None:
    source = written(tmp_path / "set")
    with pytest.raises(UsageError):
        show(source, tmp_path / "out", **options)
    assert entries(tmp_path) == ["set"]


def test_objects_whose_pixels_a_map_holds_are_drawn_without_the_map(tmp_path: Path) -> None:
    whole = show(SAMPLE / "cityscapes", tmp_path / "all", gallery=False)
    some = show(SAMPLE / "cityscapes", tmp_path / "some", gallery=False, only="instances")
    assert whole.objects == some.objects > 0
    assert whole.is_whole and some.is_whole


def test_the_default_destination_is_beside_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = written(tmp_path / "set.v1")
    assert default_destination(source) == tmp_path / "set.v1-labels"
    assert default_destination(source / "records.jsonl") == source / "records-labels"
    monkeypatch.chdir(source)
    done = labelkit("show", ".", "--no-png")
    assert done.returncode == 0, done.stderr
    assert entries(tmp_path / "set.v1-labels") == ["index.html"]


# --- images ------------------------------------------------------------------------------------------------


def claims(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_images_that_cannot_be_shown_are_told_and_their_labels_are_drawn(tmp_path: Path) -> None:
    source = written(tmp_path / "set")
    (source / "images/b.jpg").unlink()
    (source / "images/a 2.jpg").write_bytes((source / "images/a 2.jpg").read_bytes()[:400])
    (source / "images/c/square.png").write_bytes(claims(60_000, 60_000))
    done = labelkit("show", source, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "ODD006 image-missing: b.jpg: no such image file (--images-dir says where they are)" in done.stderr
    assert "ODD014 image-unreadable: a 2.jpg: " in done.stderr
    assert "ODD014 image-unreadable: c/square.png: " in done.stderr
    assert len(done.stderr.splitlines()) == 3
    assert "5 images, 7 objects" in done.stdout
    made = pixels(tmp_path / "out/images/c/square.png")
    assert (made[59, 10:60] == DOG).all()
    assert (made[470, 5] == made[5, 630]).all() and made[5, 630].std() < 4  # grey
    assert (tmp_path / "out/index.html").read_text("utf-8").count("the image cannot be shown") == 3


def test_an_image_beyond_the_limit_is_not_looked_for(tmp_path: Path) -> None:
    source = written(tmp_path / "set")
    (source / "images/a 10.jpg").unlink()
    assert show(source, tmp_path / "out", limit=1).findings == []


def test_complaints_are_few_lines(tmp_path: Path) -> None:
    records = tuple(image(f"{k:03}.jpg", box("cat", None)) for k in range(40))
    source = written(tmp_path / "set", records)
    for file in (source / "images").iterdir():
        file.unlink()
    done = labelkit("show", source, "-o", tmp_path / "out", "--no-png")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 6)
    assert "ODD006: and 35 more" in done.stderr


@pytest.mark.parametrize(
    ("stated", "turned"), [((480, 640), True), ((640, 480), False), ((None, None), True)]
)
def test_labels_are_drawn_on_the_orientation_that_they_are_for(
    tmp_path: Path, stated: tuple[int, int], turned: bool
) -> None:
    where = ModelImage(path="a.png", width=stated[0], height=stated[1])
    record = image("a.png", box("dog", None, box=(300, 400, 50, 40))).model_copy(update={"image": where})
    source = written(tmp_path / "set", (record,))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photograph()).save(source / "images/a.png", exif=exif)
    assert show(source, tmp_path / "out").is_whole
    made = pixels(tmp_path / "out/images/a.png")
    expected = np.rot90(photograph(), -1) if turned else photograph()
    assert np.array_equal(made[:300], expected[:300])
    assert (made[439, 300:350] == DOG).all()


def test_an_image_of_another_size_than_its_labels_is_stretched_and_told(tmp_path: Path) -> None:
    source = written(tmp_path / "set", RECORDS[-1:])
    Image.fromarray(photograph()).resize((320, 240)).save(source / "images/c/square.png")
    done = labelkit("show", source, "-o", tmp_path / "out")
    assert done.returncode == 0
    assert (
        "ODD015 image-stretched: c/square.png: 320 x 240 pixels, the labels are for 640 x 480" in done.stderr
    )
    made = pixels(tmp_path / "out/images/c/square.png")
    assert abs(made[200:480].astype(int) - photograph()[200:]).mean() < 3
    assert (made[59, 10:60] == DOG).all()


def test_hostile_paths_stay_inside_and_apart(tmp_path: Path) -> None:
    names = [
        "a.png",
        "a.jpg",
        "A.jpg",
        "a.jpg.png",
        "dd:e.jpg",
        "q?.jpg",
        "<i>.jpg",
        "\u202egpj.jpg",
    ]
    source = written(tmp_path / "set", tuple(image(name, box("cat", None)) for name in names))
    done = show(source, tmp_path / "out")
    assert (done.images, done.is_whole) == (len(names), True)
    made = [name for name in files(tmp_path / "out") if name.startswith("images/")]
    assert len({name.casefold() for name in made}) == len(names)
    assert not [name for name in made if set(name) & set('<>:"|?*\\')]
    assert entries(tmp_path) == ["out", "set"]


# --- failing -----------------------------------------------------------------------------------------------


def test_a_record_that_cannot_be_read_is_told_and_the_rest_is_drawn(tmp_path: Path) -> None:
    source = written(tmp_path / "set")
    with (source / "records.jsonl").open("a") as stream:
        stream.write('{"image":{"path":"../x.jpg"}}\n{"image":1}\n')
    done = labelkit("show", source, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 2
    assert "5 images, 7 objects" in done.stdout
    assert "2 records could not be read and are left out." in (tmp_path / "out/index.html").read_text("utf-8")


def test_nothing_is_written_where_something_is_in_the_way(tmp_path: Path) -> None:
    source = written(tmp_path / "set")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    before = files(tmp_path)
    for options in ([], ["--overwrite"]):
        done = labelkit("show", source, "-o", tmp_path / "out", *options)
        assert done.returncode == 2
        assert files(tmp_path) == before
    for place in (source, source / "inside", tmp_path):
        with pytest.raises(DestinationError):
            show(source, place, overwrite=True)
    assert files(tmp_path) == before


def test_drawings_are_replaced_by_drawings(tmp_path: Path) -> None:
    source = written(tmp_path / "set")
    show(source, tmp_path / "out")
    show(source, tmp_path / "out", images="b.jpg", overwrite=True)
    assert list(files(tmp_path / "out")) == ["images/b.jpg.png", "index.html"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    source = written(tmp_path / "set")
    with pytest.raises(UsageError):
        show(source, tmp_path / "out" / "deep", images="nothing/**")
    assert entries(tmp_path) == ["set"]


def test_a_signal_leaves_nothing(tmp_path: Path) -> None:
    records = tuple(image(f"{k:03}.png", box("cat", 0.5)) for k in range(300))
    source = written(tmp_path / "set", records[:1])
    lines = (source / "records.jsonl").read_text().splitlines()
    whole = [lines[0], *(lines[1].replace("000.png", record.image.path) for record in records)]
    (source / "records.jsonl").write_text("\n".join(whole))
    for record in records[1:]:
        os.link(source / "images/000.png", source / "images" / record.image.path)
    command = [
        sys.executable,
        "-m",
        "labelkit",
        "show",
        str(source),
        "-o",
        str(tmp_path / "out"),
        "--jobs",
        "2",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".out.labelkit-new.*/out/images/*")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert said == "labelkit: terminated; nothing was written\n"
    assert entries(tmp_path) == ["set"]


def test_a_name_without_glyphs_and_a_huge_size_break_nothing(tmp_path: Path) -> None:
    header = Header(categories=(Category(name="猫\n\u202e"), *HEADER.categories))
    records = (image("a.jpg", box("猫\n\u202e", 0.5)), image("b.jpg", box("cat", None)))
    source = written(tmp_path / "set", records, header)
    text = (source / "records.jsonl").read_text("utf-8").replace('"width":640', '"width":4000000000', 2)
    (source / "records.jsonl").write_text(text.replace("4000000000", "640", 1), "utf-8")
    done = labelkit("show", source, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "b.jpg" in done.stderr and "error" in done.stderr
    assert "1 image, 1 object" in done.stdout

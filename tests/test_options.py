"""What the options of a conversion do; the library is as strict about its words as the command line."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import ExifTags, ImageCms
from PIL import Image as Pillow

from labelkit import Record, UsageError, convert, open_dataset
from labelkit.cli import main
from labelkit.errors import DestinationError
from labelkit.images import bring

SAMPLE = Path(__file__).parents[1] / "sample_data"


def records(path: Path) -> list[Record]:
    return list(open_dataset(path, carrier=False))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"only": "boxs"}, "'boxs'; expected one of labels, boxes"),
        ({"images": "cp"}, "'cp'; expected one of copy"),
        ({"derived": "x"}, "'x'; expected one of labels"),
        ({"on_error": "ignore"}, "'ignore'; expected one of stop"),
        ({"classes": "cat,dog"}, "no class 'cat,dog'"),
        ({"splits": "trian"}, "no image is in trian; expected one of train, val"),
        ({"class_map": {"unicorn": "cat"}}, "renames no class of"),
        ({"class_map": "no-such-map"}, "coco-to-voc"),
        ({"options": {"voc": {"base": "0"}}}, "does nothing from coco to jsonl"),
        ({"options": {"coco": {"gtt": "x"}}}, "--coco-gtt: does nothing"),
        ({"from_": "coc"}, "did you mean coco?"),
    ],
)
def test_a_word_that_means_nothing_is_refused(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=r".") as caught:
        convert(SAMPLE / "coco", tmp_path / "out", to="jsonl", **options)
    assert says in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_single_word_is_not_taken_letter_by_letter(tmp_path: Path) -> None:
    report = convert(SAMPLE / "coco", tmp_path / "out", to="jsonl", only="boxes", splits="val", classes="cat")
    assert (report.records, report.objects) == (3, 1)


def test_only_boxes_makes_boxes_of_pixels_and_says_so(tmp_path: Path) -> None:
    report = convert(SAMPLE / "jsonl", tmp_path / "out", to="jsonl", only="boxes")
    assert {item.kind for record in records(tmp_path / "out") for item in record.objects} == {"box"}
    without = [i for r in records(SAMPLE / "jsonl") for i in r.objects if i.box is None]
    assert report.ledger.counts["LOS301"] == len(without)


def test_boxes_of_objects_that_nobody_sees_are_told(tmp_path: Path, corpus: Path) -> None:
    source = corpus / "cityscapes-golden"
    report = convert(source, tmp_path / "out", to="jsonl", only="boxes")
    before = sum(len(record.objects) for record in records(source))
    assert before - report.objects == report.ledger.counts["LOS101"] > 0


def test_what_is_left_out_by_a_selection_is_no_loss(tmp_path: Path) -> None:
    report = convert(
        SAMPLE / "jsonl", tmp_path / "out", to="jsonl", only=["labels", "instances"], classes=["cat", "tower"]
    )
    assert not [code for code in report.ledger.counts if code.startswith("LOS")]
    found = records(tmp_path / "out")
    assert {item.category for record in found for item in record.objects} == {"cat", "tower"}
    assert {label.category for record in found for label in record.labels} == {"cat", "tower"}
    assert not any(record.maps for record in found)


def test_derivation_makes_what_was_asked_for_and_says_so(tmp_path: Path) -> None:
    convert(SAMPLE / "jsonl", tmp_path / "plain", to="jsonl", only=["instances"])
    report = convert(
        tmp_path / "plain", tmp_path / "out", to="jsonl", derived=["labels", "boxes", "semantic"]
    )
    assert report.ledger.counts["LOS307"] > 0
    for record in records(tmp_path / "out"):
        names = {item.category for item in record.objects}
        assert {label.category for label in record.labels} == names
        assert all(item.box is not None for item in record.objects)
        assert ("semantic" in record.maps) == bool(names)


def test_instances_of_a_semantic_map_are_connected_pixels_and_said_to_be_invented(tmp_path: Path) -> None:
    convert(SAMPLE / "jsonl", tmp_path / "plain", to="jsonl", only="semantic")
    report = convert(tmp_path / "plain", tmp_path / "out", to="coco", derived="instances")
    assert report.ledger.counts["LOS306"] > 0
    towers = [i for r in records(tmp_path / "out") for i in r.objects if i.category == "tower"]
    assert len(towers) == 4  # the four towers of the rocket photo do not touch


def test_panoptic_segments_become_instances_when_asked_for(tmp_path: Path, corpus: Path) -> None:
    source = corpus / "coco-panoptic" / "sample_data" / "panoptic_examples.json"
    report = convert(source, tmp_path / "out", to="jsonl", only="semantic", derived="instances")
    shipped = json.loads((source.parent / "panoptic_coco_detection_format.json").read_text())
    made = [item for record in records(tmp_path / "out") for item in record.objects]
    names = {item["id"]: item["name"] for item in shipped["categories"]}
    wanted = sorted(names[item["category_id"]] for item in shipped["annotations"])
    assert sorted(item.category for item in made) == wanted
    assert report.ledger.counts["LOS307"] == len(wanted)


# --- images ------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs ``labelkit convert`` with those arguments."""

    def run(*arguments: str | Path) -> Result:
        with pytest.raises(SystemExit) as stop:
            main(["convert", *map(str, arguments)])
        return Result(int(stop.value.code or 0), *capsys.readouterr())

    return run


def pictures(folder: Path) -> dict[str, Path]:
    """The images below a folder by name, also where a link leads nowhere."""
    return {path.name: path for path in folder.rglob("*.*") if path.suffix in (".jpg", ".png")}


ORIGINALS = pictures(SAMPLE / "coco" / "images")


@pytest.mark.parametrize("how", ["copy", "hardlink", "symlink", "none"])
def test_images_come_as_asked_for_with_all_their_bytes(tmp_path: Path, command: Command, how: str) -> None:
    done = command(SAMPLE / "coco", tmp_path / "out", "--to", "voc", "--images", how)
    assert done.code == 0, done.err
    found = pictures(tmp_path / "out" / "VOCdevkit" / "VOC2012" / "JPEGImages")
    assert set(found) == (set() if how == "none" else set(ORIGINALS))
    for name, path in found.items():
        assert path.read_bytes() == ORIGINALS[name].read_bytes()
        assert path.is_symlink() == (how == "symlink")
        assert (path.lstat().st_ino == ORIGINALS[name].lstat().st_ino) == (how == "hardlink")
        if how == "symlink":
            assert path.readlink() == ORIGINALS[name].resolve()


def test_a_hard_link_is_to_the_image_itself_and_not_to_a_link(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "coco", tmp_path / "in")
    image = tmp_path / "in" / "images" / "val" / "camera.png"
    image.rename(image.with_name("real.png"))
    image.symlink_to("real.png")
    convert(tmp_path / "in", tmp_path / "out", to="voc", images="hardlink")
    (found,) = (tmp_path / "out").rglob("JPEGImages/val/camera.png")
    assert not found.is_symlink() and found.samefile(image.with_name("real.png"))


@pytest.mark.parametrize(
    ("name", "images"), [("voc", "VOCdevkit/VOC2012/JPEGImages"), ("cityscapes", "leftImg8bit")]
)
def test_images_can_lie_elsewhere(tmp_path: Path, command: Command, name: str, images: str) -> None:
    shutil.copytree(SAMPLE / name, tmp_path / "in")
    wanted = {name: path.read_bytes() for name, path in pictures(SAMPLE / name / images).items()}
    (tmp_path / "in" / images).rename(tmp_path / "elsewhere")
    there = ("--images-dir", tmp_path / "elsewhere")
    lost = command(tmp_path / "in", tmp_path / "lost", "--to", "jsonl")
    assert lost.code == 0 and "ODD006" in lost.out and "0 images" in lost.out
    done = command(tmp_path / "in", tmp_path / "out", "--to", name, *there)
    assert done.code == 0 and "ODD006" not in done.out and f"{len(wanted)} images" in done.out
    found = {name: path.read_bytes() for name, path in pictures(tmp_path / "out" / images).items()}
    assert found == wanted


def test_a_data_set_of_links_is_copied_only_where_the_user_named_the_folder(
    tmp_path: Path, command: Command
) -> None:
    linked, folder = tmp_path / "linked", "VOCdevkit/VOC2012/JPEGImages"
    convert(SAMPLE / "coco", linked, to="voc", images="symlink")
    for how in ("copy", "hardlink", "convert"):
        done = command(linked, tmp_path / how, "--to", "coco", "--images", how)
        assert done.code == 2
        assert done.err.count("is a link that leaves its folder") == len(ORIGINALS)
        assert f"--images-dir {linked / folder} follows its links" in done.err
        assert not (tmp_path / how).exists()
    for number, source in enumerate([linked / folder, SAMPLE / "coco" / "images"]):
        out = tmp_path / f"named {number}"
        assert command(linked, out, "--to", "coco", "--images-dir", source).code == 0
        found = pictures(out / "images")
        assert {name: path.read_bytes() for name, path in found.items()} == {
            name: path.read_bytes() for name, path in ORIGINALS.items()
        }
        assert not any(path.is_symlink() for path in found.values())


@pytest.mark.parametrize("how", ["symlink", "none"])
def test_a_data_set_of_links_is_converted_where_no_image_is_copied(
    tmp_path: Path, command: Command, how: str
) -> None:
    convert(SAMPLE / "coco", tmp_path / "linked", to="voc", images="symlink")
    done = command(tmp_path / "linked", tmp_path / "out", "--to", "coco", "--images", how)
    assert done.code == 0, done.err
    found = {name: path.readlink() for name, path in pictures(tmp_path / "out" / "images").items()}
    assert found == ({} if how == "none" else {name: path.resolve() for name, path in ORIGINALS.items()})


def test_a_link_in_a_folder_that_the_user_named_gives_images_away_and_nothing_else(
    tmp_path: Path, command: Command
) -> None:
    linked = tmp_path / "linked"
    convert(SAMPLE / "coco", linked, to="voc", images="symlink")
    (tmp_path / "secret").write_text("root:x:0:0")
    image = linked / "VOCdevkit" / "VOC2012" / "JPEGImages" / "val" / "camera.png"
    image.unlink()
    image.symlink_to(tmp_path / "secret")
    done = command(linked, tmp_path / "out", "--to", "coco", "--images-dir", image.parents[1])
    assert done.code == 2 and "1 problem," in done.err
    assert "camera.png' is a link that leaves its folder, and leads to no readable image" in done.err
    assert not (tmp_path / "out").exists()


def test_pngs_are_made_only_when_asked_for_and_without_loss(tmp_path: Path) -> None:
    kept = convert(SAMPLE / "coco", tmp_path / "kept", to="cityscapes")
    assert kept.ledger.counts["LOS207"] == 4
    made = convert(SAMPLE / "coco", tmp_path / "made", to="cityscapes", images="convert")
    assert "LOS207" not in made.ledger.counts
    for record in open_dataset(tmp_path / "made", carrier=False):
        png = tmp_path / "made" / "leftImg8bit" / record.image.path
        (jpeg,) = (tmp_path / "kept" / "leftImg8bit").rglob(f"{png.stem}.*")
        assert png.suffix == ".png"
        assert (np.asarray(Pillow.open(png)) == np.asarray(Pillow.open(jpeg))).all()


def picture(mode: str) -> Pillow.Image:
    """Noise in a mode of Pillow."""
    noise = np.random.default_rng(7).integers(0, 256, (9, 13, 4)).astype(np.uint8)
    if mode in ("I;16", "I"):
        return Pillow.fromarray(noise[..., 0].astype(np.uint16) * 257).convert(mode)
    if mode in ("1", "L", "P"):
        return Pillow.fromarray(noise[..., 0]).convert(mode)
    return Pillow.fromarray(noise).convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", "tif"), ("L", "jpg"), ("L", "bmp"), ("LA", "tif"), ("P", "gif"), ("RGB", "jpg"), ("RGB", "ppm"),
        ("RGB", "webp"), ("RGBA", "webp"), ("RGBA", "tif"), ("I;16", "tif"), ("I", "tif"), ("I", "pgm"),
    ],
)  # fmt: skip
def test_a_png_has_every_pixel_of_its_image(tmp_path: Path, mode: str, suffix: str) -> None:
    file, place = tmp_path / f"a.{suffix}", tmp_path / "b" / "a.png"
    picture(mode).save(file, **({"lossless": True} if suffix == "webp" else {}))
    bring(file, place, "convert")
    with Pillow.open(file) as before, Pillow.open(place) as after:
        assert after.format == "PNG"
        assert np.array_equal(np.asarray(before.convert("RGBA")), np.asarray(after.convert("RGBA")))
        assert np.array_equal(np.asarray(before), np.asarray(after))


def test_a_png_keeps_the_orientation_and_the_colour_profile(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = 6
    picture("RGB").save(tmp_path / "a.jpg", exif=exif, icc_profile=profile)
    bring(tmp_path / "a.jpg", tmp_path / "a.png", "convert")
    with Pillow.open(tmp_path / "a.png") as after:
        assert after.size == (13, 9)  # as stored: boxes count these pixels
        assert after.getexif()[ExifTags.Base.Orientation] == 6
        assert after.info["icc_profile"] == profile


def test_a_png_under_another_name_is_copied(tmp_path: Path) -> None:
    picture("RGB").save(tmp_path / "a.jpg", "PNG", compress_level=1)
    bring(tmp_path / "a.jpg", tmp_path / "b.png", "convert")
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "a.jpg").read_bytes()


def cmyk(file: Path) -> None:
    picture("CMYK").save(file)


def cut(file: Path) -> None:
    picture("RGB").resize((400, 300)).save(file)
    file.write_bytes(file.read_bytes()[:-2000])


def text(file: Path) -> None:
    file.write_text("not an image")


def animation(file: Path) -> None:
    picture("P").save(file, "GIF", save_all=True, append_images=[picture("RGB").convert("P")])


def floats(file: Path) -> None:
    picture("L").convert("F").save(file, "TIFF")


def deep(file: Path) -> None:
    Pillow.fromarray(np.full((4, 4), 70_000, np.int32)).save(file, "TIFF")


def jpeg_2000(file: Path) -> None:
    picture("RGB").save(file, "JPEG2000")


BROKEN = {
    cmyk: "no PNG can hold this image (its pixels are CMYK)",
    cut: "the image cannot be decoded (image file is truncated",
    text: "no readable image (of no type that Pillow knows)",
    animation: "no PNG can hold this image (2 frames in one file)",
    floats: "no PNG can hold this image (its pixels are F)",
    deep: "no PNG can hold this image (samples of more than 16 bits)",
    jpeg_2000: "no PNG can hold this image (JPEG2000 samples that Pillow may round to 8 bits)",
}


@pytest.mark.parametrize("make", BROKEN)
def test_what_no_png_can_hold_is_refused_and_leaves_nothing(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match=re.escape(BROKEN[make])):
        bring(tmp_path / "a.jpg", tmp_path / "out" / "a.png", "convert")
    assert list((tmp_path / "out").iterdir()) == []


def test_records_can_be_edited_on_the_way(tmp_path: Path) -> None:
    def only_cats(record: Record) -> Record | None:
        cats = tuple(item for item in record.objects if item.category == "cat")
        return record.model_copy(update={"objects": cats}) if cats else None

    convert(SAMPLE / "coco", tmp_path / "out", to="voc", edit=only_cats)
    assert [[item.category for item in record.objects] for record in records(tmp_path / "out")] == [["cat"]]


def test_a_shipped_map_renames_and_the_way_back_undoes_it(tmp_path: Path) -> None:
    source = tmp_path / "coco.json"
    image = {"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}
    box = {"id": 1, "image_id": 1, "category_id": 5, "bbox": [1, 1, 3, 3], "area": 9, "iscrowd": 0}
    names = [{"id": 5, "name": "motorcycle"}, {"id": 9, "name": "dog"}]
    source.write_text(json.dumps({"images": [image], "annotations": [box], "categories": names}))
    report = convert(source, tmp_path / "voc", to="voc", class_map="coco-to-voc")
    assert report.ledger.counts["LOS208"] == 1
    assert records(tmp_path / "voc")[0].objects[0].category == "motorbike"
    convert(tmp_path / "voc", tmp_path / "back.json", to="coco")
    assert json.loads((tmp_path / "back.json").read_text()) == json.loads(source.read_text())


def test_only_a_data_set_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "diary.txt").write_text("precious")
    with pytest.raises(DestinationError, match="folder of other things"):
        convert(SAMPLE / "coco", tmp_path / "home", to="voc", overwrite=True)
    assert (tmp_path / "home" / "diary.txt").read_text() == "precious"


def test_a_data_set_nearby_is_hinted_at(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="looks like voc"):
        convert(SAMPLE / "voc" / "VOCdevkit" / "VOC2012" / "JPEGImages", tmp_path / "o", to="coco")


def test_keypoints_and_captions_are_told_by_name_and_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "coco" / "annotations"
    folder.mkdir(parents=True)
    image = {"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}
    person = {
        "id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3], "area": 9, "iscrowd": 0,
        "segmentation": [], "keypoints": [2, 2, 2], "num_keypoints": 1,
    }  # fmt: skip
    categories = [{"id": 1, "name": "person", "keypoints": ["nose"], "skeleton": []}]
    poses = {"images": [image], "annotations": [person], "categories": categories}
    said = {"images": [image], "annotations": [{"id": 5, "image_id": 1, "caption": "one person"}]}
    (folder / "person_keypoints_val.json").write_text(json.dumps(poses))
    (folder / "captions_val.json").write_text(json.dumps(said))
    for target in ("voc", "cityscapes"):
        report = convert(tmp_path / "coco", tmp_path / target, to=target)
        (row,) = [row for row in report.ledger.as_json() if row["code"] == "LOS116"]
        messages = {example["message"] for example in row["examples"]}
        assert messages == {f"{kind} of coco have no place in {target}" for kind in ("captions", "keypoints")}
        convert(tmp_path / target, tmp_path / f"back-{target}", to="coco")
        back = tmp_path / f"back-{target}" / "annotations"
        assert json.loads((back / "person_keypoints_val.json").read_text()) == poses
        assert json.loads((back / "captions_val.json").read_text()) == said


def test_an_image_that_became_another_type_is_told(tmp_path: Path) -> None:
    convert(SAMPLE / "coco", tmp_path / "cs", to="cityscapes", images="convert")
    for how in ("copy", "hardlink", "symlink", "convert"):
        report = convert(tmp_path / "cs", tmp_path / how, to="coco", images=how)
        assert report.ledger.counts["ODD013"] == 4
    assert (tmp_path / "convert/images/train/rocket.jpg").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("to", ["jsonl", "coco", "voc", "cityscapes"])
def test_links_are_followed_alike_in_every_format(tmp_path: Path, to: str, command: Command) -> None:
    linked, out = tmp_path / "linked", tmp_path / "out"
    convert(SAMPLE / "coco", linked, to=to, images="symlink")
    assert len(records(linked)) == len(ORIGINALS)  # labels are read behind no link
    refused = command(linked, out, "--to", "jsonl")
    assert refused.code == 2 and refused.err.count("leaves its folder; --images-dir") == len(ORIGINALS)
    (folder,) = set(re.findall(r"--images-dir (\S+) follows", refused.err))  # the advice is good
    assert command(linked, out, "--to", "jsonl", "--images-dir", folder).code == 0
    assert len(pictures(out / "images")) == len(ORIGINALS)
    assert command(linked, tmp_path / "none", "--to", "jsonl", "--images", "none").code == 0


def test_every_image_that_no_png_can_hold_is_told_and_its_record_left_out(
    tmp_path: Path, command: Command
) -> None:
    source = tmp_path / "source"
    shutil.copytree(SAMPLE / "coco", source)
    cmyk(source / "images" / "train" / "rocket.jpg")
    cut(source / "images" / "val" / "chelsea the cat.jpg")
    wanted = ("--to", "cityscapes", "--images", "convert")
    done = command(source, tmp_path / "out", *wanted)
    assert done.code == 2 and "2 problems, nothing was written" in done.err
    assert "train/rocket.jpg: no PNG can hold this image (its pixels are CMYK); --images" in done.err
    assert "val/chelsea the cat.jpg: the image cannot be decoded (image file is truncated" in done.err
    assert not (tmp_path / "out").exists()
    done = command(source, tmp_path / "out", *wanted, "--on-error", "skip", "--output-format", "json")
    told = json.loads(done.out)
    assert (done.code, told["records"], told["images"], len(told["left_out"])) == (1, 5, 5, 2)
    ledger = json.dumps(told["ledger"])  # what was left out lost nothing
    assert "gravel" in ledger and "rocket.jpg" not in ledger and "chelsea" not in ledger
    back = records(tmp_path / "out")
    assert len(back) == len(pictures(tmp_path / "out" / "leftImg8bit")) == 5
    names = {path.name.split("_gtFine")[0] for path in (tmp_path / "out" / "gtFine").rglob("*.json")}
    assert names == {Path(record.image.path).name.split("_leftImg8bit")[0] for record in back}


def test_an_image_is_decoded_once_and_only_if_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import JpegImagePlugin

    loaded: list[str] = []
    load = JpegImagePlugin.JpegImageFile.load

    def counted(self: Any) -> Any:
        loaded.extend([Path(self.filename).name] if self.tile else [])
        return load(self)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", counted)
    convert(SAMPLE / "coco", tmp_path / "out", to="cityscapes", images="convert", splits="train")
    assert sorted(loaded) == ["astronaut.jpg", "café cup.jpg", "rocket.jpg"]

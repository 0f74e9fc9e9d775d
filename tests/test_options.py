"""What the options of a conversion do; the library is as strict about its words as the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelkit import Record, UsageError, convert, open_dataset
from labelkit.errors import DestinationError

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


@pytest.mark.parametrize("how", ["copy", "hardlink", "symlink", "none"])
def test_images_come_as_asked_for_with_all_their_bytes(tmp_path: Path, how: str) -> None:
    convert(SAMPLE / "coco", tmp_path / "out", to="voc", images=how)
    found = {path.name: path for path in (tmp_path / "out").rglob("JPEGImages/**/*.*")}
    originals = {path.name: path for path in (SAMPLE / "coco" / "images").rglob("*.*")}
    assert set(found) == (set() if how == "none" else set(originals))
    for name, path in found.items():
        assert path.read_bytes() == originals[name].read_bytes()
        assert path.is_symlink() == (how == "symlink")
        assert path.samefile(originals[name]) == (how in ("hardlink", "symlink"))


def test_pngs_are_made_only_when_asked_for_and_without_loss(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    kept = convert(SAMPLE / "coco", tmp_path / "kept", to="cityscapes")
    assert kept.ledger.counts["LOS207"] == 4
    made = convert(SAMPLE / "coco", tmp_path / "made", to="cityscapes", images="convert")
    assert "LOS207" not in made.ledger.counts
    for record in open_dataset(tmp_path / "made", carrier=False):
        png = tmp_path / "made" / "leftImg8bit" / record.image.path
        (jpeg,) = (tmp_path / "kept" / "leftImg8bit").rglob(f"{png.stem}.*")
        assert png.suffix == ".png"
        assert (np.asarray(Image.open(png)) == np.asarray(Image.open(jpeg))).all()


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
    report = convert(tmp_path / "cs", tmp_path / "back", to="coco")
    assert report.ledger.counts["ODD013"] == 4

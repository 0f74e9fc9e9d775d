"""What is read after a review, from exports as Label Studio writes them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelstudio_files import (
    CONFIG,
    SIZE,
    annotation,
    moved,
    one,
    prediction,
    read,
    records,
    region,
    rewritten,
    task,
    told,
    written,
)
from test_cli import labelkit

from labelkit.formats.jsonl import JsonlWriter
from labelkit.formats.labelstudio import brush
from labelkit.geometry import rle
from labelkit.model import (
    BoundingBox,
    Box,
    Category,
    Header,
    Image,
    Instance,
    Mask,
    Polygons,
    Provenance,
    Record,
)
from labelkit.pipeline import convert

RUN = {"labelkit": {"provenance": {"run": "r7", "model": "maskrcnn-v1", "score": 0.9}}}


def predicted(key: str, name: str = "cat", score: float = 0.9, **more: Any) -> dict[str, Any]:
    return {**region(key, name), "score": score, "meta": RUN, "origin": "prediction", **more}


def status(record: Any) -> list[tuple[str | None, str, str | None]]:
    """uid, class and state of every object."""
    return [(o.uid, o.category, o.provenance.status if o.provenance else None) for o in record.objects]


def test_predictions_without_a_review_are_pending(tmp_path: Path) -> None:
    item = one(tmp_path, task([], [prediction(11, predicted("aa"), region("bb", "dog", score=0.4))]))
    first, second = item.objects
    assert (first.uid, first.category, first.box, first.score) == ("aa", "cat", Box(20, 10, 100, 50), 0.9)
    assert first.provenance == Provenance(run="r7", model="maskrcnn-v1", score=0.9, status="pending")
    assert second.provenance == Provenance(run="", model="maskrcnn-v1", score=0.4, status="pending")


def test_a_reviewer_accepts_moves_relabels_deletes_and_adds(tmp_path: Path) -> None:
    made = [predicted(key) for key in ("kept", "moved", "named", "gone")]
    kept, shifted, named, _ = made
    relabelled = moved(named, rectanglelabels=["dog"])
    result = [kept, moved(shifted, x=20), relabelled, region("new", "dog")]
    done = task([annotation(5, *result, parent_prediction=11)], [prediction(11, *made)])
    item = one(tmp_path, done)
    assert status(item) == [
        ("kept", "cat", "accepted"),
        ("moved", "cat", "changed"),
        ("named", "dog", "changed"),
        ("new", "dog", None),
    ]
    assert {o.provenance.run for o in item.objects if o.provenance} == {"r7"}
    assert item.objects[1].box == Box(40, 10, 100, 50)
    assert told(tmp_path) == []


def test_what_an_editor_moves_by_its_own_arithmetic_is_accepted(tmp_path: Path) -> None:
    made = predicted("aa")
    result = {**made, "value": {**made["value"], "x": 10.000000000000002, "width": 49.99999999999999}}
    item = one(tmp_path, task([annotation(5, result, parent_prediction=11)], [prediction(11, made)]))
    assert status(item) == [("aa", "cat", "accepted")]


def test_an_annotation_without_a_parent_stands_for_the_prediction_whose_ids_it_has(tmp_path: Path) -> None:
    made = predicted("aa")
    item = one(tmp_path, task([annotation(5, made)], [prediction(11, made, predicted("bb"))]))
    assert status(item) == [("aa", "cat", "accepted")]


def test_an_export_without_predictions_tells_the_status_by_what_the_editor_noted(tmp_path: Path) -> None:
    result = [predicted("aa"), moved(predicted("bb"), x=1), region("cc", "dog")]
    item = one(tmp_path, task([annotation(5, *result, parent_prediction=11)], []))
    assert status(item) == [("aa", "cat", "accepted"), ("bb", "cat", "changed"), ("cc", "dog", None)]


def test_predictions_that_no_annotation_stands_for_are_read_beside_it_and_told(tmp_path: Path) -> None:
    first, second = prediction(11, predicted("aa")), prediction(12, region("bb", "dog"), model="yolo")
    item = one(tmp_path, task([annotation(5, predicted("aa"), parent_prediction=11)], [first, second]))
    assert status(item) == [("aa", "cat", "accepted"), ("bb", "dog", "pending")]
    assert told(tmp_path) == ["predictions that no annotation was made from are read beside the annotation"]


def test_a_cancelled_annotation_is_not_read_and_its_prediction_stays_pending(tmp_path: Path) -> None:
    made = predicted("aa")
    skipped = annotation(5, region("zz", "dog"), parent_prediction=11, was_cancelled=True)
    item = one(tmp_path, task([skipped], [prediction(11, made)]))
    assert status(item) == [("aa", "cat", "pending")]
    assert told(tmp_path) == ["a cancelled annotation, which is not read"]


@pytest.mark.parametrize(
    ("first", "second", "uid", "why"),
    [
        ({"ground_truth": True}, {}, "aa", "is marked as ground truth"),
        ({}, {"updated_at": "2025-01-01T00:00:00Z"}, "bb", "was updated last"),
        ({"updated_at": "2025-01-01T00:00:00Z"}, {}, "aa", "was updated last"),
        ({"updated_at": None, "created_at": None}, {}, "bb", "was updated last"),
    ],
)
def test_of_several_annotations_one_is_read_by_a_rule_that_is_told(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], uid: str, why: str
) -> None:
    both = [annotation(5, region("aa", "cat"), **first), annotation(6, region("bb", "cat"), **second)]
    item = one(tmp_path, task(both, []))
    assert [o.uid for o in item.objects] == [uid]
    assert told(tmp_path) == [f"2 annotations; the one that {why} is read"]


def test_drafts_are_not_read(tmp_path: Path) -> None:
    draft = {"id": 1, "result": [region("zz", "dog")], "user": "a@b.c"}
    assert one(tmp_path, task([], [], drafts=[draft])).objects == ()


def test_completions_of_old_versions_are_annotations(tmp_path: Path) -> None:
    old = task([], [])
    del old["annotations"]
    old["completions"] = [annotation(5, region("aa", "cat"))]
    header, items = read(written(tmp_path / "a", [old]))
    assert [o.uid for o in items[0].objects] == ["aa"]
    assert rewritten(tmp_path / "b", header, items) == [old]


def test_predictions_that_an_export_names_by_id_alone_are_left_alone(tmp_path: Path) -> None:
    said = task([annotation(5, region("aa", "cat"))], [])
    said["predictions"] = [11, 12]
    header, items = read(written(tmp_path / "a", [said]))
    assert rewritten(tmp_path / "b", header, items) == [said]


# --- labels and maps ---------------------------------------------------------------------------------------


def chosen(key: str, *names: str, **more: Any) -> dict[str, Any]:
    value = {"choices": list(names)}
    said = {"value": value, "id": key, "from_name": "weather", "to_name": "img", "type": "choices"}
    return {**said, "origin": "manual", **more}


def test_a_choice_that_stays_was_accepted_and_another_is_the_reviewers(tmp_path: Path) -> None:
    made = prediction(11, chosen("ww", "rain", score=0.8))
    kept = one(
        tmp_path / "a", task([annotation(5, chosen("ww", "rain", score=0.8), parent_prediction=11)], [made])
    )
    assert kept.labels[0].provenance == Provenance(run="", model="maskrcnn-v1", score=0.8, status="accepted")
    other = one(tmp_path / "b", task([annotation(5, chosen("ww", "sunny"), parent_prediction=11)], [made]))
    assert [(label.category, label.provenance) for label in other.labels] == [("sunny", None)]
    waiting = one(tmp_path / "c", task([], [made]))
    assert waiting.labels[0].score == 0.8
    assert waiting.labels[0].provenance == Provenance(run="", model="maskrcnn-v1", score=0.8)


def painted(
    key: str, pixels: np.ndarray, name: str = "cat", control: str = "brush", **more: Any
) -> dict[str, Any]:
    height, width = pixels.shape
    code = list(brush.encode_mask(rle.encode_mask(pixels), height, width))
    return {
        "id": key, "original_width": width, "original_height": height, "image_rotation": 0,
        "value": {"format": "rle", "rle": code, "brushlabels": [name]}, "from_name": control,
        "to_name": "img", "type": "brushlabels", "origin": "manual", **more,
    }  # fmt: skip


def test_a_painted_mask_was_accepted_pixel_for_pixel_or_changed(tmp_path: Path) -> None:
    pixels = np.arange(20).reshape(4, 5) % 3 == 0
    made = painted("mm", pixels)
    grown = painted("mm", pixels | (np.arange(20).reshape(4, 5) == 7))
    for name, result, expected in (("a", made, "accepted"), ("b", grown, "changed")):
        done = task([annotation(5, result, parent_prediction=11)], [prediction(11, made)])
        assert status(one(tmp_path / name, done)) == [("mm", "cat", expected)]


def test_a_semantic_map_was_accepted_where_all_its_layers_were(tmp_path: Path) -> None:
    pixels = np.eye(4, 5, dtype=bool)
    config = CONFIG.replace('name="brush"', 'name="semantic"')
    layers = [painted("s1", pixels, control="semantic"), painted("s2", ~pixels, "dog", control="semantic")]
    for name, result, expected in (("a", layers, "accepted"), ("b", layers[:1], "changed")):
        done = task([annotation(5, *result, parent_prediction=11)], [prediction(11, *layers)])
        provenance = one(tmp_path / name, done, config=config).maps["semantic"].provenance  # type: ignore[union-attr]
        assert provenance is not None
        assert (provenance.model, provenance.status) == ("maskrcnn-v1", expected)


# --- what comes back ---------------------------------------------------------------------------------------


def test_an_export_comes_back_as_it_was(tmp_path: Path) -> None:
    pixels = np.arange(20000).reshape(100, 200) % 7 == 0
    kept = predicted("kept")
    results = [
        kept, moved(predicted("moved"), x=12.345),
        region("new", "dog", meta={"text": ["a note"]}, readonly=True),
        {**SIZE, "id": "el", "type": "ellipselabels", "from_name": "round", "to_name": "img",
         "value": {"x": 1, "y": 2, "radiusX": 3, "radiusY": 4, "rotation": 0, "ellipselabels": ["coin"]}},
        chosen("ww", "rain"), painted("mm", pixels),
        {"type": "relation", "from_id": "new", "to_id": "kept", "direction": "right", "labels": ["near"]},
        {"id": "tt", "type": "textarea", "from_name": "note", "to_name": "img", "value": {"text": ["hello"]}},
    ]  # fmt: skip
    done = [
        task(
            [annotation(5, *results, parent_prediction=11)],
            [prediction(11, kept, predicted("moved"), model=None)],
        ),
        task([annotation(6, was_cancelled=True), annotation(7)], [prediction(12, kept)], "dir/b c.jpg", id=8),
        task([], [], "https://host/x/c.png?v=1", id=9, meta={"labelkit": {"splits": ["val"]}, "n": 1}),
    ]
    header, items = read(written(tmp_path / "a", done))
    found = [item for item in items if hasattr(item, "image")]
    assert [item.image.path for item in found] == ["a.jpg", "dir/b c.jpg", "x/c.png"]
    assert rewritten(tmp_path / "b", header, found) == done
    assert (tmp_path / "b" / "labels.xml").read_text("utf-8") == CONFIG


def test_a_region_that_says_something_else_keeps_what_nobody_changed(tmp_path: Path) -> None:
    said = region("aa", "cat", meta={"text": ["mine"]}, readonly=True)
    said["value"].update(x=10.123456789012345)
    header, items = read(written(tmp_path / "a", [task([annotation(5, said)], [])]))
    item = items[0].objects[0].model_copy(update={"category": "dog"})
    (made,) = rewritten(tmp_path / "b", header, [items[0].model_copy(update={"objects": (item,)})])
    assert made["annotations"][0]["result"] == [
        {**said, "value": {**said["value"], "rectanglelabels": ["dog"]}}
    ]
    assert {**made, "annotations": []} == {**task([], []), "annotations": []}


def test_a_region_that_is_moved_keeps_its_id_and_its_note(tmp_path: Path) -> None:
    said = region("aa", "cat", meta={"text": ["mine"]})
    header, items = read(written(tmp_path / "a", [task([annotation(5, said)], [])]))
    item = items[0].objects[0].model_copy(update={"box": Box(10, 20, 30, 40)})
    (made,) = rewritten(tmp_path / "b", header, [items[0].model_copy(update={"objects": (item,)})])
    value = {"x": 5.0, "y": 20.0, "width": 15.0, "height": 40.0, "rotation": 0, "rectanglelabels": ["cat"]}
    assert made["annotations"][0]["result"] == [{**said, "value": value}]


def test_an_object_without_provenance_does_not_become_a_reviewed_prediction(tmp_path: Path) -> None:
    """Under its old id it would: the reader compares ids with the prediction."""
    made = predicted("aa")
    done = task([annotation(5, made, parent_prediction=11)], [prediction(11, made)])
    header, items = read(written(tmp_path / "a", [done]))
    item = items[0].objects[0].model_copy(update={"provenance": None})
    rewritten(tmp_path / "b", header, [items[0].model_copy(update={"objects": (item,)})])
    (again,) = records(tmp_path / "b")
    assert status(again) == [("aa", "cat", None)]


def test_a_pending_object_that_is_accepted_moves_into_an_annotation(tmp_path: Path) -> None:
    header, items = read(
        written(tmp_path / "a", [task([], [prediction(11, predicted("aa"), predicted("bb"))])])
    )
    first, second = items[0].objects
    provenance = first.provenance.model_copy(update={"status": "accepted"})
    objects = (first.model_copy(update={"provenance": provenance}), second)
    (made,) = rewritten(tmp_path / "b", header, [items[0].model_copy(update={"objects": objects})])
    assert [each["id"] for each in made["annotations"][0]["result"]] == ["aa"]
    assert [each["id"] for each in made["predictions"][0]["result"]] == ["bb"]
    assert status(records(tmp_path / "b")[0]) == [("aa", "cat", "accepted"), ("bb", "cat", "pending")]


# --- there, reviewed, and back -----------------------------------------------------------------------------


def prelabelled(root: Path) -> Path:
    """Five predictions of a model, one of them a polygon, as labelkit's own records."""

    def made(key: str, score: float) -> dict[str, Any]:
        provenance = Provenance(run="r1", model="maskrcnn", score=score)
        return {"category": "cat", "uid": key, "score": score, "provenance": provenance}

    ring = [10.0, 10.0, 30.5, 10.0, 30.5, 40.0]
    items = [
        BoundingBox(box=Box(5.25, 3, 20, 10.1), **made(key, 0.9))
        for key in ("kept", "moved", "named", "gone")
    ]
    items[1] = items[1].model_copy(update={"box": Box(50, 50, 20, 20)})
    objects = (*items, Instance(mask=Mask.of(Polygons([[ring]])), **made("outline", 0.6)))
    record = Record(image=Image(path="a.jpg", width=173, height=91), objects=objects)
    root.mkdir()
    writer = JsonlWriter(root, Header(categories=(Category(name="cat"), Category(name="dog"))))
    writer.write(0, [record])
    writer.finish()
    return root


def reviewed_by_hand(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The export of a project into which tasks were imported, after somebody went through the first."""
    (said,) = tasks
    said["id"] = 1
    said["predictions"][0]["id"] = 31
    kept, shifted, named, _, drawn = copy.deepcopy(said["predictions"][0]["result"])
    result = [
        kept,
        moved(shifted, x=shifted["value"]["x"] + 10),
        moved(named, rectanglelabels=["dog"]),
        drawn,
        {
            **region("hand", "dog"),
            "from_name": "box",
            "to_name": "image",
            "original_width": 173,
            "original_height": 91,
        },
    ]
    said["annotations"] = [annotation(41, *result, parent_prediction=31)]
    return [said]


def test_compare_tells_what_was_done_in_label_studio(tmp_path: Path) -> None:
    before = prelabelled(tmp_path / "before")
    convert(before, tmp_path / "project", to="labelstudio", images="none")
    export = reviewed_by_hand(json.loads((tmp_path / "project" / "tasks.json").read_text("utf-8")))
    (tmp_path / "export.json").write_text(json.dumps(export), "utf-8")  # without sidecar and configuration
    again = records(tmp_path / "export.json")[0]
    assert status(again) == [
        ("kept", "cat", "accepted"),
        ("moved", "cat", "changed"),
        ("named", "dog", "changed"),
        ("outline", "cat", "accepted"),
        ("hand", "dog", None),
    ]
    done = labelkit("compare", before, tmp_path / "export.json", "--output-format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["objects"]["total"]
    words = ("accepted", "moved", "relabelled", "deleted", "added")
    assert {word: told[word] for word in words} == {
        "accepted": 2, "moved": 1, "relabelled": 1, "deleted": 1, "added": 1,
    }  # fmt: skip

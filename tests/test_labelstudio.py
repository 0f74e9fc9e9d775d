"""Reading and writing Label Studio: shapes, paths, configurations, and what is refused."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelstudio_files import (
    CONFIG,
    SIZE,
    annotation,
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
from made import HEADER, record_lists
from test_laws import fit_all, folder, shown, write

from labelkit.errors import BadRecordsError, FormatError, RecordError, UsageError
from labelkit.formats import detect, formats
from labelkit.formats.labelstudio import images, percent
from labelkit.formats.labelstudio.frame import confirms
from labelkit.loss import fit, fit_header
from labelkit.model import (
    BoundingBox,
    Box,
    Category,
    Header,
    Image,
    ImageLabel,
    Instance,
    Mask,
    Polygons,
    Provenance,
    Record,
)
from labelkit.pipeline import convert, open_dataset
from labelkit.validation import validate

FORMAT = formats()["labelstudio"]
SAMPLE = Path(__file__).parents[1] / "sample_data"


# --- percents ----------------------------------------------------------------------------------------------

sides = st.integers(1, 20_000)


@given(pixels=st.lists(st.floats(-1e6, 1e6), max_size=8), width=sides, height=sides)
def test_pixels_come_back_from_percents_whatever_they_are(
    pixels: list[float], width: int, height: int
) -> None:
    percents, exact = percent.written(pixels, (width, height))
    assert percent.read(percents, (width, height), exact) == pixels


@given(side=sides, cents=st.integers(0, 2_000_000))
def test_pixels_of_few_decimals_need_nothing_beside_their_percent(side: int, cents: int) -> None:
    for pixels in (float(cents), cents / 2, cents / 100, cents / 1000):
        assert percent.to_pixels(percent.to_percent(pixels, side), side) == pixels


@given(side=sides, pixels=st.floats(-30_000, 30_000, width=32))
def test_pixels_of_a_model_need_nothing_beside_their_percent(side: int, pixels: float) -> None:
    assert percent.to_pixels(percent.to_percent(pixels, side), side) == pixels


@given(side=sides, numbers=st.tuples(st.floats(0, 100), st.floats(0, 5000)))
def test_a_percent_that_was_moved_is_read_as_it_is_now(side: int, numbers: tuple[float, float]) -> None:
    moved, before = numbers
    exact = {"0": before}
    if percent.to_percent(before, side) != moved:
        assert percent.read([moved], (side,), exact) == percent.read([moved], (side,), {})


@given(side=sides, said=st.floats(0, 100))
def test_percents_of_others_are_read_as_the_sdk_reads_them(side: int, said: float) -> None:
    assert percent.to_pixels(said, side) == pytest.approx(said * side / 100, rel=1e-15, abs=1e-300)


# --- shapes ------------------------------------------------------------------------------------------------


def test_a_polygon_is_an_instance(tmp_path: Path) -> None:
    points = [[0, 0], [50, 0], [50.25, 100]]
    said = region("pp", "cat", type="polygonlabels", from_name="poly")
    said["value"] = {"points": points, "closed": True, "polygonlabels": ["bird"]}
    (item,) = one(tmp_path, task([annotation(1, said)], [])).objects
    assert isinstance(item, Instance)
    assert item.category == "bird"
    assert item.mask.shape == Polygons([[[0, 0, 100, 0, 100.5, 100]]])


def test_a_rotated_rectangle_is_the_polygon_of_its_corners_and_comes_back(tmp_path: Path) -> None:
    said = region("rr", "cat")
    said["value"]["rotation"] = 90
    header, items = read(written(tmp_path / "a", [task([annotation(1, said)], [])]))
    finding, record = items
    assert finding.message == "a rotated rectangle, which is read as the polygon of its corners"
    (item,) = record.objects
    assert isinstance(item, Instance)
    assert isinstance(item.mask.shape, Polygons)
    assert item.mask.shape.parts[0][0] == pytest.approx([20, 10, 20, 110, -30, 110, -30, 10])
    assert rewritten(tmp_path / "b", header, [record])[0]["annotations"][0]["result"] == [said]


def test_a_region_of_two_classes_has_the_first_and_keeps_both(tmp_path: Path) -> None:
    said = region("aa", "cat")
    said["value"]["rectanglelabels"] = ["dog", "cat"]
    header, items = read(written(tmp_path / "a", [task([annotation(1, said)], [])]))
    assert items[0].message == "a region of several classes; the first is the class of its object"
    assert items[1].objects[0].category == "dog"
    assert rewritten(tmp_path / "b", header, [items[1]])[0]["annotations"][0]["result"] == [said]


def test_regions_that_are_no_objects_are_named_by_what_another_format_loses(tmp_path: Path) -> None:
    others = [
        {**SIZE, "id": "e", "type": "ellipselabels", "from_name": "round", "to_name": "img", "value": {}},
        {"id": "t", "type": "textarea", "from_name": "note", "to_name": "img", "value": {"text": ["x"]}},
        {"type": "relation", "from_id": "a", "to_id": "b"},
        region("u", "cat", value={"x": 1, "y": 1, "width": 1, "height": 1, "rectanglelabels": []}),
    ]
    source = written(tmp_path / "a", [task([annotation(1, *others)], [prediction(2, others[0])])])
    report = convert(source, tmp_path / "b", to="coco")
    messages = {item.message for item in report.ledger.examples["LOS116"]}
    assert messages == {
        f"{kind} of labelstudio have no place in coco"
        for kind in ("ellipses", "texts", "relations", "rectanglelabels regions")
    }
    assert report.ledger.uncarried == 0


def test_choices_of_a_region_are_none_of_the_image(tmp_path: Path) -> None:
    chosen = {"id": "aa", "type": "choices", "from_name": "weather", "to_name": "img"}
    said = {**chosen, "value": {"choices": ["rain"]}}
    record = one(tmp_path, task([annotation(1, region("aa", "cat"), said)], []))
    assert record.labels == ()
    assert len(record.objects) == 1


def test_an_image_that_somebody_annotated_with_nothing_is_confirmed(tmp_path: Path) -> None:
    empty, untouched = records(written(tmp_path, [task([annotation(1)], []), task([], [], "b.jpg")]))
    assert confirms(empty)
    assert not confirms(untouched)


def test_uids_that_cannot_be_ids_come_back_all_the_same(tmp_path: Path) -> None:
    uids = ["", "labelkit-1", "a#b", "same", "same", None, "ä"]
    box = Box(1, 2, 3, 4)
    record = Record(
        image=Image(path="a.jpg", width=10, height=10),
        objects=tuple(BoundingBox(category="cat", box=box, uid=uid) for uid in uids),
    )
    (made,) = rewritten(tmp_path / "a", Header(categories=(Category(name="cat"),)), [record])
    keys = [each["id"] for each in made["annotations"][0]["result"]]
    assert len(set(keys)) == len(keys)
    assert not any("#" in key for key in keys)  # the editor cuts ids there
    assert [item.uid for item in records(tmp_path / "a")[0].objects] == uids


def test_predictions_are_one_for_each_run_and_model_with_the_mean_of_their_scores(tmp_path: Path) -> None:
    def item(run: str, model: str, score: float | None) -> BoundingBox:
        provenance = Provenance(run=run, model=model, score=score)
        return BoundingBox(category="cat", box=Box(1, 2, 3, 4), score=score, provenance=provenance)

    objects = (
        item("r1", "yolo", 0.5),
        item("r1", "rcnn", None),
        item("r1", "yolo", 1.0),
        item("r2", "yolo", 0.25),
    )
    record = Record(image=Image(path="a.jpg", width=10, height=10), objects=objects)
    (made,) = rewritten(tmp_path / "a", Header(categories=(Category(name="cat"),)), [record])
    said = [(each["model_version"], each.get("score"), len(each["result"])) for each in made["predictions"]]
    assert said == [("yolo", 0.75, 2), ("rcnn", None, 1), ("yolo", 0.25, 1)]
    assert made["annotations"] == []
    (again,) = records(tmp_path / "a")
    assert [o.provenance for o in again.objects] == [objects[k].provenance for k in (0, 2, 1, 3)]


@settings(max_examples=20)
@given(items=record_lists())
def test_scores_uids_and_runs_come_back_without_a_carrier(items: list[Record]) -> None:
    with folder() as tmp:
        header, fitted = fit_all("labelstudio", items)
        root = write("labelstudio", tmp / "a", header, [each.record for each in fitted])
        for source, each, again in zip(items, fitted, records(root, carrier=False), strict=True):
            origins = [k for k in each.origins if k is not None]
            kept = [source.objects[k] for k in origins]
            assert [(o.score, o.uid, o.provenance) for o in again.objects] == [
                (o.score, o.uid, o.provenance) for o in kept
            ]


@settings(max_examples=15)
@given(items=record_lists(), config=st.booleans())
def test_tasks_that_were_read_without_a_configuration_are_written_the_same(
    items: list[Record], config: bool
) -> None:
    header, fitted = fit_all("labelstudio", items)
    with folder() as tmp:
        root = write("labelstudio", tmp / "a", header, [each.record for each in fitted])
        if not config:
            (root / "labels.xml").unlink()
        convert(root, tmp / "b", to="labelstudio")
        assert (tmp / "b" / "tasks.json").read_bytes() == (root / "tasks.json").read_bytes()
        assert shown(records(tmp / "b")) == shown([each.record for each in fitted])


# --- what is lost ------------------------------------------------------------------------------------------


def losses(record: Record, *names: str) -> list[str]:
    header = Header(categories=tuple(Category(name=name) for name in names or ("cat",)))
    target, findings = fit_header(header, FORMAT)
    return [item.code for item in [*findings, *fit(record, target).findings]]


def test_an_image_of_unknown_size_cannot_have_objects() -> None:
    item = BoundingBox(category="cat", box=Box(1, 2, 3, 4))
    record = Record(image=Image(path="a.jpg"), objects=(item,), labels=(ImageLabel(category="cat"),))
    assert losses(record) == ["LOS101"]


def test_polygons_with_holes_or_several_parts_become_a_brushs_pixels() -> None:
    ring = [0.0, 0.0, 4.0, 0.0, 4.0, 4.0]
    image = Image(path="a.jpg", width=9, height=9)
    for parts in ([[ring, [1.0, 0.5, 3.0, 0.5, 3.0, 2.0]]], [[ring], [ring]]):
        item = Instance(category="cat", mask=Mask.of(Polygons(parts)))
        assert losses(Record(image=image, objects=(item,))) == ["LOS201"]
    assert (
        losses(Record(image=image, objects=(Instance(category="cat", mask=Mask.of(Polygons([[ring]]))),)))
        == []
    )


def test_classes_that_no_configuration_can_list_are_told() -> None:
    item = BoundingBox(category="a\x00b", box=Box(1, 2, 3, 4))
    record = Record(image=Image(path="a.jpg", width=9, height=9), objects=(item,))
    assert losses(record, "cat", "a\x00b", "(ignore)") == ["LOS104", "LOS104", "LOS104"]


def test_a_label_that_is_there_twice_is_told() -> None:
    labels = (ImageLabel(category="cat"), ImageLabel(category="cat", score=0.5))
    assert losses(Record(image=Image(path="a.jpg"), labels=labels)) == ["LOS102"]


# --- the configuration -------------------------------------------------------------------------------------


def test_classes_and_colours_come_from_the_configuration(tmp_path: Path) -> None:
    header, _ = read(written(tmp_path, [task([], [])]))
    assert [(each.name, each.colour) for each in header.categories] == [
        ("cat", (255, 0, 0)),
        ("dog", (0, 0, 255)),
        ("bird", (0, 255, 0)),
        ("sunny", None),
        ("rain", None),
    ]


def test_a_class_is_what_its_alias_says(tmp_path: Path) -> None:
    config = CONFIG.replace('<Label value="cat" background', '<Label value="Katze" alias="cat" background')
    header, _ = read(written(tmp_path, [task([], [])], config))
    assert [each.name for each in header.categories][:2] == ["cat", "dog"]


def test_names_are_escaped_and_come_back(tmp_path: Path) -> None:
    names = ['a "b" <c> & d', " x ", "a\tb", "Ä 'q'", "&amp;"]
    header = Header(categories=tuple(Category(name=name) for name in names))
    labels = tuple(ImageLabel(category=name) for name in names)
    rewritten(tmp_path / "a", header, [Record(image=Image(path="a.jpg"), labels=labels)])
    again, (record,) = read(tmp_path / "a")
    assert [each.name for each in again.categories] == names
    assert [each.category for each in record.labels] == names


def test_without_a_configuration_classes_are_those_that_regions_name(tmp_path: Path) -> None:
    tasks = [
        task([annotation(1, region("a", "dog"), region("b", "cat"))], [prediction(2, region("c", "bird"))])
    ]
    header, items = read(written(tmp_path / "a", tasks, None))
    assert [each.name for each in header.categories] == ["dog", "cat", "bird"]
    assert "no labels.xml" in open_dataset(tmp_path / "a").notes[0].message
    found = [item for item in items if isinstance(item, Record)]
    assert rewritten(tmp_path / "b", header, found) == tasks
    again, _ = read(tmp_path / "b")
    assert [each.name for each in again.categories] == ["dog", "cat", "bird"]


def test_a_control_that_a_new_region_needs_is_added_and_all_else_stays(tmp_path: Path) -> None:
    config = "<View>\n<Image name='i' value='$picture'/>\n<RectangleLabels name='label' toName='i'>"
    config += "<Label value='cat'/></RectangleLabels>\n</View>\n"
    header, items = read(written(tmp_path / "a", [task([], [])], config))
    record = items[0].model_copy(update={"labels": (ImageLabel(category="cat"),)})
    rewritten(tmp_path / "b", header, [record])
    text = (tmp_path / "b" / "labels.xml").read_text("utf-8")
    added = '  <Choices name="label2" toName="i" choice="single">\n    <Choice value="cat"/>\n  </Choices>\n'
    assert text == config.replace("</View>", f"{added}</View>")
    assert records(tmp_path / "b")[0].labels == (records(tmp_path / "b")[0].labels[0],)


def test_other_classes_make_a_new_configuration_with_the_same_controls(tmp_path: Path) -> None:
    source = written(tmp_path / "a", [task([annotation(1, region("aa", "cat"))], [])])
    report = convert(source, tmp_path / "b", to="labelstudio", class_map={"cat": "tiger"}, carrier=False)
    assert report.ledger.counts["LOS108"] == 1
    text = (tmp_path / "b" / "labels.xml").read_text("utf-8")
    assert '<RectangleLabels name="tag" toName="img">' in text
    assert '<Label value="tiger" background="#ff0000"/>' in text
    (record,) = records(tmp_path / "b")
    assert [(o.category, o.uid) for o in record.objects] == [("tiger", "aa")]


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("<View>", "not well-formed XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><View/>', "a DTD; expected none; remove the DOCTYPE"),
    ],
)
def test_a_configuration_that_is_no_xml_says_why(tmp_path: Path, config: str, found: str) -> None:
    root = written(tmp_path, [task([], [])], config)
    with pytest.raises(FormatError, match=found):
        open_dataset(root, format="labelstudio")


# --- images ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "path", "guessed"),
    [
        ("/data/local-files/?d=images/b/%C3%BC%201.jpg", "b/ü 1.jpg", False),
        ("/data/local-files/?d=/set/images/1.jpg", "set/images/1.jpg", False),
        ("https://host:8080/data/local-files/?d=x%2Fy.png", "x/y.png", False),
        ("/data/upload/12/1a2b3c4d-my-image.jpg", "my-image.jpg", True),
        ("s3://bucket/some/key%20a.jpg", "some/key a.jpg", True),
        ("https://host/static/a.png?size=2#x", "static/a.png", True),
        ("/home/me/a.png", "home/me/a.png", True),
        ("images/a.png", "a.png", False),
    ],
)
def test_addresses_are_paths_and_guesses_are_told(
    tmp_path: Path, said: str, path: str, guessed: bool
) -> None:
    root = written(tmp_path, [task([], [], said)])
    assert records(root)[0].image.path == path
    assert bool(told(root)) == guessed


@given(path=st.text(st.characters(exclude_characters="\\\0", exclude_categories=["Cs"]), min_size=1))
def test_what_is_written_of_a_path_is_read_as_that_path(path: str) -> None:
    try:
        safe = images.safe_path(path)
    except ValueError:
        return
    assert images.place(images.written(safe, images.PREFIX)).path == safe


@pytest.mark.parametrize(
    "said", ["/data/local-files/?d=../../etc/passwd", "../a.jpg", "s3://b/../../a", "x\\y.jpg"]
)
def test_an_address_never_leaves_the_data_set(tmp_path: Path, said: str) -> None:
    (error,) = read(written(tmp_path, [task([], [], said)]))[1]
    assert isinstance(error, RecordError)
    assert error.place.endswith("tasks.json:[0].data.picture")


def test_images_are_found_by_their_path_or_their_name(tmp_path: Path) -> None:
    said = ["/data/upload/1/1a2b3c4d-a.jpg", "https://host/deep/b.jpg", "/data/local-files/?d=sub/c.jpg"]
    root = written(tmp_path, [task([], [], each) for each in said])
    for file in ("images/a.jpg", "images/b.jpg", "sub/c.jpg"):
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_bytes(b"x")
    reader = open_dataset(root, format="labelstudio").reader
    found = [reader.image_file(record) for record in records(root)]
    assert found == [root / "images/a.jpg", root / "images/b.jpg", root / "sub/c.jpg"]


def test_the_key_of_the_image_can_be_named(tmp_path: Path) -> None:
    said = task([], [])
    said["data"] = {"left": "a.jpg", "right": "b.jpg"}
    root = written(tmp_path, [said])
    assert "under the key that --labelstudio-image-key names" in told(root)[0]
    assert records(root, image_key="right")[0].image.path == "b.jpg"


def test_the_url_of_images_can_be_chosen_and_paths_stay(tmp_path: Path) -> None:
    convert(
        SAMPLE / "coco", tmp_path / "a", to="labelstudio", options={"labelstudio": {"url": "s3://bucket/"}}
    )
    tasks = json.loads((tmp_path / "a" / "tasks.json").read_text("utf-8"))
    assert all(each["data"]["image"].startswith("s3://bucket/") for each in tasks)
    known = [record.image.path for record in open_dataset(SAMPLE / "coco", carrier=False)]
    assert sorted(each.image.path for each in records(tmp_path / "a", carrier=False)) == sorted(known)
    assert told(tmp_path / "a") == []


# --- files -------------------------------------------------------------------------------------------------


def test_a_single_file_has_its_configuration_beside_it(tmp_path: Path) -> None:
    convert(SAMPLE / "labelstudio", tmp_path / "out.json", to="labelstudio", images="none", carrier=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.labels.xml"]
    assert (tmp_path / "out.json").read_bytes() == (SAMPLE / "labelstudio" / "tasks.json").read_bytes()
    assert open_dataset(tmp_path / "out.json").format.name == "labelstudio"
    assert open_dataset(tmp_path / "out.json").notes == []


def test_an_export_of_whatever_name_is_found_in_its_folder(tmp_path: Path) -> None:
    root = written(tmp_path, [task([], [prediction(1, region("a", "cat"))])])
    (root / "tasks.json").rename(root / "project-3-at-2024-03-01.json")
    assert detect(root)["labelstudio"].strength == 2
    assert len(records(root)) == 1
    (root / "another.json").write_bytes((root / "project-3-at-2024-03-01.json").read_bytes())
    assert "several lists of tasks" in detect(root)["labelstudio"].reason


def test_results_of_coco_are_no_tasks_and_tasks_are_no_results(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(
        '[{"image_id": 1, "category_id": 2, "bbox": [1,2,3,4], "score": 0.5}]'
    )
    assert {k: v.strength for k, v in detect(tmp_path / "results.json").items() if v.strength} == {"coco": 2}
    root = written(tmp_path / "a", [task([], [])])
    assert {k: v.strength for k, v in detect(root / "tasks.json").items() if v.strength} == {"labelstudio": 2}
    assert {k: v.strength for k, v in detect(root).items() if v.strength} == {"labelstudio": 2}


def test_an_empty_list_of_tasks_is_written_and_read(tmp_path: Path) -> None:
    assert rewritten(tmp_path / "a", HEADER, []) == []
    header, items = read(tmp_path / "a")
    assert (len(header.categories), items) == (len(HEADER.categories), [])
    assert detect(tmp_path / "a")["labelstudio"].strength == 2


def test_a_json_min_export_is_refused_by_name(tmp_path: Path) -> None:
    said = [
        {
            "image": "/data/upload/1/a.jpg",
            "id": 1,
            "tag": [],
            "annotator": 1,
            "annotation_id": 2,
            "lead_time": 3,
        }
    ]
    root = written(tmp_path, said, None)
    assert "JSON_MIN" in detect(root)["labelstudio"].reason
    (error,) = read(root)[1]
    assert "a task of a JSON_MIN export, which says too little; expected the JSON export" in str(error)


def test_readers_remember_their_configuration_when_pickled(tmp_path: Path) -> None:
    reader = open_dataset(written(tmp_path, [task([], [])]), format="labelstudio").reader
    assert pickle.loads(pickle.dumps(reader)).header == reader.header


# --- hostile input -----------------------------------------------------------------------------------------

Break = Callable[[dict[str, Any]], None]


def at(*steps: Any) -> Callable[[Any], Break]:
    """What puts a value somewhere into a task."""

    def put(value: Any) -> Break:
        def broken(said: dict[str, Any]) -> None:
            inner: Any = said
            for step in steps[:-1]:
                inner = inner[step]
            inner[steps[-1]] = value

        return broken

    return put


FIRST = ("annotations", 0, "result", 0)


@pytest.mark.parametrize(
    ("broken", "element", "found"),
    [
        (at(*FIRST, "value", "x")("ten"), "annotations[0].result[0].value.x", "`str`; expected `float`"),
        (at(*FIRST, "value", "x")(None), "annotations[0].result[0].value.x", "`null`; expected `float`"),
        (
            at(*FIRST, "value", "width")(1e308),
            "annotations[0].result[0].value.width",
            "a value out of bounds; expected `float` <= 1e+300",
        ),
        (at(*FIRST, "value")([]), "annotations[0].result[0].value", "`array`; expected `object`"),
        (at(*FIRST, "value")({"rectanglelabels": ["cat"]}), "annotations[0].result[0].value", "`x`"),
        (
            at(*FIRST, "value", "rectanglelabels")(7),
            "annotations[0].result[0].value.rectanglelabels",
            "`array`",
        ),
        (at(*FIRST, "value", "rectanglelabels")([""]), "result[0].value.rectanglelabels", "an empty text"),
        (
            at(*FIRST, "value", "rectanglelabels")(["cow"]),
            "result[0].value",
            "the class 'cow'; expected a class",
        ),
        (at(*FIRST, "score")("high"), "annotations[0].result[0].score", "'high'; expected a number"),
        (at(*FIRST, "score")(True), "annotations[0].result[0].score", "True; expected a number"),
        (at(*FIRST, "original_width")(0), "result[0].original_width", "0; expected a whole number of pixels"),
        (
            at(*FIRST, "original_width")(2**40),
            "result[0].original_width",
            "expected a whole number of pixels",
        ),
        (
            at(*FIRST, "original_width")(201),
            "[0].result[1].original_width",
            "200 x 100 pixels; expected 201 x 100",
        ),
        (at(*FIRST, "image_rotation")(90), "result[0].image_rotation", "90; expected 0: the image as it is"),
        (at(*FIRST, "item_index")(1), "result[0].item_index", "1; expected 0: one image a task"),
        (
            at(*FIRST, "meta")({"labelkit": {"uid": 7}}),
            "result[0].meta.labelkit.uid",
            "`int`; expected `str | null`",
        ),
        (
            at(*FIRST, "meta")({"labelkit": {"provenance": {"run": "r"}}}),
            "meta.labelkit.provenance",
            "`model`",
        ),
        (at(*FIRST)("text"), "annotations[0].result[0]", "`str`; expected `object`"),
        (at("annotations", 0, "result")({}), "annotations[0].result", "`object`; expected `array`"),
        (at("annotations", 0)(5), "annotations[0]", "`int`; expected `object`"),
        (at("annotations")("none"), "annotations", "`str`; expected `array`"),
        (at("data")([]), "data", "expected an object"),
        (at("data", "picture")(None), "data", "no 'picture'; expected the address of an image"),
        (at("data", "picture")(7), "data", "'picture' is 7"),
        (at("meta")({"labelkit": {"width": "wide"}}), "meta.labelkit.width", "`str`; expected `int | null`"),
        (at("meta")({"labelkit": {"path": "../x"}}), "data.picture", "leaves its folder"),
    ],
)
def test_a_broken_task_is_told_with_its_place_and_hides_no_other(
    tmp_path: Path, broken: Break, element: str, found: str
) -> None:
    good = task(
        [annotation(1, region("aa", "cat"), region("bb", "dog"))], [prediction(2, region("cc", "cat"))]
    )
    bad = copy.deepcopy(good) | {"data": {"picture": "b.jpg"}}
    broken(bad)
    _, items = read(written(tmp_path, [good, bad, good | {"data": {"picture": "c.jpg"}}]))
    errors = [item for item in items if isinstance(item, RecordError)]
    assert errors
    assert errors[0].place.startswith(f"{tmp_path}/tasks.json:[1].")
    assert errors[0].place.endswith(element)
    assert found in str(errors[0])
    assert len([item for item in items if isinstance(item, Record)]) == 2


def test_a_second_task_of_an_image_is_an_error_at_its_place(tmp_path: Path) -> None:
    """Whatever is wrong with the first, wherever the second is, and however each says the path."""
    names = ["a.jpg", *(f"{k}.jpg" for k in range(60)), "/data/local-files/?d=images/a.jpg", "0.jpg"]
    tasks = [task([annotation(1, region("aa", "cat"))], [], name) for name in names]
    tasks[1]["annotations"] = "none"
    root = written(tmp_path / "set", tasks)
    errors = [item for item in read(root)[1] if isinstance(item, RecordError)]
    assert [(error.place, error.code) for error in errors[1:]] == [
        (f"{root}/tasks.json:[61].data", "REF109"),
        (f"{root}/tasks.json:[62].data", "REF109"),
    ]
    assert str(errors[1]).endswith(
        "[61].data: 'a.jpg' once more (as in [0]); expected one task an image; join or remove one"
    )
    with pytest.raises(BadRecordsError):
        convert(root, tmp_path / "out", to="coco", images="none")
    report = convert(root, tmp_path / "out", to="coco", images="none", on_error="skip")
    assert report.records == 60
    found = [(each.code, each.at.element) for each in validate(root).findings if each.at]
    assert [element for code, element in found if code == "REF109"] == ["[61].data", "[62].data"]


def test_all_that_is_wrong_with_a_task_is_told(tmp_path: Path) -> None:
    results = [region(str(k), name) for k, name in enumerate(("cow", "cat", "hen"))]
    errors = read(written(tmp_path, [task([annotation(1, *results)], [])]))[1]
    assert [error.found for error in errors] == ["the class 'cow'", "the class 'hen'"]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"[{}", "the file ends too early"),
        (b'[{"data": NaN}]', "byte 10: NaN, which JSON does not know"),
        (b'{"data": {}}', "a JSON list of Label Studio's tasks"),
        (b"", "the file ends too early"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_list_says_why(tmp_path: Path, data: bytes, found: str) -> None:
    file = tmp_path / "tasks.json"
    file.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        open_dataset(file, format="labelstudio")
    assert found in str(caught.value)


def test_bytes_that_are_no_text_are_the_error_of_their_task(tmp_path: Path) -> None:
    good, bad = (json.dumps(task([], [], name)).encode() for name in ("a.jpg", "b.jpg"))
    root = written(tmp_path, [])
    (root / "tasks.json").write_bytes(b"[%b,%b]" % (bad.replace(b"b.jpg", b"\xff.jpg"), good))
    first, second = read(root)[1]
    assert "not UTF-8" in str(first)
    assert second.image.path == "a.jpg"


def test_numbers_of_thousands_of_digits_and_deep_meta_are_errors_of_their_region(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(150):
        deep = {"a": deep}
    said = region("aa", "cat", meta={"labelkit": {"attributes": {"deep": deep}}})
    (error,) = read(written(tmp_path / "a", [task([annotation(1, said)], [])]))[1]
    assert "nested more than 100 deep" in str(error)
    text = json.dumps([task([annotation(1, region("aa", "cat"))], [])]).replace(
        '"x": 10', '"x": 1' + "0" * 5000
    )
    (written(tmp_path / "b", []) / "tasks.json").write_text(text)
    (other,) = read(tmp_path / "b")[1]
    assert isinstance(other, RecordError)


def test_a_malformed_raw_of_another_hand_is_an_error_and_no_crash() -> None:
    record = Record(image=Image(path="a.jpg", width=9, height=9), raw={"labelstudio": {"task": "{"}})
    target, _ = fit_header(HEADER, FORMAT)
    with pytest.raises(ValueError, match="a malformed task in raw"):
        fit(record, target)
    odd: list[Any] = [7, [], {"task": 7}, {"task": '{"data": {}}', "read": [1, 2], "parent": "x"}]
    for raw in odd:
        assert FORMAT.extras(raw) == []


def test_options_that_are_unknown_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown to labelstudio"):
        open_dataset(SAMPLE / "labelstudio", nonsense="x")

"""What people do to converted files with their own tools, and what comes back of it.

Every test converts a data set, edits the target's files as text, JSON or pixels, converts back, and compares
the files with the originals: the edit is there in the source's own terms, and nothing else has changed.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from labelkit.formats import Target, formats
from labelkit.loss import Fitted, fit, fit_header
from labelkit.model import Record
from labelkit.pipeline import convert, open_dataset
from labelkit.visible import visible

SAMPLE = Path(__file__).parents[1] / "sample_data"
Rows = dict[tuple[Any, ...], Any]


# --- files as values ---------------------------------------------------------------------------------------


def bare(name: str, root: Path) -> Path:
    """A copy of a sample without its carrier, so that it is a source of its own."""
    shutil.copytree(SAMPLE / name, root, ignore=shutil.ignore_patterns("labelkit.jsonl"))
    return root


def tokens(path: Path) -> Any:
    """JSON with every number as its text, and every object as its pairs in order."""
    return json.loads(
        path.read_bytes(),
        parse_float=lambda text: ("number", text),
        parse_int=lambda text: ("number", text),
        object_pairs_hook=lambda pairs: {"keys": [key for key, _ in pairs], **dict(pairs)},
    )


def rows(root: Path) -> Rows:
    """Everything that the files below a folder say, but for carriers: by place, down to keys and pixels."""
    found: Rows = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not path.is_file() or path.name.endswith("labelkit.jsonl") or path.suffix in (".jpg", ".txt.bak"):
            continue
        if path.suffix == ".json":
            _json_rows(name, tokens(path), found)
        elif path.suffix == ".png" and ("gtFine" in name or "Segmentation" in name):
            pixels = np.array(Pillow.open(path))
            for value in np.unique(pixels.reshape(-1, *pixels.shape[2:]), axis=0).tolist():
                where = pixels == value if pixels.ndim == 2 else (pixels == value).all(axis=2)
                found[name, str(value)] = where.tobytes()
        elif path.suffix == ".xml":
            _xml_rows(name, path.read_text("utf-8"), found)
        elif path.suffix == ".txt":
            found[name,] = path.read_text("utf-8").splitlines()
        else:
            found[name,] = path.read_bytes()
    return found


def _json_rows(name: str, document: Any, found: Rows) -> None:
    if isinstance(document, list):
        document = {"": document}
    for key, value in document.items():
        if not isinstance(value, list) or key == "keys":
            found[name, key] = value
            continue
        for position, item in enumerate(value):
            if not isinstance(item, dict):
                found[name, key, position] = item
                continue
            own = item["id"][1] if "id" in item and isinstance(item["id"], tuple) else position
            for part, text in item.items():
                found[name, key, own, part] = text


def _xml_rows(name: str, text: str, found: Rows) -> None:
    objects = OBJECT.findall(text)
    found[name, "head"] = OBJECT.sub("", text)
    for position, item in enumerate(objects):
        found[name, "object", position] = item


def changes(before: Path, after: Path) -> dict[tuple[Any, ...], tuple[Any, Any]]:
    """Every place that two folders say differently, with both texts; None where there is nothing."""
    a, b = rows(before), rows(after)
    return {key: (a.get(key), b.get(key)) for key in (*a, *b) if a.get(key) != b.get(key)}


def places(found: dict[tuple[Any, ...], tuple[Any, Any]]) -> set[str]:
    """The places of changes as one text each."""
    return {" ".join(str(step) for step in key) for key in found}


# --- edits of Pascal VOC -----------------------------------------------------------------------------------

OBJECT = re.compile(r"\s*<object>.*?</object>", re.S)


def xml_file(root: Path, stem: str) -> Path:
    (path,) = root.rglob(f"Annotations/**/{stem}.xml")
    return path


def edit_xml(root: Path, stem: str, number: int, change: Callable[[str], str]) -> None:
    """Change the text of one object, counted from 0."""
    path = xml_file(root, stem)
    text = path.read_text("utf-8")
    found = list(OBJECT.finditer(text))[number]
    new = change(found.group())
    assert new != found.group()
    path.write_text(text[: found.start()] + new + text[found.end() :], "utf-8")


def put(tag: str, value: object) -> Callable[[str], str]:
    return lambda text: re.sub(rf"<{tag}>[^<]*</{tag}>", f"<{tag}>{value}</{tag}>", text, count=1)


def add_xml(root: Path, stem: str, text: str) -> None:
    path = xml_file(root, stem)
    path.write_text(path.read_text("utf-8").replace("</annotation>", f"{text}</annotation>"), "utf-8")


def edit_png(root: Path, folder: str, stem: str, change: Callable[[Any], None]) -> None:
    """Change the indices of a palette PNG, keeping its palette, as an image editor does."""
    (path,) = root.rglob(f"{folder}/**/{stem}.png")
    with Pillow.open(path) as image:
        pixels, palette = np.array(image), image.getpalette()
    change(pixels)
    made = Pillow.fromarray(pixels)
    made.putpalette(palette)
    made.save(path)


def erase(value: int, count: int) -> Callable[[Any], None]:
    """Clear the first pixels of a value, row by row."""

    def change(pixels: Any) -> None:
        ys, xs = np.nonzero(pixels == value)
        assert len(ys) > count
        pixels[ys[:count], xs[:count]] = 0

    return change


# --- edits of COCO -----------------------------------------------------------------------------------------


def edit_json(path: Path, change: Callable[[Any], None]) -> None:
    """Load, change and dump a JSON file, as every tool does that knows nothing of its text."""
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document, indent=2), "utf-8")


def coco(root: Path, name: str) -> Path:
    return root / "annotations" / f"{name}.json"


def of_image(document: Any, stem: str) -> list[Any]:
    (image,) = [image for image in document["images"] if stem in image["file_name"]]
    return [item for item in document["annotations"] if item["image_id"] == image["id"]]


# --- edits of Cityscapes -----------------------------------------------------------------------------------


def scene(root: Path, label: str) -> Path:
    """The first polygon file with that label."""
    return next(
        path
        for path in sorted(root.rglob("*_polygons.json"))
        if any(item["label"] == label for item in json.loads(path.read_text())["objects"])
    )


def edit_scene(path: Path, change: Callable[[list[Any]], None]) -> None:
    """Edit the polygons and drop the PNGs, which the official scripts render from them."""
    edit_json(path, lambda document: change(document["objects"]))
    for png in path.parent.glob(path.name.replace("_polygons.json", "_*.png")):
        png.unlink()


def first(objects: list[Any], label: str) -> Any:
    return next(item for item in objects if item["label"] == label)


# --- from COCO and back ------------------------------------------------------------------------------------


class Trip:
    """A source, what it was converted to, and the way back."""

    def __init__(self, tmp: Path, source: str, target: str) -> None:
        self.source, self.target, self.tmp = source, target, tmp
        self.before = bare(source, tmp / "before")
        self.there = tmp / "there"
        convert(self.before, self.there, to=target)

    def back(self) -> dict[tuple[Any, ...], tuple[Any, Any]]:
        """What has changed after the way back."""
        convert(self.there, self.tmp / "after", to=self.source)
        return changes(self.before, self.tmp / "after")


PAIRS = [(a, b) for a in ("coco", "voc", "cityscapes") for b in ("coco", "voc", "cityscapes") if a != b]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_without_an_edit_nothing_changes(tmp_path: Path, source: str, target: str) -> None:
    assert Trip(tmp_path, source, target).back() == {}


TRIANGLES = [
    (a, b, c)
    for a in ("coco", "voc", "cityscapes")
    for b in ("coco", "voc", "cityscapes")
    for c in ("coco", "voc", "cityscapes")
    if a not in (b, c) and b != c
]


@pytest.mark.parametrize(("source", "over", "then"), TRIANGLES)
def test_a_triangle_gives_the_original(tmp_path: Path, source: str, over: str, then: str) -> None:
    before = bare(source, tmp_path / "0")
    for number, name in enumerate((over, then, source), 1):
        convert(tmp_path / str(number - 1), tmp_path / str(number), to=name)
    assert changes(before, tmp_path / "3") == {}


@pytest.mark.parametrize("chain", [("voc",), ("cityscapes",), ("voc", "cityscapes"), ("cityscapes", "voc")])
def test_real_coco_comes_back_token_by_token(tmp_path: Path, corpus: Path, chain: tuple[str, ...]) -> None:
    place = original = corpus / "coco-val2014-100" / "instances_val2014_100.json"
    for number, name in enumerate(chain):
        convert(place, tmp_path / str(number), to=name)
        place = tmp_path / str(number)
    convert(place, tmp_path / original.name, to="coco")
    assert tokens(tmp_path / original.name) == tokens(original)


@pytest.mark.parametrize("chain", [("voc",), ("cityscapes",), ("cityscapes", "voc")])
def test_real_panoptic_coco_comes_back(tmp_path: Path, corpus: Path, chain: tuple[str, ...]) -> None:
    place = original = corpus / "coco-panoptic" / "sample_data" / "panoptic_examples.json"
    for number, name in enumerate((*chain, "coco")):
        convert(place, tmp_path / str(number), to=name)
        place = tmp_path / str(number)
    (made,) = place.rglob("panoptic_examples.json")
    assert tokens(made) == tokens(original)
    for png in original.with_suffix("").glob("*.png"):
        back = np.array(Pillow.open(made.with_suffix("") / png.name))
        assert np.array_equal(back, np.array(Pillow.open(png)))


@pytest.mark.parametrize("chain", [("coco",), ("voc",), ("voc", "coco")])
def test_golden_cityscapes_come_back(tmp_path: Path, corpus: Path, chain: tuple[str, ...]) -> None:
    place = original = corpus / "cityscapes-golden"
    for number, name in enumerate((*chain, "cityscapes")):
        convert(place, tmp_path / str(number), to=name)
        place = tmp_path / str(number)
    found = changes(original, place)
    assert places(found) <= {"SOURCE.txt"}


@pytest.mark.parametrize("chain", [("coco",), ("cityscapes",), ("cityscapes", "coco")])
def test_real_voc_comes_back(tmp_path: Path, corpus: Path, chain: tuple[str, ...]) -> None:
    place = original = corpus / "voc-fridge" / "samples" / "fridge" / "odFridgeObjects"
    for number, name in enumerate((*chain, "voc")):
        convert(place, tmp_path / str(number), to=name)
        place = tmp_path / str(number)
    for path in sorted((original / "annotations").glob("*.xml")):
        assert xml_file(place, path.stem).read_bytes() == path.read_bytes()


# COCO, edited as VOC: what is edited → the places that must have changed, and no other


def moved_far(root: Path) -> None:
    edit_xml(root, "rocket", 0, lambda text: put("xmin", 11)(put("ymin", 13)(text)))


def moved_near(root: Path) -> None:
    edit_xml(root, "rocket", 0, put("xmin", 235))


def renamed(root: Path) -> None:
    edit_xml(root, "rocket", 0, put("name", "flag"))


def deleted_last(root: Path) -> None:
    edit_xml(root, "rocket", -1, lambda text: "")


def deleted_first_without_its_pixels(root: Path) -> None:
    edit_xml(root, "rocket", 0, lambda text: "")


def added(root: Path) -> None:
    box = "<bndbox><xmin>20</xmin><ymin>21.5</ymin><xmax>39</xmax><ymax>47</ymax></bndbox>"
    add_xml(root, "rocket", f"<object><name>flag</name>{box}</object>")


def repainted(root: Path) -> None:
    edit_png(root, "SegmentationObject", "rocket", erase(1, 50))


def reclassed(root: Path) -> None:
    edit_png(root, "SegmentationClass", "rocket", erase(7, 60))


A, S = "annotations/instances_train.json annotations", "annotations/stuff_train.json annotations"
KEYS = ("keys", "id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd")
VOC_EDITS_OF_COCO: dict[Callable[[Path], None], set[str]] = {
    moved_far: {f"{A} 1 bbox"},
    moved_near: {f"{A} 1 bbox"},
    renamed: {f"{A} 1 category_id"},
    deleted_last: {f"{A} 5 {key}" for key in KEYS},
    deleted_first_without_its_pixels: {f"{A} 1 {key}" for key in KEYS},
    added: {f"{A} 23 {key}" for key in KEYS},
    repainted: {f"{A} 1 area", f"{A} 1 segmentation"},
    reclassed: {f"{S} 1 area", f"{S} 1 segmentation", f"{S} 1 bbox"},
}


@pytest.mark.parametrize("edit", VOC_EDITS_OF_COCO, ids=lambda edit: edit.__name__)
def test_coco_edited_as_voc(tmp_path: Path, edit: Callable[[Path], None]) -> None:
    trip = Trip(tmp_path, "coco", "voc")
    edit(trip.there)
    found = trip.back()
    assert places(found) == VOC_EDITS_OF_COCO[edit]


def test_a_box_moved_in_voc_arrives_in_coco_as_numbers(tmp_path: Path) -> None:
    trip = Trip(tmp_path, "coco", "voc")
    moved_far(trip.there)
    ((_, box),) = trip.back().values()
    assert [float(text) for _, text in box] == [10, 12, 240.3, 293]  # xmin - 1, to the same xmax


def test_pixels_erased_in_voc_are_erased_in_coco(tmp_path: Path) -> None:
    trip = Trip(tmp_path, "coco", "voc")
    area = area_of(record_of(trip.there, "rocket"), 0)
    repainted(trip.there)
    trip.back()
    after = record_of(tmp_path / "after", "rocket")
    assert area_of(after, 0) == area - 50
    assert visible(after)["objects"][1:] == visible(record_of(trip.before, "rocket"))["objects"][1:]


def record_of(root: Path, stem: str) -> Record:
    return next(record for record in open_dataset(root, carrier=False) if stem in record.image.path)


def area_of(record: Record, position: int) -> int:
    from labelkit.geometry import rle
    from labelkit.pixels import mask_runs

    item = record.objects[position]
    assert item.kind == "instance"
    return rle.area(mask_runs(record, item.mask))


# COCO, edited as Cityscapes


def vertex(root: Path) -> None:
    def change(objects: list[Any]) -> None:
        first(objects, "person")["polygon"][0] = [215, 23]

    edit_scene(scene(root, "person"), change)


def relabelled(root: Path) -> None:
    edit_scene(scene(root, "person"), lambda objects: first(objects, "person").update(label="rider"))


def removed(root: Path) -> None:
    edit_scene(scene(root, "person"), lambda objects: objects.remove(first(objects, "person")))


def drawn(root: Path) -> None:
    square = {"label": "person", "polygon": [[400, 5], [420, 5], [420, 25], [400, 25]]}
    edit_scene(scene(root, "person"), lambda objects: objects.append(square))


def pngs_dropped(root: Path) -> None:
    for path in root.rglob("*_gtFine_*.png"):
        path.unlink()


@pytest.mark.parametrize("edit", [vertex, relabelled, removed, drawn, pngs_dropped])
def test_coco_edited_as_cityscapes(tmp_path: Path, edit: Callable[[Path], None]) -> None:
    trip = Trip(tmp_path, "coco", "cityscapes")
    edit(trip.there)
    found = trip.back()
    person, pixels = f"{A} 12", f"{S} 10"
    expected = {
        vertex: {f"{person} segmentation", f"{person} area", f"{pixels} segmentation", f"{pixels} area"},
        removed: {f"{place} {key}" for place in (person, pixels) for key in KEYS},
        pngs_dropped: set(),
    }
    if edit in expected:
        assert places(found) == expected[edit]
    elif edit is relabelled:
        objects = {place for place in places(found) if place.startswith(A)}
        assert objects == {f"{person} category_id"}
        assert {place for place in places(found) if place.startswith(f"{S} 10")} == {
            f"{pixels} {key}" for key in KEYS
        }
    else:
        assert {place for place in places(found) if place.startswith(A)} == {f"{A} 23 {key}" for key in KEYS}
        assert not any(new is None for _, new in found.values())


# VOC, edited as COCO


def test_voc_boxes_edited_as_coco(tmp_path: Path) -> None:
    trip = Trip(tmp_path, "voc", "coco")

    def change(document: Any) -> None:
        of_image(document, "rocket")[0]["bbox"][0] += 3.5

    edit_json(coco(trip.there, "instances_train"), change)
    found = trip.back()
    ((old, new),) = found.values()
    assert new == old.replace("<xmin>234</xmin>", "<xmin>237.5</xmin>").replace(
        "<xmax>250.3</xmax>", "<xmax>253.8</xmax>"
    )


def test_voc_polygons_edited_as_coco_change_one_object(tmp_path: Path) -> None:
    trip = Trip(tmp_path, "voc", "coco")

    def change(document: Any) -> None:
        of_image(document, "rocket")[0]["segmentation"] = [[10.0, 10.0, 30.0, 10.0, 30.0, 40.0, 10.0, 40.0]]

    edit_json(coco(trip.there, "instances_train"), change)
    found = trip.back()
    assert all("SegmentationObject/train/rocket.png" in place for place in places(found))
    after = np.array(Pillow.open(next(tmp_path.glob("after/**/SegmentationObject/train/rocket.png"))))
    assert np.count_nonzero(after == 1) == 20 * 30
    assert (after[10:40, 10:30] == 1).all()


@pytest.mark.parametrize("role", ["instances_train", "labels_train", "stuff_train"])
def test_dumping_coco_again_is_no_edit(tmp_path: Path, role: str) -> None:
    trip = Trip(tmp_path, "voc", "coco")
    assert coco(trip.there, role).exists()
    edit_json(coco(trip.there, role), lambda document: None)
    assert trip.back() == {}


@pytest.mark.parametrize("source", ["voc", "cityscapes"])
def test_numbering_coco_anew_is_no_edit(tmp_path: Path, source: str) -> None:
    trip = Trip(tmp_path, source, "coco")
    ids: dict[str, int] = {}

    def change(document: Any) -> None:
        new = {}
        for image in document["images"]:
            new[image["id"]] = ids.setdefault(image["file_name"], 700 - len(ids))
            image["id"] = new[image["id"]]
        for position, item in enumerate(document["annotations"]):
            item.update(id=5000 + position, image_id=new[item["image_id"]])
        for category in document["categories"]:
            category["id"] += 300
        for item in document["annotations"]:
            item["category_id"] += 300

    for path in sorted((trip.there / "annotations").glob("*.json")):
        edit_json(path, change)
    assert trip.back() == {}


def test_a_class_changed_in_coco_changes_xml_and_lists(tmp_path: Path) -> None:
    trip = Trip(tmp_path, "voc", "coco")

    def change(document: Any) -> None:
        (flag,) = [item["id"] for item in document["categories"] if item["name"] == "person"]
        of_image(document, "rocket")[0]["category_id"] = flag

    edit_json(coco(trip.there, "instances_train"), change)
    found = trip.back()
    home = "VOCdevkit/VOC2012"
    assert places(found) == {
        f"{home}/Annotations/train/rocket.xml object 0",
        f"{home}/ImageSets/Main/person_train.txt",
        f"{home}/ImageSets/Main/rocket_train.txt",
    }
    old, new = found[f"{home}/Annotations/train/rocket.xml", "object", 0]
    assert new == old.replace("rocket", "person")


@pytest.mark.parametrize("position", [0, 2, -1])
def test_an_object_deleted_in_coco_takes_its_pixels_along(tmp_path: Path, position: int) -> None:
    trip = Trip(tmp_path, "voc", "coco")
    edit_json(
        coco(trip.there, "instances_train"),
        lambda document: document["annotations"].remove(of_image(document, "rocket")[position]),
    )
    trip.back()
    before, after = record_of(trip.before, "rocket"), record_of(tmp_path / "after", "rocket")
    wanted = visible(before)["objects"]
    del wanted[position]
    assert visible(after)["objects"] == wanted
    (png,) = tmp_path.glob("after/**/SegmentationObject/train/rocket.png")
    assert set(np.unique(np.array(Pillow.open(png))).tolist()) <= {*range(len(wanted) + 1), 255}


def test_an_image_emptied_in_coco_has_no_object_pixels(tmp_path: Path) -> None:
    trip = Trip(tmp_path, "voc", "coco")

    def change(document: Any) -> None:
        gone = of_image(document, "rocket")
        document["annotations"] = [item for item in document["annotations"] if item not in gone]

    edit_json(coco(trip.there, "instances_train"), change)
    trip.back()
    for png in tmp_path.glob("after/**/SegmentationObject/train/rocket.png"):
        assert set(np.unique(np.array(Pillow.open(png))).tolist()) <= {0, 255}


def test_an_image_added_in_coco_is_added_and_no_more(tmp_path: Path) -> None:
    trip = Trip(tmp_path, "voc", "coco")

    def change(document: Any) -> None:
        document["images"].append({"id": 4242, "file_name": "train/new.jpg", "width": 50, "height": 40})
        kind = document["categories"][0]["id"]
        box = {"id": 9999, "image_id": 4242, "category_id": kind, "bbox": [1, 2, 3, 4], "iscrowd": 0}
        document["annotations"].append({**box, "area": 12})

    edit_json(coco(trip.there, "instances_train"), change)
    found = trip.back()
    assert all(old is None or key[0].endswith(".txt") for key, (old, _) in found.items())
    for key, (old, new) in found.items():
        if old is not None:
            assert [line for line in new if "train/new" not in line] == old, key


# VOC, edited as Cityscapes


@pytest.mark.parametrize("edit", [vertex, relabelled, removed, pngs_dropped])
def test_voc_edited_as_cityscapes(tmp_path: Path, edit: Callable[[Path], None]) -> None:
    trip = Trip(tmp_path, "voc", "cityscapes")
    edit(trip.there)
    found = {key: value for key, value in trip.back().items() if not key[0].endswith(("txt", ".xml"))}
    person, void = "1", "255"
    maps = {key for key in found if "SegmentationClass" in key[0]}
    assert all("astronaut" in key[0] for key in found)
    assert not any(key[1] == void for key in found)
    if edit is pngs_dropped:
        assert not found
    elif edit is relabelled:
        assert len(maps) == 2  # the old class and the new one
    else:
        assert {key[1] for key in maps} == {person, "0"}


# Cityscapes, edited as COCO and as VOC


def test_cityscapes_polygons_edited_as_coco(tmp_path: Path) -> None:
    trip = Trip(tmp_path, "cityscapes", "coco")

    def change(document: Any) -> None:
        item = document["annotations"][0]
        item["segmentation"] = [[10.0, 10.0, 60.0, 10.0, 60.0, 80.0, 10.0, 80.0]]

    edit_json(coco(trip.there, "instances_train"), change)
    trip.back()
    before, after = list(open_dataset(trip.before)), list(open_dataset(tmp_path / "after", carrier=False))
    changed = [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if visible(a) != visible(b)]
    assert len(changed) == 1
    (png,) = [
        path
        for path in sorted((tmp_path / "after").rglob("*_instanceIds.png"))
        if (np.array(Pillow.open(path))[10:80, 10:60] == 24000).all()
    ]
    assert (np.array(Pillow.open(png)) == 24000).sum() == 50 * 70


def test_cityscapes_classes_edited_as_voc(tmp_path: Path) -> None:
    trip = Trip(tmp_path, "cityscapes", "voc")
    stem = next(path.stem for path in sorted(trip.there.rglob("*.xml")) if "<object>" in path.read_text())
    edit_xml(trip.there, stem, 0, put("name", "rider"))
    found = trip.back()
    city = stem.removesuffix("_leftImg8bit")
    assert found
    assert all(city in key[0] for key in found)
    labels = [
        [item["label"] for item in json.loads(path.read_text())["objects"]]
        for root in (trip.before, tmp_path / "after")
        for path in root.rglob(f"{city}*_polygons.json")
    ]
    assert "rider" in labels[1]
    assert labels[0].count("person") == labels[1].count("person") + 1


@pytest.fixture
def dog(tmp_path: Path) -> Path:
    """One image of one dog, in COCO."""
    square = [[2, 2, 12, 2, 12, 12, 2, 12]]
    item = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [2, 2, 10, 10], "area": 100, "iscrowd": 0}
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}],
        "annotations": [{**item, "segmentation": square}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    path = tmp_path / "dog" / "annotations" / "instances_train.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document))
    return tmp_path / "dog"


def test_a_class_that_only_pixels_have_becomes_a_category(tmp_path: Path, dog: Path) -> None:
    convert(dog, tmp_path / "there", to="voc")

    def change(pixels: Any) -> None:
        pixels[20:25, 20:25] = 8  # cat, of the official classes

    edit_png(tmp_path / "there", "SegmentationClass", "a", change)
    convert(tmp_path / "there", tmp_path / "after", to="coco")
    (stuff,) = (tmp_path / "after").rglob("stuff_train.json")
    document = json.loads(stuff.read_text())
    names = {item["id"]: item["name"] for item in document["categories"]}
    assert {names[item["category_id"]]: item["area"] for item in document["annotations"]} == {
        "cat": 25,
        "dog": 100,
    }


def test_classes_of_a_map_do_not_stay_behind(tmp_path: Path) -> None:
    before = bare("coco", tmp_path / "before")
    table = tmp_path / "map.json"
    table.write_text(json.dumps({"tower": "car"}))
    convert(before, tmp_path / "there", to="voc", class_map=str(table))
    convert(tmp_path / "there", tmp_path / "after", to="coco")
    assert changes(before, tmp_path / "after") == {}


def test_an_image_renamed_and_edited_is_told(tmp_path: Path, dog: Path) -> None:
    there = tmp_path / "there"
    convert(dog, there, to="voc")
    edit_xml(there, "a", 0, put("xmin", 4))
    for path in (*there.rglob("a.xml"), *there.rglob("a.png")):
        path.rename(path.with_stem("z"))
    for path in there.rglob("ImageSets/**/*.txt"):
        path.write_text(re.sub(r"\ba\b", "z", path.read_text()))
    report = convert(there, tmp_path / "after", to="coco")
    assert report.ledger.counts["ODD009"] == 1


# --- without the carrier: what differs is in the ledger ----------------------------------------------------

SETS = {
    "coco": SAMPLE / "coco",
    "voc": SAMPLE / "voc",
    "cityscapes": SAMPLE / "cityscapes",
    "jsonl": SAMPLE / "jsonl",
}
REAL = {
    "coco-val2014-100": "coco-val2014-100/instances_val2014_100.json",
    "coco-panoptic": "coco-panoptic/sample_data/panoptic_examples.json",
    "voc-fridge": "voc-fridge/samples/fridge/odFridgeObjects",
    "cityscapes-golden": "cityscapes-golden",
}
MASK = ("LOS107", "LOS112", "LOS201", "LOS202", "LOS209", "LOS304")
MAP = ("LOS103", "LOS104", "LOS106", "LOS112", "LOS114", "LOS202", "LOS205", "LOS302", "LOS304")
TOLD_BY = {
    "box": ("LOS109", "LOS301"),
    "mask": MASK,
    "crowd": ("LOS105", "LOS115", "LOS203", "LOS305"),
    "difficult": ("LOS105", "LOS115", "LOS203"),
}


def untold(source: Record, fitted: Fitted) -> Iterator[str]:
    """Every value of a record that was lost or changed, and that no finding of that record speaks of."""
    place = source.image.path
    before, after = visible(source), visible(fitted.record)

    def told(codes: tuple[str, ...], number: int | None, word: str = "") -> bool:
        spots = (place, f"{place}:object {number}") if number is not None else (place,)
        return any(
            item.code in codes
            and (item.place in spots or (number is None and item.place.startswith(f"{place}:")))
            and word in item.message
            for item in fitted.findings
        )

    if source.image.path != fitted.record.image.path and not told(("LOS204",), None):
        yield "path"
    if before["size"] != after["size"]:
        yield "size"
    for split in source.splits:
        if split not in fitted.record.splits and not told(("LOS110",), None, split):
            yield f"split {split}"
    for label in before["labels"]:
        if label not in after["labels"] and not told(("LOS102", "LOS113", "LOS105"), None, label["category"]):
            yield f"label {label}"
    for position, item in enumerate(before["objects"]):
        if position not in fitted.origins:
            if not told(("LOS101", "LOS104"), position + 1):
                yield f"object {position + 1}"
            continue
        now = after["objects"][fitted.origins.index(position)]
        for name in sorted({*item, *now}):
            codes = TOLD_BY.get(name, ("LOS105", "LOS115"))
            same = item.get(name) == now.get(name)
            if not same and not told(codes, position + 1, "" if name in TOLD_BY else name):
                yield f"object {position + 1}: {name}"
    kept = [origin for origin in fitted.origins if origin is not None]
    if kept != sorted(kept) and not told(("LOS206",), None):
        yield "order"
    for name, digest in before["maps"].items():
        codes = MAP if name == "semantic" else ("LOS103",)
        if after["maps"].get(name) != digest and not told(codes, None):
            yield f"map {name}"
    for name in after["maps"]:
        if name not in before["maps"] and not told(("LOS302",), None):
            yield f"map {name}, invented"
    if len(source.raw) > len(fitted.record.raw) and not told(("LOS108",), None):
        yield "raw"


def check_ledger(path: Path, name: str) -> None:
    dataset = open_dataset(path, carrier=False)
    target, findings = fit_header(dataset.header, formats()[name])
    lost = {category.name for category in dataset.header.categories} - {
        category.name for category in target.header.categories
    }
    for category in lost:
        assert any(item.code == "LOS104" and repr(category) in item.message for item in findings)
    for ordinal, record in enumerate(dataset):
        fitted = fit(record, target, ordinal)
        assert list(untold(record, fitted)) == [], record.image.path
        check_again(fitted, target, ordinal)


def check_again(fitted: Fitted, target: Target, ordinal: int) -> None:
    assert fit(fitted.record, target, ordinal).findings == []


TARGETS = ("coco", "voc", "cityscapes")


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("source", SETS)
def test_the_ledger_has_every_difference(source: str, name: str) -> None:
    check_ledger(SETS[source], name)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("source", REAL)
def test_the_ledger_has_every_difference_of_real_data(corpus: Path, source: str, name: str) -> None:
    check_ledger(corpus / REAL[source], name)

"""What labelkit counts is what others count: pycocotools, Pillow and numpy, and people on the sample."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from made import HEADER, record_lists
from PIL import Image
from pycocotools import mask
from pycocotools.coco import COCO
from test_cli import labelkit
from test_laws import folder, write_jsonl

from labelkit.errors import FormatError, UsageError
from labelkit.model import Record
from labelkit.outputs.stats_json import as_json
from labelkit.statistics import LARGE, QUANTILES, SMALL, ClassStatistics, Sizes, Statistics, statistics
from labelkit.validation import validate

SAMPLE = Path(__file__).parents[1] / "sample_data"
VOC = SAMPLE / "voc/VOCdevkit/VOC2012"


def of_class(counted: Statistics, name: str) -> ClassStatistics:
    (found,) = [each for each in counted.classes if each.name == name]
    return found


# --- against pycocotools -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def official(corpus: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(corpus / "coco-val2014-100/instances_val2014_100.json"))


@pytest.fixture(scope="module")
def counted(corpus: Path) -> Statistics:
    return statistics(corpus / "coco-val2014-100/instances_val2014_100.json")


def test_objects_and_images_are_those_of_pycocotools(official: COCO, counted: Statistics) -> None:
    assert counted.all.images == len(official.imgs)
    assert counted.all.objects == len(official.anns)
    for key, category in official.cats.items():
        found = of_class(counted, category["name"]).all
        assert found.objects == len(official.getAnnIds(catIds=[key]))
        assert found.images == len(official.getImgIds(catIds=[key]))
        assert found.crowds == len(official.getAnnIds(catIds=[key], iscrowd=True))


def test_sizes_are_those_that_coco_evaluates(official: COCO, counted: Statistics) -> None:
    for key, category in official.cats.items():
        areas = [each["area"] for each in official.loadAnns(official.getAnnIds(catIds=[key]))]
        small, large = sum(area < SMALL for area in areas), sum(area >= LARGE for area in areas)
        found = of_class(counted, category["name"])
        assert found.sizes == Sizes(small, len(areas) - small - large, large)
        if areas:
            assert np.allclose(found.areas.quantiles, np.quantile(areas, QUANTILES))
            assert found.areas.mean == pytest.approx(np.mean(areas))
            assert sum(found.areas.counts) == len(areas)


def test_pixels_are_those_of_pycocotools(official: COCO, counted: Statistics) -> None:
    pixels: Counter[str] = Counter()
    for each in official.anns.values():
        pixels[official.cats[each["category_id"]]["name"]] += int(mask.area(official.annToRLE(each)))
    assert {each.name: each.all.mask_pixels for each in counted.classes if each.all.objects} == pixels
    assert counted.all.mask_pixels == sum(pixels.values())


def test_classes_that_share_images_are_those_that_do(official: COCO, counted: Statistics) -> None:
    shared: Counter[frozenset[str]] = Counter()
    for anns in official.imgToAnns.values():
        names = {official.cats[each["category_id"]]["name"] for each in anns}
        shared.update(frozenset(pair) for pair in combinations(names, 2))
    assert {frozenset((a, b)): images for a, b, images in counted.together} == shared
    numbers = [images for _, _, images in counted.together]
    assert numbers == sorted(numbers, reverse=True)


def test_objects_an_image_are_counted_with_images_that_have_none(official: COCO, counted: Statistics) -> None:
    numbers = [len(official.getAnnIds(imgIds=[key])) for key in official.imgs]
    assert np.allclose(counted.per_image.quantiles, np.quantile(numbers, QUANTILES))
    assert counted.per_image.count == 100
    assert sum(counted.per_image.counts) == 100


def test_without_pixels_everything_else_is_the_same(corpus: Path, counted: Statistics) -> None:
    plain = statistics(corpus / "coco-val2014-100/instances_val2014_100.json", pixels=False)
    assert plain.all.mask_pixels == 0
    assert plain.areas == counted.areas
    assert plain.together == counted.together
    assert [each.all.objects for each in plain.classes] == [each.all.objects for each in counted.classes]


def test_panoptic_pixels_are_those_of_the_png(corpus: Path) -> None:
    root = corpus / "coco-panoptic/sample_data"
    said = json.loads((root / "panoptic_examples.json").read_text())
    names = {each["id"]: each["name"] for each in said["categories"]}
    pixels: Counter[str] = Counter()
    for each in said["annotations"]:
        stored = np.asarray(Image.open(root / "panoptic_examples" / each["file_name"])).astype(int)
        segments = stored[..., 0] + 256 * stored[..., 1] + 65536 * stored[..., 2]
        for segment in each["segments_info"]:
            pixels[names[segment["category_id"]]] += int((segments == segment["id"]).sum())
    found = statistics(root / "panoptic_examples.json")
    assert {each.name: each.all.map_pixels for each in found.classes if each.all.map_pixels} == pixels


# --- against Pillow and ElementTree ------------------------------------------------------------------------


def test_pixels_of_voc_are_those_of_its_pngs() -> None:
    names = [line.split(":")[0] for line in (VOC / "labelmap.txt").read_text().splitlines() if line[0] != "#"]
    maps, masks = Counter[str](), Counter[str]()
    for file in VOC.glob("SegmentationClass/*/*.png"):
        values, times = np.unique(np.asarray(Image.open(file)), return_counts=True)
        for value, count in zip(values.tolist(), times.tolist(), strict=True):
            if value not in (0, 255):
                maps[names[value]] += count
        objects = np.asarray(
            Image.open(VOC / "SegmentationObject" / file.relative_to(VOC / "SegmentationClass"))
        )
        xml = VOC / "Annotations" / file.relative_to(VOC / "SegmentationClass").with_suffix(".xml")
        for number, each in enumerate(ElementTree.parse(xml).findall("object"), 1):
            masks[each.findtext("name") or ""] += int((objects == number).sum())
    found = statistics(SAMPLE / "voc")
    assert {each.name: each.all.map_pixels for each in found.classes if each.all.map_pixels} == maps
    assert {each.name: each.all.mask_pixels for each in found.classes if each.all.objects} == masks


def test_pixels_of_cityscapes_are_those_of_its_pngs() -> None:
    found = statistics(SAMPLE / "cityscapes")
    person = sum(
        int((np.asarray(Image.open(file)) == 24).sum())
        for file in SAMPLE.glob("cityscapes/*/*/*/*_labelIds.png")
    )
    assert of_class(found, "person").all.map_pixels == person
    assert of_class(found, "person").all.mask_pixels == person


# --- by hand -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coco", "voc", "jsonl"])
def test_the_sample_is_counted_as_people_count_it(name: str) -> None:
    found = statistics(SAMPLE / name)
    assert (found.all.images, found.all.objects, found.all.empty_images) == (7, 22, 1)
    assert {split: each.images for split, each in found.splits.items()} == {"train": 4, "val": 3}
    tower, person = of_class(found, "tower"), of_class(found, "person")
    assert (tower.all.objects, tower.all.images) == (4, 1)
    assert {split: each.objects for split, each in person.splits.items()} == {"train": 1, "val": 1}
    assert found.all.crowds == (0 if name == "voc" else 1)  # VOC has no crowds
    assert ("person", "flag", 1) in found.together


def test_image_labels_are_counted_by_their_state() -> None:
    found = statistics(SAMPLE / "jsonl")
    labels = [label for line in _records() for label in line.get("labels", ())]
    states = Counter((label["category"], label.get("state", "present")) for label in labels)
    for each in found.classes:
        counts = each.all.present, each.all.absent, each.all.uncertain
        assert counts == tuple(states[each.name, state] for state in ("present", "absent", "uncertain"))
    assert sum(each.all.absent for each in found.classes) > 0


def _records() -> list[dict[str, list[dict[str, str]]]]:
    lines = (SAMPLE / "jsonl/records.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines[1:]]


def test_a_split_is_counted_as_if_it_were_all() -> None:
    whole, val = statistics(SAMPLE / "coco"), statistics(SAMPLE / "coco", splits=["val"])
    assert val.all == val.splits["val"] == whole.splits["val"]
    assert list(val.splits) == ["val"]
    for part, each in zip(val.classes, whole.classes, strict=True):
        assert part.all == each.splits["val"]
    assert statistics(SAMPLE / "coco", splits=["train", "val"]).all == whole.all
    with pytest.raises(UsageError, match="one of train, val"):
        statistics(SAMPLE / "coco", splits=["test"])


@settings(max_examples=40)
@given(items=record_lists())
def test_whatever_records_say_is_counted_and_ends_no_rule(items: list[Record]) -> None:
    with folder() as root:
        path = write_jsonl(root / "set", HEADER, items)
        found = statistics(path)
        validate(path, select=["CAT", "SPL", "STA", "IMG"])
    assert found.all.images == len(items)
    assert found.all.objects == sum(len(item.objects) for item in items)
    for each in found.classes:
        classes = [item.category for record in items for item in record.objects]
        assert each.all.objects == classes.count(each.name)
    json.dumps(as_json(found), allow_nan=False)


# --- what is broken, and what is nothing -------------------------------------------------------------------


def document(root: Path, *annotations: dict[str, object]) -> Path:
    path = root / "instances_val.json"
    images = [{"id": 1, "file_name": "a.jpg", "width": 60, "height": 40}]
    said = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    path.write_text(json.dumps(said))
    return path


def test_what_is_broken_is_left_out(tmp_path: Path) -> None:
    box = {"image_id": 1, "category_id": 1, "iscrowd": 0}
    found = statistics(
        document(
            tmp_path,
            {"id": 1, "bbox": [0, 0, 1e300, 1e300], "area": -1, "segmentation": [[1]], **box},
            {"id": 2, "bbox": [0, 0, -5, 0], "area": None, "segmentation": {"size": [1], "counts": 3}, **box},
            {"id": 3, "bbox": None, "area": "x", **box, "category_id": 7},
        )
    )
    assert (found.all.images, found.all.objects) == (1, 3)
    assert of_class(found, "cat").all.objects == 2  # the third is of no known class
    assert found.all.mask_pixels == 0


def test_a_set_of_nothing_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "instances_val.json"
    path.write_text('{"images": [], "annotations": [], "categories": []}')
    found = statistics(path)
    assert (found.all.images, found.all.objects, list(found.classes)) == (0, 0, [])
    for output in ("text", "json", "html"):
        assert labelkit("stats", path, "--output-format", output).returncode == 0


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "instances_val.json"
    path.write_text('{"images": [], "annotations": [')
    with pytest.raises(FormatError):
        statistics(path)
    done = labelkit("stats", path)
    assert (done.returncode, done.stdout) == (2, "")


def test_errors_on_the_way_are_told(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    for file in VOC.glob("Annotations/train/*.xml"):
        (tmp_path / "Annotations" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "Annotations/broken.xml").write_text("<annotation>")
    done = labelkit("stats", tmp_path, "--format", "voc")
    assert done.returncode == 0
    assert "5 images (1 without any label), 18 objects" in done.stdout
    assert "1 error on the way (labelkit validate tells them)" in done.stdout


# --- the command -------------------------------------------------------------------------------------------


def test_text_lines_up_and_has_no_colour_in_a_pipe() -> None:
    lines = labelkit("stats", SAMPLE / "coco").stdout.splitlines()
    assert lines[0].endswith("7 images (1 without any label), 22 objects, 21 of 21 classes used")
    assert "\x1b" not in "".join(lines)
    head = lines.index("classes") + 1
    rows = lines[head : lines.index("", head)]
    assert len(rows) == 22
    assert len({len(row) for row in rows}) == 1  # numbers end in one column
    assert rows[1].split()[:4] == ["stone", "5", "1", "1"]


def test_json_says_what_the_statistics_say() -> None:
    done = json.loads(labelkit("stats", SAMPLE / "voc", "--split", "val", "--output-format", "json").stdout)
    found = statistics(SAMPLE / "voc", splits=["val"])
    assert done["chosen"] == ["val"]
    assert done["all"]["objects"] == found.all.objects == 4
    assert [each["name"] for each in done["classes"]] == [each.name for each in found.classes]
    assert done["areas"]["quantiles"]["0.5"] == found.areas.median
    assert done["together"][0]["classes"] == list(found.together[0][:2])


class Words(HTMLParser):
    """The words of a page, and where its elements lead."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_has_the_numbers_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    said = json.loads(document(tmp_path).read_text())
    said["categories"][0]["name"] = "<script>alert(1)</script>"
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "area": 64, "iscrowd": 0}
    said["annotations"] = [box, {**box, "id": 2, "bbox": [9, 9, 8, 8]}]
    (tmp_path / "instances_val.json").write_text(json.dumps(said))
    target = tmp_path / "page.html"
    done = labelkit("stats", tmp_path / "instances_val.json", "--output-format", "html", "-o", target)
    assert (done.returncode, done.stdout) == (0, "")
    page = Words()
    page.feed(target.read_text("utf-8"))
    text = " ".join(page.words)
    assert "<script>alert(1)</script>" in text  # as words, and not as an element
    assert "Objects of each class" in text
    assert "Area of an object" in text
    assert [link for link in page.links if "//" in link] == []


def test_names_cannot_move_the_cursor(tmp_path: Path) -> None:
    said = json.loads(document(tmp_path).read_text())
    said["categories"][0]["name"] = "a\x1b[2Jb[red]c"
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "area": 64, "iscrowd": 0}
    said["annotations"] = [box]
    (tmp_path / "instances_val.json").write_text(json.dumps(said))
    done = labelkit("stats", tmp_path / "instances_val.json")
    assert "\x1b" not in done.stdout
    assert "a\ufffd[2Jb[red]c" in done.stdout


def test_wrong_uses_are_one_line() -> None:
    for arguments in (
        ("stats", SAMPLE / "coco", "--split", "test"),
        ("stats", SAMPLE / "coco", "--voc-base", "1"),
        ("stats", SAMPLE / "nothing"),
    ):
        done = labelkit(*arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "counts.json"
    arguments = ("stats", SAMPLE / "voc", "--output-format", "json", "-o", target)
    assert labelkit(*arguments).returncode == 0
    first = target.read_bytes()
    assert first == labelkit(*arguments[:-2]).stdout.encode()
    assert labelkit(*arguments, "--split", "test").returncode == 2
    assert (target.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (first, ["counts.json"])
    assert labelkit(*arguments[:-1], "/dev/null").returncode == 2
    assert labelkit(*arguments[:-1], tmp_path / "nowhere/counts.json").returncode == 2

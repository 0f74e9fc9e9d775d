"""Images are found where common tools put them, and class maps name what official tables name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelkit.errors import BadRecordsError
from labelkit.formats.cityscapes.table import TABLE as CITYSCAPES
from labelkit.formats.voc.names import OFFICIAL as VOC
from labelkit.pipeline import convert
from labelkit.select import load_class_map, shipped_maps

PHOTO = Path(__file__).parents[1] / "sample_data/coco/images"


def document(path: Path, name: str = "a.jpg") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    car = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
    image = {"id": 1, "file_name": name, "width": 480, "height": 320}
    text = {"images": [image], "annotations": [car], "categories": [{"id": 1, "name": "car"}]}
    path.write_text(json.dumps(text), "utf-8")
    return path


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(next(PHOTO.rglob("rocket.jpg")).read_bytes())
    return path


@pytest.mark.parametrize(
    "place", ["val", "val2017", "images/val", "images/val2017", "images", ".", "annotations"]
)
def test_images_of_a_folder_are_found(tmp_path: Path, place: str) -> None:
    document(tmp_path / "a/annotations/instances_val.json")
    wanted = photo(tmp_path / "a" / place / "a.jpg")
    report = convert(tmp_path / "a", tmp_path / "b", to="voc")
    assert report.images == 1
    (found,) = (tmp_path / "b").rglob("a.jpg")
    assert found.read_bytes() == wanted.read_bytes()


@pytest.mark.parametrize("place", [".", "images", "../images"])
def test_images_of_a_single_file_are_found(tmp_path: Path, place: str) -> None:
    file = document(tmp_path / "a/set.json")
    photo(tmp_path / "a" / place / "a.jpg")
    assert convert(file, tmp_path / "b", to="voc").images == 1


def test_each_year_has_its_own_images(tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        document(tmp_path / f"a/annotations/instances_{split}.json", f"{split}.jpg")
        photo(tmp_path / "a" / split / f"{split}.jpg")
    report = convert(tmp_path / "a", tmp_path / "b", to="voc")
    assert (report.images, report.splits) == (2, {"train2017", "val2017"})


def test_the_folder_that_was_named_is_looked_in_alone(tmp_path: Path) -> None:
    document(tmp_path / "a/annotations/instances_val.json")
    photo(tmp_path / "a/val/a.jpg").write_bytes(b"another")
    wanted = photo(tmp_path / "elsewhere/a.jpg")
    convert(tmp_path / "a", tmp_path / "b", to="voc", images_dir=tmp_path / "elsewhere")
    (found,) = (tmp_path / "b").rglob("a.jpg")
    assert found.read_bytes() == wanted.read_bytes()


def test_a_link_that_leaves_is_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    document(tmp_path / "a/annotations/instances_val.json")
    wanted = photo(tmp_path / "elsewhere/a.jpg")
    (tmp_path / "a/val").mkdir()
    (tmp_path / "a/val/a.jpg").symlink_to(wanted)
    with pytest.raises(BadRecordsError) as caught:
        convert(tmp_path / "a", tmp_path / "b", to="voc")
    assert "--images-dir" in str(caught.value.errors[0])
    report = convert(tmp_path / "a", tmp_path / "c", to="voc", images_dir=tmp_path / "a/val")
    assert report.images == 1


# --- class maps --------------------------------------------------------------------------------------------


# The 91 classes of stuff_*2017.json, which the corpus does not have. Source: nightrome/cocostuff, labels.txt.
STUFF = """
    banner blanket branch bridge building-other bush cabinet cage cardboard carpet ceiling-other
    ceiling-tile cloth clothes clouds counter cupboard curtain desk-stuff dirt door-stuff fence floor-
    marble floor-other floor-stone floor-tile floor-wood flower fog food-other fruit furniture-other
    grass gravel ground-other hill house leaves light mat metal mirror-stuff moss mountain mud napkin
    net paper pavement pillow plant-other plastic platform playingfield railing railroad river road rock
    roof rug salad sand sea shelf sky-other skyscraper snow solid-other stairs stone straw structural-
    other table tent textile-other towel tree vegetable wall-brick wall-concrete wall-other wall-panel
    wall-stone wall-tile wall-wood water-other waterdrops window-blind window-other wood
"""


@pytest.fixture(scope="module")
def tables(corpus: Path) -> dict[str, set[str]]:
    """The official class names of each format; COCO's are those of its things, panoptic and plain stuff."""
    names = set(STUFF.split())
    for file in (
        "coco-val2014-100/instances_val2014_100.json",
        "coco-panoptic/panoptic_coco_categories.json",
    ):
        said = json.loads((corpus / file).read_text("utf-8"))
        names |= {each["name"] for each in (said if isinstance(said, list) else said["categories"])}
    return {"coco": names, "voc": set(VOC), "cityscapes": {label.name for label in CITYSCAPES}}


@pytest.mark.parametrize("name", shipped_maps())
def test_a_class_map_names_what_the_official_tables_name(name: str, tables: dict[str, set[str]]) -> None:
    old, new = name.split("-to-")
    table = load_class_map(name)
    assert table
    assert set(table) <= tables[old]
    assert set(table.values()) <= tables[new]

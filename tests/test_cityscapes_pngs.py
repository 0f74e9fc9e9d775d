"""Cityscapes sets of train ids or colours only; who is right, and which files are written, when asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cityscapes_files import (
    Pixels,
    assert_same_files,
    codes,
    copy_files,
    files,
    findings_of,
    fitted,
    make,
    only_error,
    pixels,
    polygon,
    read_all,
    records_of,
    save,
    shown,
    stem,
    there_and_back,
    write,
)
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage
from PIL import Image as PilImage

from labelkit.findings import Finding
from labelkit.formats.cityscapes import FORMAT
from labelkit.formats.cityscapes.table import TABLE
from labelkit.model import Layers, Record, SemanticMap
from labelkit.pipeline import convert
from labelkit.pixels import map_pixels
from labelkit.visible import same

SETS = [
    ("labelTrainIds",),
    ("instanceTrainIds",),
    ("color",),
    ("labelTrainIds", "instanceTrainIds"),
    ("labelTrainIds", "color"),
    ("instanceTrainIds", "color"),
    ("labelIds", "instanceTrainIds"),
    ("labelTrainIds", "instanceTrainIds", "color"),
]
COLOUR = {label.name: label.colour for label in TABLE}


@pytest.fixture
def golden(corpus: Path) -> Path:
    return corpus / "cityscapes-golden"


def only(source: Path, target: Path, *kinds: str) -> Path:
    """A copy of a set with nothing but these kinds of files."""
    return copy_files(source, target, lambda name: name.rpartition("_")[2].partition(".")[0] in kinds)


def named(record: Record) -> Pixels:
    """The class of every pixel by name; "" where none is said, "ignored" where it is to be ignored."""
    item = record.maps["semantic"]
    assert isinstance(item, SemanticMap)
    values = map_pixels(item)
    names = np.full(values.shape, "", dtype="U30")
    for value, name in item.classes.items():
        names[values == value] = name
    if item.ignore is not None:
        names[values == item.ignore] = "ignored"
    return names


def notes(path: Path) -> list[Finding]:
    return [item for item in FORMAT.open(path).notes if item.code == "NOTE01"]


def official(document: Path, what: str, encoding: str) -> Pixels:
    """What the official scripts paint under the Pillow that is installed."""
    annotation = Annotation()
    annotation.fromJsonFile(str(document))
    return np.array({"label": createLabelImage, "instance": createInstanceImage}[what](annotation, encoding))


def save_colours(root: Path, values: Pixels) -> None:
    file = Path(stem(root) + "color.png")
    file.parent.mkdir(parents=True, exist_ok=True)
    PilImage.fromarray(values.astype(np.uint8)).save(file)


def painted(name: str, bands: int = 4) -> Pixels:
    """Six rows of eight pixels in the colour of a label."""
    return np.full((6, 8, bands), (*COLOUR[name], 255)[:bands])


# --- what they say -----------------------------------------------------------------------------------------


def test_train_ids_say_the_trained_classes_and_ignore_the_others(golden: Path, tmp_path: Path) -> None:
    trained = {label.name for label in TABLE if label.train_id not in (-1, 255)}
    assert len(trained) == 19
    for kind in ("labelTrainIds", "instanceTrainIds"):
        ours = records_of(read_all(only(golden, tmp_path / kind, kind)))
        for record, whole in zip(ours, records_of(read_all(golden)), strict=True):
            expected = named(whole)
            expected[~np.isin(expected, list(trained))] = "ignored"
            assert (named(record) == expected).all()


def test_instance_train_ids_say_the_objects_of_trained_classes(golden: Path, tmp_path: Path) -> None:
    wholes = records_of(read_all(only(golden, tmp_path / "ids", "labelIds", "instanceIds")))
    ours = records_of(read_all(only(golden, tmp_path / "train", "labelIds", "instanceTrainIds")))
    assert any(item.category == "caravan" for whole in wholes for item in whole.objects)
    for record, whole in zip(ours, wholes, strict=True):
        kept = tuple(item for item in whole.objects if item.category not in ("caravan", "trailer"))
        assert same(record, whole.model_copy(update={"objects": kept}))


def test_colours_say_the_classes_that_have_one_of_their_own(golden: Path, tmp_path: Path) -> None:
    ours = records_of(read_all(only(golden, tmp_path / "in", "color")))
    unsure = ["pole", "polegroup", *(name for name, colour in COLOUR.items() if colour == (0, 0, 0))]
    seen = set()
    for record, whole in zip(ours, records_of(read_all(golden)), strict=True):
        expected = named(whole)
        expected[np.isin(expected, unsure)] = ""
        assert (named(record) == expected).all()
        assert record.objects == ()
        seen |= set(np.unique(expected))
    assert {"car", "road", "dynamic"} <= seen


def test_what_was_assumed_is_told_once(golden: Path, tmp_path: Path) -> None:
    assert notes(golden) == []
    assert notes(only(golden, tmp_path / "ids", "labelIds", "labelTrainIds", "color")) == []
    (train,) = notes(only(golden, tmp_path / "train", "labelTrainIds", "color"))
    assert train.count == 10 and "255" in train.message
    (colours,) = notes(only(golden, tmp_path / "colours", "color"))
    assert "black" in colours.message and "polegroup" in colours.message
    (objects,) = notes(only(golden, tmp_path / "objects", "labelIds", "instanceTrainIds"))
    assert "caravans" in objects.message


@pytest.mark.parametrize("kinds", [("labelIds", "labelTrainIds"), ("labelIds", "color")])
def test_ids_count_more_than_train_ids_and_colours(tmp_path: Path, kinds: tuple[str, str]) -> None:
    save(tmp_path, "labelIds", np.full((6, 8), 11))
    save(tmp_path, "labelTrainIds", np.full((6, 8), 0))
    save_colours(tmp_path, painted("road"))
    (record,) = records_of(read_all(only(tmp_path, tmp_path / "in", *kinds)))
    assert set(np.unique(named(record))) == {"building"}


def test_train_ids_count_more_than_colours_and_a_contradiction_is_told(tmp_path: Path) -> None:
    values = np.full((6, 8), 255)
    values[0] = 0
    save(tmp_path / "in", "labelTrainIds", values)
    colours = painted("parking")  # what train ids leave out
    colours[0, :3] = (*COLOUR["car"], 255)
    colours[0, 3:] = (*COLOUR["road"], 255)
    colours[1] = (*COLOUR["polegroup"], 255)
    save_colours(tmp_path / "in", colours)
    items = read_all(tmp_path / "in")
    (record,) = records_of(items)
    assert (named(record)[0] == "road").all() and (named(record)[1:] == "ignored").all()
    (finding,) = findings_of(items)
    assert finding.code == "ODD008" and "3 pixels" in finding.message and "color" in finding.place
    assert same(record, there_and_back(tmp_path, fitted(record)[0]))


# --- they come back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", SETS, ids="+".join)
@pytest.mark.parametrize("target", ["cityscapes", "coco", "voc", "jsonl"])
def test_they_come_back_as_they_were_though_the_source_is_gone(
    golden: Path, tmp_path: Path, kinds: tuple[str, ...], target: str
) -> None:
    source = only(golden, tmp_path / "in", *kinds)
    done = convert(source, tmp_path / "there", to=target)
    assert "NOTE01" in done.ledger.counts
    expected = source.rename(tmp_path / "moved")
    convert(tmp_path / "there", tmp_path / "back", to="cityscapes")
    assert_same_files(expected, tmp_path / "back")


@pytest.mark.parametrize("bands", [3, 4])
def test_colours_come_back_with_an_alpha_only_if_they_had_one(tmp_path: Path, bands: int) -> None:
    save_colours(tmp_path / "in", painted("pole", bands))
    convert(tmp_path / "in", tmp_path / "coco", to="coco")
    expected = (tmp_path / "in").rename(tmp_path / "moved")
    convert(tmp_path / "coco", tmp_path / "back", to="cityscapes")
    assert_same_files(expected, tmp_path / "back")


def test_what_a_spoiled_carrier_says_of_colours_is_left_out(tmp_path: Path) -> None:
    save(tmp_path / "in", "labelTrainIds", np.zeros((6, 8)))
    save_colours(tmp_path / "in", painted("car"))
    (record,) = records_of(read_all(tmp_path / "in"))
    item = record.maps["semantic"]
    ((given, _, runs),) = item.raw["cityscapes"]["strays"]
    own = {**item.raw["cityscapes"], "strays": [[given, 40, runs]]}
    nothing = Layers(height=6, width=8, layers=())  # train id 0 everywhere, and no file that could be copied
    spoiled = item.model_copy(update={"source": nothing, "raw": {"cityscapes": own}})
    back = write(tmp_path / "out", [record.model_copy(update={"maps": {"semantic": spoiled}})])
    assert (pixels(Path(stem(back) + "color.png"))[1] == painted("road")).all()


# --- they are wrong ----------------------------------------------------------------------------------------


def test_a_colour_of_no_label_is_an_error_with_the_colour_and_the_pixel(tmp_path: Path) -> None:
    colours = painted("road")
    colours[2, 5] = (1, 2, 3, 255)
    save_colours(tmp_path, colours)
    error = str(only_error(tmp_path))
    for text in ("_gtFine_color.png", "(1, 2, 3)", "x=5, y=2", "colours of the label table"):
        assert text in error


def test_gray_is_no_colour(tmp_path: Path) -> None:
    save_colours(tmp_path, np.zeros((6, 8)))
    assert "an RGB PNG" in str(only_error(tmp_path))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("labelTrainIds", 19),
        ("labelTrainIds", 254),
        ("instanceTrainIds", 19),
        ("instanceTrainIds", 2001),  # buildings have no instances
        ("instanceTrainIds", 19000),
        ("instanceTrainIds", 65535),
    ],
)
def test_a_train_id_that_no_class_has_is_an_error_that_counts_its_pixels(
    tmp_path: Path, kind: str, value: int
) -> None:
    values = np.zeros((6, 8))
    values[1, 1:4] = value
    save(tmp_path, kind, values)
    error = str(only_error(tmp_path))
    assert f"value {value} (3 pixels)" in error and "train id" in error and kind in error


# --- beside polygons ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["labelTrainIds", "instanceTrainIds", "color"])
def test_a_file_that_differs_from_the_polygons_is_told(golden: Path, tmp_path: Path, kind: str) -> None:
    source = only(golden, tmp_path / "in", "polygons", kind)
    assert findings_of(read_all(source)) == []
    file = next(path for name, path in files(source).items() if name.endswith(f"_{kind}.png"))
    _, values = pixels(file)
    values[:2, :3] = (*COLOUR["sky"], 255) if kind == "color" else 10
    PilImage.fromarray(values).save(file)
    (finding,) = findings_of(read_all(source))
    assert (
        finding.code == "ODD008" and "6 pixels" in finding.message and "the polygons won" in finding.message
    )


def test_a_file_of_another_palette_does_not_hide_the_polygons(tmp_path: Path) -> None:
    make(tmp_path, [polygon("car", 1, 1, 3, 3)])
    save_colours(tmp_path, np.full((6, 8, 3), 9))
    items = read_all(tmp_path)
    (record,) = records_of(items)
    assert [item.category for item in record.objects] == ["car"]
    (finding,) = findings_of(items)
    assert finding.code == "ODD008" and "cannot be compared" in finding.message


def test_colours_that_todays_pillow_painted_say_so(tmp_path: Path) -> None:
    source = make(tmp_path, [polygon("road", 0, 0, 7, 5), polygon("car", 1, 1, 3, 3)])
    document = Path(stem(source) + "polygons.json")
    save_colours(source, official(document, "label", "color"))
    items = read_all(source)
    (record,) = records_of(items)
    assert codes(findings_of(items)) == {"NOTE01": 1}
    assert np.array_equal(shown(record, 1), official(document, "label", "ids") == 26)


# --- which rule, which files -------------------------------------------------------------------------------


def test_polygons_that_are_the_truth_are_painted_by_the_rule_that_was_asked_for(
    golden: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"cityscapes": {"truth": "polygons", "raster": "pillow"}}
    done = convert(golden, tmp_path / "out", to="cityscapes", options=asked)
    assert "NOTE01" not in done.ledger.counts
    assert done.ledger.counts["ODD008"] > 0
    recipes = {"labelIds": ("label", "ids"), "instanceIds": ("instance", "ids"), "color": ("label", "color")}
    changed = 0
    for name, file in files(tmp_path / "out").items():
        kind = name.rpartition("_")[2].removesuffix(".png")
        if kind in recipes:
            document = Path(str(file).replace(f"_{kind}.png", "_polygons.json"))
            ours = pixels(file)[1]
            assert np.array_equal(ours, official(document, *recipes[kind])), name
            changed += not np.array_equal(ours, pixels(golden / name)[1])
    assert changed


def test_pngs_that_are_the_truth_are_not_painted_anew(golden: Path, tmp_path: Path) -> None:
    done = convert(golden, tmp_path / "out", to="cityscapes", options={"cityscapes": {"raster": "pillow"}})
    assert done.ledger.counts["NOTE01"] > 0
    assert_same_files(golden, tmp_path / "out")


@pytest.mark.parametrize("kinds", [("labelIds",), ("labelIds", "instanceIds"), ("instanceIds",), *SETS[:5]])
def test_all_files_of_a_set_without_polygons_agree(
    golden: Path, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    source = only(golden, tmp_path / "in", *kinds)
    asked: dict[str, Any] = {"cityscapes": {"files": "all"}}
    done = convert(source, tmp_path / "out", to="cityscapes", options=asked, carrier=False)
    assert done.ledger.counts["LOS304"] > 0
    assert len(files(tmp_path / "out")) == 6 * len(records_of(read_all(source)))
    items = read_all(tmp_path / "out")
    assert findings_of(items) == []
    for before, after in zip(records_of(read_all(source)), records_of(items), strict=True):
        expected = named(before)
        assert (np.where(expected == "ignored", "", expected) == named(after)).all()

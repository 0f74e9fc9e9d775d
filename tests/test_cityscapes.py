"""Cityscapes: what is read is written again; what others say becomes a scene that the official scripts paint.

Outside truth: PNGs that the official scripts made under the Pillow of their day (corpus/cityscapes-golden),
and the official scripts themselves, run here on what labelkit writes.
"""

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cityscapes_files import (
    CITY,
    KINDS,
    Pixels,
    assert_same_files,
    bits,
    codes,
    copy_files,
    files,
    findings_of,
    fitted,
    instance,
    make,
    only_error,
    pixels,
    polygon,
    read_all,
    record_of,
    records_of,
    rle_mask,
    save,
    semantic_of,
    shown,
    stem,
    there_and_back,
    write,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PilImage

from labelkit.canonical import decode_record, encode_record
from labelkit.errors import DestinationError, FormatError, RecordError, UsageError
from labelkit.formats import Reader
from labelkit.formats.cityscapes import FORMAT
from labelkit.formats.cityscapes.scene import semantic_ids
from labelkit.formats.cityscapes.states import state
from labelkit.formats.cityscapes.table import TABLE, label_text, official_values, parse_label
from labelkit.loss import fit_header
from labelkit.model import (
    BoundingBox,
    Category,
    Cell,
    Header,
    Image,
    Instance,
    InstanceMap,
    Layer,
    Layers,
    Mask,
    Png,
    Polygons,
    Record,
    SemanticMap,
)
from labelkit.pixels import map_pixels
from labelkit.select import Selection
from labelkit.visible import same

# --- help for the tests ------------------------------------------------------------------------------------


@pytest.fixture
def golden(corpus: Path) -> Path:
    return corpus / "cityscapes-golden"


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str, str], Pixels]]:
    """The official scripts: paint(polygons.json, "label" or "instance", "ids", "trainIds" or "color")."""
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
    from cityscapesscripts.preparation.json2labelImg import createLabelImage

    def paint(file: Path, what: str, encoding: str) -> Pixels:
        # The scripts save an image of mode I as PNG, which Pillow 13 refuses; so the pixels are taken here.
        annotation = Annotation()
        annotation.fromJsonFile(str(file))
        make_image = createLabelImage if what == "label" else createInstanceImage
        return np.array(make_image(annotation, encoding))

    yield paint


def assert_official(root: Path, paint: Callable[[Path, str, str], Pixels]) -> None:
    """Every PNG below root is what the official scripts paint from its polygons.json."""
    recipes = {
        "color": ("label", "color"),
        "labelIds": ("label", "ids"),
        "labelTrainIds": ("label", "trainIds"),
        "instanceIds": ("instance", "ids"),
        "instanceTrainIds": ("instance", "trainIds"),
    }
    documents = sorted(root.rglob("*_polygons.json"))
    assert documents
    for file in documents:
        for kind, (what, encoding) in recipes.items():
            _, ours = pixels(Path(str(file).replace("polygons.json", f"{kind}.png")))
            assert np.array_equal(ours, paint(file, what, encoding)), (file.name, kind)


# --- the table ----------------------------------------------------------------------------------------------


def test_the_table_is_the_official_one() -> None:
    from cityscapesscripts.helpers.labels import labels

    assert [tuple(row) for row in TABLE] == [tuple(row) for row in labels]


def test_a_group_is_stripped_only_from_what_is_no_label_itself() -> None:
    assert parse_label("cargroup") == ("car", True)
    assert parse_label("polegroup") == ("polegroup", False)
    assert parse_label("skygroup") == ("sky", True)
    assert parse_label("group") is None
    assert parse_label("catgroup") is None
    assert all(parse_label(label_text(row.name, False)) == (row.name, False) for row in TABLE)


def test_numbers_count_hidden_polygons_but_no_groups() -> None:
    labels = [("car", None), ("car", True), ("road", None), ("car", None), ("bus", None)]
    assert official_values(labels) == [26000, 26, 7, 26001, 28000]


# --- reading and writing what is there ----------------------------------------------------------------------


def test_golden_sets_are_read_without_a_word(golden: Path) -> None:
    items = read_all(golden)
    assert len(records_of(items)) == 10
    assert findings_of(items) == []


def test_golden_sets_come_back_as_they_were(golden: Path, tmp_path: Path) -> None:
    records = records_of(read_all(golden))
    results = [fitted(record) for record in records]
    assert all(
        findings == [] and result == record
        for (result, findings), record in zip(results, records, strict=True)
    )
    write(tmp_path / "out", [result for result, _ in results])
    assert_same_files(golden, tmp_path / "out")
    back = records_of(read_all(tmp_path / "out"))
    assert all(same(a, b) for a, b in zip(records, back, strict=True))


def test_polygons_alone_give_the_pngs_that_the_official_scripts_made(golden: Path, tmp_path: Path) -> None:
    source = copy_files(golden, tmp_path / "in", lambda name: name.endswith(".json"))
    bare = []
    for record in records_of(read_all(source)):
        own = {key: value for key, value in record.raw["cityscapes"].items() if key != "files"}
        bare.append(fitted(record.model_copy(update={"raw": {"cityscapes": own}}))[0])
    write(tmp_path / "out", bare)
    assert_same_files(golden, tmp_path / "out")


@pytest.mark.parametrize(
    "kinds",
    [
        ("polygons",),
        ("labelIds",),
        ("instanceIds",),
        ("labelIds", "instanceIds"),
        ("polygons", "labelIds"),
        ("polygons", "instanceIds"),
        ("polygons", "color"),
        ("color", "labelIds", "labelTrainIds"),
        KINDS[1:],
    ],
)
def test_any_subset_of_files_comes_back_as_that_subset(
    golden: Path, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    source = copy_files(
        golden, tmp_path / "in", lambda name: name.rpartition("_")[2].partition(".")[0] in kinds
    )
    items = read_all(source)
    assert findings_of(items) == []
    results = [fitted(record) for record in records_of(items)]
    assert all(findings == [] for _, findings in results)
    write(tmp_path / "out", [record for record, _ in results])
    assert_same_files(source, tmp_path / "out")
    back = records_of(read_all(tmp_path / "out"))
    assert all(same(a, b) for a, b in zip(records_of(items), back, strict=True))


def test_every_subset_says_the_same_of_the_pixels(golden: Path, tmp_path: Path) -> None:
    """labelIds, instanceIds and the polygons each give the same semantic map."""
    whole = records_of(read_all(golden))
    for kind in ("polygons", "labelIds", "instanceIds"):
        ending = f"_{kind}.json" if kind == "polygons" else f"_{kind}.png"
        source = copy_files(golden, tmp_path / kind, lambda name, e=ending: name.endswith(e))
        for one, other in zip(whole, records_of(read_all(source)), strict=True):
            assert same(one.model_copy(update={"objects": ()}), other.model_copy(update={"objects": ()})), (
                kind,
                one.image.path,
            )


def test_unknown_keys_number_tokens_and_the_order_of_keys_come_back(tmp_path: Path) -> None:
    text = (
        '{"imgWidth":8,"note":1.50,"objects":['
        '{"polygon":[[0,0],[3.0,0],[3,4e0]],"user":"Zoë","label":"car","id":7,"verified":1},'
        '{"label":"road","deleted":1,"polygon":[[0,0]]},'
        '{"label":"bus","polygon":[[4,0],[6,0],[6,4],[4,4]],"date":"13-Jun-2015"}],"imgHeight":6}'
    )
    file = Path(stem(tmp_path / "in") + "polygons.json")
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    (record,) = records_of(read_all(tmp_path / "in"))
    write(tmp_path / "out", [fitted(record)[0]])
    written = Path(stem(tmp_path / "out") + "polygons.json").read_text("utf-8")
    assert "".join(written.split()) == "".join(text.split())
    assert written.startswith('{\n    "imgWidth": 8,\n    "note": 1.50,') and written.endswith("}\n")


def test_deleted_polygons_are_no_objects_and_stay_where_they_were(tmp_path: Path) -> None:
    entries = [
        polygon("dog", 0, 0, 2, 2, deleted=1),
        polygon("car", 1, 1, 3, 3, deleted=0),
        polygon("car", 4, 1, 3, 3, deleted=True),
        polygon("bus", 2, 2, 3, 3),
        polygon("bus", 2, 2, 3, 3, deleted=1),
    ]
    (record,) = records_of(read_all(make(tmp_path / "in", entries)))
    assert [item.category for item in record.objects] == ["car", "bus"]
    write(tmp_path / "out", [fitted(record)[0]])
    written = json.loads(Path(stem(tmp_path / "out") + "polygons.json").read_text())
    assert written["objects"] == entries


def test_groups_are_crowds_and_a_plain_label_says_nothing_of_crowds(tmp_path: Path) -> None:
    names = ["car", "cargroup", "polegroup", "skygroup", "road"]
    (record,) = records_of(read_all(make(tmp_path, [polygon(name, 0, 0, 3, 3) for name in names])))
    assert [(item.category, item.crowd) for item in record.objects] == [
        ("car", None),
        ("car", True),
        ("polegroup", None),
        ("sky", True),
        ("road", None),
    ]


def test_a_license_plate_is_an_object_without_pixels_and_leaves_the_car_its_own(tmp_path: Path) -> None:
    entries = [polygon("car", 0, 0, 6, 6), polygon("license plate", 1, 1, 2, 2)]
    (record,) = records_of(read_all(make(tmp_path / "in", entries)))
    assert shown(record, 0).sum() == 36
    assert shown(record, 1).sum() == 0
    assert same(record, there_and_back(tmp_path, fitted(record)[0]))


def test_a_hidden_polygon_is_an_object_without_pixels_and_is_counted(tmp_path: Path) -> None:
    entries = [polygon("car", 1, 1, 2, 2), polygon("car", 0, 0, 5, 5)]
    (record,) = records_of(read_all(make(tmp_path / "in", entries)))
    assert [shown(record, k).sum() for k in (0, 1)] == [0, 25]
    own = {"type": "gtFine"}
    write(tmp_path / "out", [fitted(record.model_copy(update={"raw": {"cityscapes": own}}))[0]])
    _, values = pixels(Path(stem(tmp_path / "out") + "instanceIds.png"))
    assert np.unique(values).tolist() == [0, 26001]


def test_a_polygon_of_unlabeled_paints_over_what_was_there(tmp_path: Path) -> None:
    entries = [polygon("road", 0, 0, 8, 6), polygon("unlabeled", 0, 0, 3, 3)]
    (record,) = records_of(read_all(make(tmp_path, entries)))
    painted = map_pixels(record.maps["semantic"])
    assert (painted[:3, :3] == 0).all()
    assert (painted == 7).sum() == 48 - 9


def test_the_folder_unsplit_is_no_split(tmp_path: Path) -> None:
    record, _ = fitted(
        record_of(
            instance(
                "car",
                bits("## ##"),
            ),
            shape=(2, 2),
        )
    )
    assert record.image.path.startswith("unsplit/")
    assert there_and_back(tmp_path, record).splits == ()


def test_coarse_files_are_written_as_coarse_ones(golden: Path, tmp_path: Path) -> None:
    for name, file in files(golden).items():
        place = tmp_path / "in" / name.replace("gtFine", "gtCoarse")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    records = records_of(read_all(tmp_path / "in"))
    write(tmp_path / "out", records)
    names = {file.name for file in (tmp_path / "in").rglob("*.*")}
    assert {file.name for file in (tmp_path / "out").rglob("*.*")} == names


def test_with_both_types_the_fine_one_is_read_and_this_is_told(golden: Path, tmp_path: Path) -> None:
    shutil.copytree(golden / "gtFine", tmp_path / "gtFine")
    (tmp_path / "gtCoarse").mkdir()
    reader: Reader = FORMAT.open(tmp_path)
    assert [(note.code, "gtFine is read" in note.message) for note in reader.notes] == [("NOTE01", True)]
    assert FORMAT.open(tmp_path, type="gtFine").notes == []
    with pytest.raises(FormatError, match="no annotation files"):
        FORMAT.open(tmp_path, type="gtCoarse").parts()


def test_files_that_are_not_understood_are_told(golden: Path, tmp_path: Path) -> None:
    source = copy_files(golden, tmp_path, lambda name: name.endswith(".json"))
    (source / "gtFine" / "cityscapes_panoptic_val.json").write_text("{}")
    (source / "gtFine" / CITY / "testcity_000000_000019_gtFine_polygons.txt").write_text("")
    (note,) = FORMAT.open(source).notes
    assert note.code == "NOTE01" and note.message.startswith("2 files are not understood")


def test_the_annotation_folder_itself_can_be_opened(golden: Path) -> None:
    assert len(records_of(read_all(golden / "gtFine"))) == 10


def test_a_reader_pickles_small_and_reads_the_same(golden: Path) -> None:
    reader = FORMAT.open(golden, truth="polygons")
    reader.parts()
    data = pickle.dumps(reader)
    assert len(data) < 500
    again = pickle.loads(data)
    assert again.truth == "polygons"
    (part,) = again.parts()
    assert [x.image.path for x in again.read(part)] == [x.image.path for x in reader.read(part)]


def test_images_are_found_whatever_their_suffix(golden: Path, tmp_path: Path) -> None:
    source = copy_files(golden, tmp_path, lambda name: name.endswith(".json"))
    images = tmp_path / "leftImg8bit" / CITY
    images.mkdir(parents=True)
    (images / "testcity_000000_000019_leftImg8bit.jpg").write_bytes(b"x")
    (images / "testcity_000001_000019_leftImg8bit.png").write_bytes(b"")
    items = read_all(source)
    records = records_of(items)
    assert records[0].image.path == f"{CITY}/testcity_000000_000019_leftImg8bit.jpg"
    assert FORMAT.open(source).image_file(records[0]) == images / "testcity_000000_000019_leftImg8bit.jpg"
    assert FORMAT.open(source).image_file(records[2]) is None


# --- polygons and PNGs that disagree ------------------------------------------------------------------------


@pytest.fixture
def torn(golden: Path, tmp_path: Path) -> Path:
    """The golden sets, with PNGs that were edited after they had been painted."""
    source = copy_files(golden, tmp_path / "torn", lambda name: True)
    rng = np.random.default_rng(3)
    for name, file in files(source).items():
        if name.endswith("_instanceIds.png"):
            _, values = pixels(file)
            values[10:30, 20:60] = 26009  # a car that no polygon speaks of
            values[40:50, 90:99] = 24  # persons, where there may be no such group
            values[rng.random(values.shape) < 0.02] = 7
            PilImage.fromarray(values).save(file)
    return source


def test_a_disagreeing_set_comes_back_exactly_as_it_was(torn: Path, tmp_path: Path) -> None:
    items = read_all(torn)
    assert {"ODD008", "ODD011"} <= set(codes(findings_of(items)))
    results = [fitted(record) for record in records_of(items)]
    assert all(findings == [] for _, findings in results)
    write(tmp_path / "out", [record for record, _ in results])
    assert_same_files(torn, tmp_path / "out")
    back = records_of(read_all(tmp_path / "out"))
    assert all(same(a, b) for a, b in zip(records_of(items), back, strict=True))


def test_the_png_counts_where_it_disagrees_with_the_polygons(tmp_path: Path) -> None:
    source = make(tmp_path / "in", [polygon("road", 0, 0, 8, 6), polygon("car", 1, 1, 3, 3)])
    values = np.full((6, 8), 7)
    values[1:4, 1:5] = 26000  # a column more than the polygon
    values[5, 7] = 26001
    values[5, 0] = 24
    save(source, "instanceIds", values)
    items = read_all(source)
    (record,) = records_of(items)
    assert [(item.category, item.crowd) for item in record.objects] == [
        ("road", None), ("car", None), ("person", True), ("car", None)
    ]  # fmt: skip
    for position, value in enumerate((7, 26000, 24, 26001)):
        assert np.array_equal(shown(record, position), values == value)
    assert codes(findings_of(items)) == {"ODD008": 4, "ODD011": 2}
    assert any("26001" in item.place and "1 pixels" in item.message for item in findings_of(items))


def test_the_polygons_count_if_they_are_said_to_be_the_truth(
    torn: Path, golden: Path, tmp_path: Path
) -> None:
    items = read_all(torn, truth="polygons")
    assert "ODD008" in codes(findings_of(items))
    write(tmp_path / "out", [fitted(record)[0] for record in records_of(items)])
    assert_same_files(golden, tmp_path / "out")


def test_a_pixel_of_a_class_belongs_to_the_topmost_polygon_of_it_or_to_nobody(tmp_path: Path) -> None:
    source = make(
        tmp_path,
        [polygon("road", 0, 0, 4, 6), polygon("road", 2, 0, 4, 3), polygon("car", 0, 0, 6, 3)],
    )
    values = np.zeros((6, 8))
    values[0:6, 0:8] = 7
    save(source, "instanceIds", values)
    (record,) = records_of(read_all(source))
    assert shown(record, 2).sum() == 0
    assert shown(record, 1).sum() == 12
    assert shown(record, 0).sum() == 24 - 6
    assert map_pixels(record.maps["semantic"])[5, 7] == 7


def test_label_ids_win_over_instance_ids_for_classes(tmp_path: Path) -> None:
    source = make(tmp_path / "in", [polygon("car", 1, 1, 3, 3)])
    values = np.zeros((6, 8))
    values[1:4, 1:4] = 26000
    save(source, "instanceIds", values)
    save(source, "labelIds", np.full((6, 8), 11))
    items = read_all(source)
    (record,) = records_of(items)
    assert codes(findings_of(items)) == {"ODD008": 1}
    assert (map_pixels(record.maps["semantic"]) == 11).all()
    assert shown(record, 0).sum() == 9
    assert same(record, there_and_back(tmp_path, fitted(record)[0]))


def test_a_change_to_a_disagreeing_record_makes_one_scene_of_it(torn: Path, tmp_path: Path) -> None:
    for record in records_of(read_all(torn)):
        edited = record.model_copy(update={"objects": record.objects[:-1]})
        result, findings = fitted(edited)
        assert state(result) == "scene"
        assert findings
        assert same(result, there_and_back(tmp_path, result))


@pytest.mark.parametrize("kinds", [KINDS, ("polygons",), KINDS[1:], ("labelIds",), ("instanceIds",)])
@pytest.mark.parametrize("wanted", [("car", "road"), ("license plate", "person", "sky")])
def test_chosen_classes_come_back_and_no_others(
    golden: Path, tmp_path: Path, kinds: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    source = copy_files(
        golden, tmp_path / "in", lambda name: name.rpartition("_")[2].partition(".")[0] in kinds
    )
    told: list[str] = []
    selection = Selection(classes=wanted)
    chosen = [
        selection.record(record, lambda code, *_, **__: told.append(code))
        for record in records_of(read_all(source))
    ]
    assert told == []
    results = [fitted(record)[0] for record in chosen if record is not None]
    back = records_of(read_all(write(tmp_path / "out", results)))
    assert all(same(a, b) for a, b in zip(results, back, strict=True))
    for before, after in zip(chosen, back, strict=True):
        assert before is not None
        assert {item.category for item in after.objects} <= set(wanted)
        assert same(before.model_copy(update={"objects": ()}), after.model_copy(update={"objects": ()})), (
            before.image.path
        )


def test_a_disagreeing_set_survives_the_canonical_form(torn: Path, tmp_path: Path) -> None:
    records = [decode_record(encode_record(record)) for record in records_of(read_all(torn))]
    results = [fitted(record) for record in records]
    assert all(findings == [] for _, findings in results)
    write(tmp_path / "out", [record for record, _ in results])
    back = records_of(read_all(tmp_path / "out"))
    assert all(same(a, b) for a, b in zip(records, back, strict=True))
    for kind in ("polygons.json", "labelIds.png", "instanceIds.png"):
        copy_files(torn, tmp_path / "one", lambda name, end=kind: name.endswith(end))
        copy_files(tmp_path / "out", tmp_path / "two", lambda name, end=kind: name.endswith(end))
    assert_same_files(tmp_path / "one", tmp_path / "two")


def test_pngs_that_todays_pillow_painted_are_recognised(tmp_path: Path, official: Any) -> None:
    source = make(tmp_path, [polygon("road", 0, 0, 7, 5), polygon("car", 1, 1, 3, 3)])
    document = Path(stem(source) + "polygons.json")
    save(source, "instanceIds", official(document, "instance", "ids"))
    save(source, "labelIds", official(document, "label", "ids"))
    items = read_all(source)
    (record,) = records_of(items)
    assert codes(findings_of(items)) == {"NOTE01": 1}
    assert state(record) == "scene"
    assert np.array_equal(shown(record, 1), official(document, "label", "ids") == 26)


@pytest.mark.parametrize(
    "own",
    [
        3,
        {"files": 3},
        {"files": ["../x"], "type": "gtFine"},
        {"type": "../../x"},
        {"top": "{", "deleted": [[0, "{"], [1, "[]"]]},
        {"deleted": [1]},
        {"top": '{"imgHeight": 1}'},
    ],
)
def test_native_text_that_somebody_spoiled_is_left_out(tmp_path: Path, own: Any) -> None:
    broken = {"text": '{"label": "bus", "polygon": []', "index": "x", "value": -1}
    item = instance("car", RING).model_copy(update={"raw": {"cityscapes": broken}})
    record, _ = fitted(record_of(item).model_copy(update={"raw": {"cityscapes": own}}))
    back = there_and_back(tmp_path, record)
    assert same(record, back)
    assert [x.name for x in tmp_path.iterdir()] == ["out0"]


# --- what others say ----------------------------------------------------------------------------------------

RING = bits("""
    ........
    .#####..
    .#...#..
    .#.#.#..
    .#...#..
    .#####..
""")
PARTS = bits("""
    ##......
    ##....#.
    .......#
    ........
    #.......
    ......##
""")


@pytest.mark.parametrize("mask", [RING, PARTS, RING ^ PARTS, np.ones((6, 8), bool), np.eye(6, 8) > 0])
def test_any_mask_becomes_one_polygon_that_paints_it_exactly(tmp_path: Path, mask: Pixels) -> None:
    record, findings = fitted(record_of(instance("car", mask)))
    assert np.array_equal(shown(record, 0), mask)
    assert "LOS304" in codes(findings) and "LOS202" not in codes(findings)
    back = there_and_back(tmp_path, record)
    assert same(record, back)
    assert len(back.objects) == 1


def test_an_object_of_several_parts_is_told_to_be_joined() -> None:
    _, findings = fitted(record_of(instance("car", PARTS)))
    assert [item.message for item in findings if item.code == "LOS209"] == ["4 parts became one polygon"]


def test_an_outline_that_was_there_is_changed_and_not_derived() -> None:
    ring = Mask.of(Polygons([[[1.0, 1.0, 5.5, 1.0, 5.5, 4.0]]]))
    _, findings = fitted(record_of(Instance(category="car", mask=ring)))
    assert codes(findings)["LOS201"] == 1
    assert "LOS304" not in codes(findings)


def test_smaller_objects_lie_on_larger_ones_and_crowds_below_all(tmp_path: Path) -> None:
    small, large = np.zeros((6, 8), bool), np.zeros((6, 8), bool)
    small[1:3, 1:3] = True
    large[0:5, 0:5] = True
    crowd = np.ones((6, 8), bool)
    record, findings = fitted(
        record_of(instance("car", small), instance("bus", large), instance("person", crowd, crowd=True))
    )
    assert [item.category for item in record.objects] == ["person", "bus", "car"]
    assert [shown(record, k).sum() for k in range(3)] == [48 - 25, 25 - 4, 4]
    told = codes(findings)
    assert (told["LOS206"], told["LOS112"]) == (1, 2)
    assert any("4 of 25 pixels" in item.message and "IoU 0.8400" in item.message for item in findings)
    document = json.loads(next(write(tmp_path / "x", [record]).rglob("*.json")).read_text())
    assert [item["label"] for item in document["objects"]] == ["persongroup", "bus", "car"]


def test_without_overlap_the_order_stays() -> None:
    one, two = np.zeros((6, 8), bool), np.zeros((6, 8), bool)
    one[0, 0] = True
    two[3:, 3:] = True
    record, findings = fitted(record_of(instance("car", one), instance("bus", two)))
    assert [item.category for item in record.objects] == ["car", "bus"]
    assert "LOS206" not in codes(findings)


def test_a_fully_hidden_object_keeps_its_polygon(tmp_path: Path) -> None:
    mask = np.zeros((6, 8), bool)
    mask[1:4, 1:4] = True
    record, findings = fitted(record_of(instance("car", mask), instance("bus", mask)))
    assert codes(findings)["LOS112"] == 1
    back = there_and_back(tmp_path, record)
    assert [shown(back, k).sum() for k in (0, 1)] == [0, 9]
    assert same(record, back)


def test_an_object_without_a_pixel_is_dropped() -> None:
    record, findings = fitted(record_of(instance("car", np.zeros((6, 8), bool))))
    assert record.objects == ()
    assert codes(findings)["LOS101"] == 1


def test_boxes_and_unknown_classes_are_dropped_and_told() -> None:
    record, findings = fitted(
        record_of(
            BoundingBox(category="car", box=(0.0, 0.0, 1.0, 1.0)),
            instance("giraffe", RING),
            instance("bus", RING, box=(1.0, 1.0, 2.0, 2.0), crowd=False),
        )
    )
    assert [item.category for item in record.objects] == ["bus"]
    assert {code: codes(findings)[code] for code in ("LOS101", "LOS104", "LOS109", "LOS115")} == {
        "LOS101": 1, "LOS104": 1, "LOS109": 1, "LOS115": 1
    }  # fmt: skip


def test_a_crowd_of_poles_cannot_be_said() -> None:
    record, findings = fitted(record_of(instance("pole", RING, crowd=True)))
    assert (record.objects[0].category, record.objects[0].crowd) == ("pole", None)
    assert any(item.code == "LOS105" and "polegroup" in item.message for item in findings)


def test_the_thousand_and_first_car_has_no_number() -> None:
    wide = np.zeros((2, 1001, 2, 1001), bool)
    masks = [wide[0, k] for k in range(1001)]
    for k, mask in enumerate(masks):
        mask[:, k] = True
    record, findings = fitted(record_of(*(instance("car", m) for m in masks), shape=(2, 1001)))
    assert len([item for item in record.objects if not item.crowd]) == 1000
    assert [item.place for item in findings if item.code == "LOS101"] == ["photos/one.jpg:object 1001"]


def test_a_foreign_license_plate_keeps_its_outline_and_loses_its_pixels(tmp_path: Path) -> None:
    record, findings = fitted(
        record_of(instance("car", np.ones((6, 8), bool)), instance("license plate", RING))
    )
    assert "LOS202" in codes(findings)
    back = there_and_back(tmp_path, record)
    assert same(record, back)
    assert [item.category for item in back.objects] == ["car", "license plate"]


def test_a_semantic_map_becomes_polygons_below_the_objects(tmp_path: Path) -> None:
    values = np.full((6, 8), 1)
    values[3:, :] = 2
    values[0, 0] = 9  # to be ignored
    values[5, 5:7] = 3  # persons, but who?
    values[5, 7] = 4  # a class that is not there
    classes = {1: "sky", 2: "road", 3: "person", 4: "giraffe"}
    mask = np.zeros((6, 8), bool)
    mask[2:4, 2:4] = True
    record, findings = fitted(
        record_of(instance("car", mask), maps={"semantic": semantic_of(values, classes, ignore=9)})
    )
    assert [(item.category, item.crowd) for item in record.objects] == [
        ("road", None), ("sky", None), ("person", True), ("car", None)
    ]  # fmt: skip
    expected = np.where(values == 1, 23, np.where(values == 2, 7, np.where(values == 3, 24, 0)))
    expected[2:4, 2:4] = 26
    assert np.array_equal(map_pixels(record.maps["semantic"]), expected)
    told = codes(findings)
    assert (told["LOS205"], told["LOS104"]) == (1, 1)
    assert any(item.code == "LOS112" and "4 pixels" in item.message for item in findings)
    back = there_and_back(tmp_path, record)
    assert same(record, back)
    _, written = pixels(next((tmp_path / "out0").rglob("*_labelIds.png")))
    assert np.array_equal(written, expected)


@pytest.mark.parametrize("inner", ["building", None])
def test_by_the_pillow_rule_a_region_does_not_cover_what_it_encloses(
    tmp_path: Path, inner: str | None
) -> None:
    values = np.full((10, 12), 1)
    values[1:-1, 1:-1] = 2  # more pixels than the ring around them
    classes = {1: "road"} | ({2: inner} if inner else {})
    source = record_of(shape=values.shape, maps={"semantic": semantic_of(values, classes)})
    record, findings = fitted(source, raster="pillow")
    wrong = int(np.count_nonzero(semantic_ids(record) != semantic_ids(source)))
    told = [item.message.split()[0] for item in findings if item.code == "LOS202"]
    assert told == ([str(wrong)] if wrong else [])
    assert wrong == 0 or inner is None  # a hole that nothing is painted into may be filled
    assert same(record, there_and_back(tmp_path, record, raster="pillow"))


def test_by_the_pillow_rule_regions_that_touch_at_corners_are_drawn_apart(tmp_path: Path) -> None:
    source = record_of(maps={"semantic": semantic_of(np.eye(6, 8), {1: "road"})})
    record, findings = fitted(source, raster="pillow")
    assert {item.code: item.count for item in findings} == {"LOS204": 1, "LOS304": 6}
    assert (semantic_ids(record) == 7 * np.eye(6, 8)).all()
    assert same(record, there_and_back(tmp_path, record, raster="pillow"))


def test_a_panoptic_map_serves_where_there_is_no_semantic_one() -> None:
    values = np.full((6, 8), 1)
    panoptic = semantic_of(values, {1: "sky"})
    record, findings = fitted(record_of(maps={"panoptic": panoptic}))
    assert (map_pixels(record.maps["semantic"]) == 23).all()
    assert codes(findings)["LOS103"] == 1  # the classes are kept, the segments are not
    _, findings = fitted(record_of(maps={"panoptic": panoptic, "semantic": panoptic}))
    assert codes(findings)["LOS103"] == 1


def test_without_a_semantic_map_one_is_made_from_the_objects() -> None:
    record, findings = fitted(record_of(instance("car", RING)))
    assert codes(findings)["LOS302"] == 1
    assert np.array_equal(map_pixels(record.maps["semantic"]) == 26, RING)


def test_an_image_of_unknown_size_keeps_its_place_and_nothing_else(tmp_path: Path) -> None:
    image = Image(path="photos/one.jpg")
    record = Record(
        image=image, objects=(BoundingBox(category="car", box=(0.0, 0.0, 1.0, 1.0)),), splits=("val",)
    )
    result, findings = fitted(record, 3)
    assert codes(findings) == {"LOS101": 1, "LOS204": 1}
    back = there_and_back(tmp_path, result)
    assert same(result, back)
    assert back.image.width is None


@pytest.mark.parametrize(
    ("path", "splits", "expected"),
    [
        ("a b_ü/x.png", ("val",), "val/a-b-ü/a-b-ü_000012_000019_leftImg8bit.png"),
        ("x.jpg", (), "unsplit/images/images_000012_000019_leftImg8bit.jpg"),
        ("x.png", ("train",), "train/train/train_000012_000019_leftImg8bit.png"),
        ("val/ulm/ulm_000001_000019_leftImg8bit.png", ("val",), "val/ulm/ulm_000001_000019_leftImg8bit.png"),
        (
            "val/ulm/ulm_000001_000019_leftImg8bit.png",
            ("test",),
            "test/ulm/ulm_000012_000019_leftImg8bit.png",
        ),
        ("val/ulm/bonn_000001_000019_leftImg8bit.png", ("val",), "val/ulm/ulm_000012_000019_leftImg8bit.png"),
        ("../x.png", ("a/b",), "unsplit/images/images_000012_000019_leftImg8bit.png"),
    ],
)
def test_paths_become_official_names(path: str, splits: tuple[str, ...], expected: str) -> None:
    from cityscapesscripts.helpers.csHelpers import getCsFileInfo

    record = Record(image=Image(path=path, width=2, height=2), splits=splits)
    result, findings = fitted(record, 12)
    assert result.image.path == expected
    assert ("LOS204" in codes(findings)) == (path != expected)
    assert getCsFileInfo(result.image.path).city == expected.split("/")[1]


def test_an_image_has_one_split() -> None:
    record = Record(image=Image(path="x.png", width=2, height=2), splits=("train", "val", "unsplit"))
    result, findings = fitted(record)
    assert result.splits == ("train",)
    assert [(item.code, item.count) for item in findings if item.code == "LOS110"] == [("LOS110", 2)]


def test_classes_outside_the_table_are_told_once_by_the_header() -> None:
    header = Header(categories=(Category(name="person", supercategory="person"), Category(name="giraffe")))
    target, findings = fit_header(header, FORMAT)
    assert [item.code for item in findings] == ["LOS111", "LOS104"]
    assert [category.name for category in target.header.categories] == [row.name for row in TABLE]
    assert fit_header(target.header, FORMAT)[1] == []


def test_a_native_polygon_is_kept_where_the_scene_still_paints_its_pixels(golden: Path) -> None:
    """As after a way through a format that knows only masks: RLEs, and the native text brought back."""
    for record in records_of(read_all(golden)):
        loose = [
            item.model_copy(update={"mask": rle_mask(shown(record, k))})
            for k, item in enumerate(record.objects)
        ]
        result, findings = fitted(record.model_copy(update={"objects": tuple(loose), "maps": {}}))
        assert codes(findings) == {"LOS302": 1}
        assert result.objects == record.objects


def test_an_edited_object_gets_a_new_polygon_and_keeps_its_other_keys(tmp_path: Path) -> None:
    entries = [polygon("road", 0, 0, 8, 6, user="a"), polygon("car", 1, 1, 3, 3, user="b", id=4)]
    (record,) = records_of(read_all(make(tmp_path / "in", entries)))
    grown = np.zeros((6, 8), bool)
    grown[1:5, 1:5] = True
    road = np.ones((6, 8), bool) & ~grown
    objects = (
        record.objects[0].model_copy(update={"mask": rle_mask(road)}),
        record.objects[1].model_copy(update={"mask": rle_mask(grown)}),
    )
    result, findings = fitted(record.model_copy(update={"objects": objects, "maps": {}}))
    assert codes(findings) == {"LOS302": 1, "LOS304": 1}
    write(tmp_path / "out", [result])
    written = json.loads(Path(stem(tmp_path / "out") + "polygons.json").read_text())["objects"]
    assert written[0] == entries[0]
    assert {key: written[1][key] for key in ("user", "id", "label")} == {"user": "b", "id": 4, "label": "car"}
    assert written[1]["polygon"] != entries[1]["polygon"]


@st.composite
def foreign(draw: st.DrawFn) -> Record:
    """Masks that overlap, with crowds, stuff, unknown classes, and a semantic map of some other table."""
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    names = ["car", "person", "road", "pole", "license plate", "dog", "unlabeled"]
    objects = [
        instance(
            names[rng.integers(len(names))],
            rng.random((height, width)) < rng.choice([0.1, 0.5, 0.9]),
            crowd=[None, True, False][rng.integers(3)],
        )
        for _ in range(draw(st.integers(0, 5)))
    ]
    maps: dict[str, Any] = {}
    if draw(st.booleans()):
        classes = {1: "sky", 2: "car", 3: "dog", 4: "license plate", 6: "unlabeled"}
        maps["semantic"] = semantic_of(rng.integers(0, 7, (height, width)), classes, ignore=5)
    return record_of(*objects, shape=(height, width), maps=maps)


@given(record=foreign())
def test_whatever_fits_comes_back_the_same(tmp_path_factory: pytest.TempPathFactory, record: Record) -> None:
    result, _ = fitted(record)
    back = there_and_back(tmp_path_factory.mktemp("t"), result)
    assert same(result, back)


@given(record=foreign())
def test_what_fits_by_the_pillow_rule_is_what_the_official_scripts_paint(
    tmp_path_factory: pytest.TempPathFactory, record: Record
) -> None:
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.preparation.json2instanceImg import createInstanceImage

    result, _ = fitted(record, raster="pillow")
    root = write(tmp_path_factory.mktemp("t") / "out", [result])
    annotation = Annotation()
    annotation.fromJsonFile(str(next(root.rglob("*.json"))))
    _, ours = pixels(next(root.rglob("*_instanceIds.png")))
    assert np.array_equal(ours, np.array(createInstanceImage(annotation, "ids")))
    # Two polygons of one value may share a border, where no PNG says which rule painted them.
    assert same(result, records_of(read_all(root, raster="pillow"))[0])


def test_the_official_scripts_paint_golden_polygons_as_we_do_by_the_pillow_rule(
    golden: Path, tmp_path: Path, official: Any
) -> None:
    source = copy_files(golden, tmp_path / "in", lambda name: name.endswith(".json"))
    bare = []
    for record in records_of(read_all(source, raster="pillow")):
        own = {key: value for key, value in record.raw["cityscapes"].items() if key != "files"}
        bare.append(fitted(record.model_copy(update={"raw": {"cityscapes": own}}), raster="pillow")[0])
    assert_official(write(tmp_path / "out", bare), official)


def test_the_official_panoptic_tool_reads_what_we_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic

    image = Image(path="x.png", width=8, height=6)
    record = Record(
        image=image, objects=(instance("car", RING), instance("bus", PARTS & ~RING)), splits=("val",)
    )
    root = write(tmp_path / "out", [fitted(record)[0]])
    monkeypatch.setattr(json.JSONEncoder, "default", lambda self, value: value.item())  # numpy ints
    convert2panoptic(str(root / "gtFine"), setNames=["val"])
    written = json.loads((root / "gtFine" / "cityscapes_panoptic_val.json").read_text())
    (annotation,) = written["annotations"]
    areas = {item["id"]: item["area"] for item in annotation["segments_info"]}
    assert areas == {26000: int(RING.sum()), 28000: int((PARTS & ~RING).sum())}


# --- what cannot be read ------------------------------------------------------------------------------------

CAR = polygon("car", 0, 0, 3, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"imgHeight": 6, "imgWidth": 8, "objects": [', ["polygons.json", "truncated"]),
        ("[]", ["polygons.json", "expected `object`"]),
        ('{"imgHeight": 6, "imgWidth": 8}', ["no key 'objects'"]),
        ('{"imgHeight": 6, "imgWidth": "8", "objects": []}', ["imgWidth", "str"]),
        ('{"imgHeight": 0, "imgWidth": 8, "objects": []}', ["8 x 0"]),
        ('{"imgHeight": 0, "imgWidth": 0, "objects": [{"label": "car", "polygon": []}]}', ["0 x 0"]),
        ('{"imgHeight": 6, "imgWidth": 8, "objects": [{"label": "car"}]}', ["polygon", "$[0]"]),
        (
            '{"imgHeight": 6, "imgWidth": 8, "objects": [{"label": "car", "polygon": [[1]]}]}',
            ["$[0].polygon[0]"],
        ),
        (
            '{"imgHeight": 6, "imgWidth": 8, "objects": [{"label": "car", "polygon": [[1, NaN]]}]}',
            ["invalid character"],
        ),
        ('{"imgHeight": 6, "imgWidth": 8, "objects": [{"label": "car", "polygon": [[1, null]]}]}', ["null"]),
        ('{"imgHeight": 6, "imgWidth": 8, "objects": [{"label": "car", "polygon": [["1", 2]]}]}', ["str"]),
        ('{"imgHeight": 6, "imgWidth": 8, "objects": [{"label": 3, "polygon": []}]}', ["$[0].label"]),
    ],
)
def test_a_broken_document_is_an_error_with_its_place(tmp_path: Path, text: str, words: list[str]) -> None:
    make(tmp_path, [])
    Path(stem(tmp_path) + "polygons.json").write_text(text)
    error = only_error(tmp_path)
    assert error.place.startswith(f"gtFine/{CITY}/testcity_000000_000019_gtFine_polygons.json")
    assert all(word in str(error) for word in words), str(error)


def test_a_broken_frame_does_not_hide_the_others(golden: Path, tmp_path: Path) -> None:
    source = copy_files(golden, tmp_path, lambda name: True)
    Path(stem(source) + "polygons.json").write_bytes(b'{"imgHeight": 80, "label": "\xff"}')
    items = read_all(source)
    assert sum(isinstance(item, Record) for item in items) == 9
    (error,) = [item for item in items if isinstance(item, RecordError)]
    assert "polygons.json:byte 28" in error.place and "UTF-8" in str(error)


def test_an_unknown_label_is_an_error_that_names_its_neighbours(tmp_path: Path) -> None:
    error = only_error(make(tmp_path, [CAR, polygon("trafic light", 0, 0, 2, 2)]))
    assert error.place.endswith("_polygons.json:objects[1]")
    assert "'trafic light'" in error.found and "'traffic light'" in error.expected


def test_an_id_that_no_class_has_is_an_error_that_counts_its_pixels(tmp_path: Path) -> None:
    values = np.zeros((6, 8))
    values[0, :3] = 34
    save(tmp_path, "labelIds", values)
    error = only_error(tmp_path)
    assert error.place.endswith("_labelIds.png")
    assert "value 34 (3 pixels)" in error.found


@pytest.mark.parametrize("value", [7001, 34, 34000, 65535])
def test_an_instance_of_a_class_that_has_none_is_an_error(tmp_path: Path, value: int) -> None:
    save(tmp_path, "instanceIds", np.full((2, 2), value))
    assert f"value {value} (4 pixels)" in only_error(tmp_path).found


def test_files_of_different_sizes_are_an_error(tmp_path: Path) -> None:
    make(tmp_path, [CAR])
    save(tmp_path, "labelIds", np.zeros((6, 9)))
    error = only_error(tmp_path)
    assert "9 x 6" in error.found and "8 x 6" in error.expected


def test_colours_in_place_of_ids_are_an_error(tmp_path: Path) -> None:
    make(tmp_path, [CAR])
    PilImage.new("RGB", (8, 6)).save(stem(tmp_path) + "labelIds.png")
    assert "one index a pixel" in only_error(tmp_path).found


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"no image"])
def test_a_broken_png_is_an_error(tmp_path: Path, data: bytes) -> None:
    make(tmp_path, [CAR])
    Path(stem(tmp_path) + "instanceIds.png").write_bytes(data)
    assert only_error(tmp_path).place.endswith("_instanceIds.png")


def test_a_truncated_png_is_an_error(golden: Path, tmp_path: Path) -> None:
    source = copy_files(golden, tmp_path, lambda name: "000000_000019" in name)
    file = Path(stem(source) + "instanceIds.png")
    file.write_bytes(file.read_bytes()[:-80])
    assert only_error(source).place.endswith("_instanceIds.png")


def test_a_decompression_bomb_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, [CAR])
    file = stem(tmp_path) + "labelIds.png"
    PilImage.new("1", (20_000, 20_000)).save(file)
    assert "limit" in only_error(tmp_path).found


def test_a_link_that_leaves_the_folder_is_an_error(tmp_path: Path) -> None:
    outside = tmp_path / "secret.json"
    outside.write_text("{}")
    make(tmp_path / "in", [CAR])
    Path(stem(tmp_path / "in", "testcity_000001_000019") + "polygons.json").symlink_to(outside)
    error = only_error(tmp_path / "in")
    assert "leaves its folder" in str(error) and "000001" in error.place


def test_a_ring_of_two_points_is_odd_and_kept(tmp_path: Path) -> None:
    items = read_all(make(tmp_path / "in", [CAR, {"label": "bus", "polygon": [[1, 1], [2, 2]]}]))
    (record,) = records_of(items)
    assert [(item.code, item.place[-8:]) for item in findings_of(items)] == [("ODD003", "object 2")]
    write(tmp_path / "out", [fitted(record)[0]])
    assert_same_files(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("name", ["nothing", "empty", "file"])
def test_a_path_that_is_no_data_set_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    assert FORMAT.detect(tmp_path / name).strength == 0
    with pytest.raises(FormatError):
        FORMAT.open(tmp_path / name)


def test_detection_says_why(golden: Path, tmp_path: Path) -> None:
    assert FORMAT.detect(golden).strength == 2
    assert FORMAT.detect(golden / "gtFine").strength == 2
    assert "gtFine" in FORMAT.detect(golden).reason
    (tmp_path / "leftImg8bit").mkdir()
    assert FORMAT.detect(tmp_path).strength == 1


def test_unknown_options_are_refused(golden: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--cityscapes-truth"):
        FORMAT.open(golden, truth="best")
    with pytest.raises(UsageError, match="--cityscapes-raster"):
        FORMAT.create(tmp_path, Header(), raster="cv2")


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    record, _ = fitted(record_of(instance("car", RING)))
    with pytest.raises(DestinationError, match="written twice"):
        write(tmp_path / "out", [record, record])


def test_a_set_without_records_can_be_written(tmp_path: Path) -> None:
    assert FORMAT.detect(write(tmp_path / "out", [])).strength == 1


def test_a_png_of_another_table_is_not_taken_for_label_ids(tmp_path: Path) -> None:
    file = tmp_path / "x_labelIds.png"
    PilImage.fromarray(np.full((6, 8), 7, np.uint8)).save(file)
    foreign_map = SemanticMap(source=Png(path=str(file)), classes={7: "car"})
    record, _ = fitted(record_of(maps={"semantic": foreign_map}))
    assert (map_pixels(record.maps["semantic"]) == 26).all()


def test_cells_of_a_map_that_comes_along_are_read(tmp_path: Path) -> None:
    values = np.where(RING, 5, 0)
    source = Layers(height=6, width=8, layers=(Layer(value=5, mask=rle_mask(values == 5)),))
    item = Instance(category="car", mask=Mask.of(Cell("objects", 5)))
    record, _ = fitted(record_of(item, maps={"objects": InstanceMap(source=source)}))
    assert np.array_equal(shown(record, 0), RING)
    assert record.objects[0].mask == Mask.of(Cell("objects", 1))

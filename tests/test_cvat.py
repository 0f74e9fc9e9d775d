"""CVAT for images, read and written: files as CVAT exports them, what a person changes in them, and laws.

The exports follow the examples of docs.cvat.ai ("XML annotation format" 1.1: the task with the skeleton and
the mask of 13 x 15) and of a project's export. What they mean was read with Datumaro 1.13.12 once, and is
recorded here. Masks are decoded by a few lines that the documentation's words were turned into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from labelkit import convert, open_dataset
from labelkit.errors import BadRecordsError, FormatError, RecordError
from labelkit.findings import Finding
from labelkit.formats import detect
from labelkit.formats._xml import parse
from labelkit.formats.cvat import FORMAT
from labelkit.formats.cvat.declare import Declared
from labelkit.formats.cvat.head import head_bytes
from labelkit.formats.cvat.shapes import read_mask, turned, write_mask
from labelkit.geometry import rle
from labelkit.loss import Fitted, fit, fit_header
from labelkit.model import (
    BoundingBox,
    Box,
    Category,
    Header,
    Image,
    ImageLabel,
    Instance,
    Layer,
    Layers,
    Mask,
    Object,
    Polygons,
    Provenance,
    Record,
    SemanticMap,
)
from labelkit.pixels import map_pixels, mask_runs, rle_mask
from labelkit.visible import same

MASK = "3, 5, 7, 7, 5, 9, 3, 11, 2, 11, 2, 12, 1, 12, 1, 26, 1, 12, 1, 12, 2, 11, 3, 9, 5, 7, 7, 5, 3"
TASK = f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>4</id>
      <name>segmentation</name>
      <size>2</size>
      <mode>annotation</mode>
      <labels>
        <label>
          <name>plate</name>
          <color>#fa3253</color>
          <type>any</type>
          <attributes>
            <attribute>
              <name>model</name>
              <mutable>False</mutable>
              <input_type>select</input_type>
              <default_value>old</default_value>
              <values>old
new</values>
            </attribute>
          </attributes>
        </label>
        <label>
          <name>car</name>
          <attributes>
          </attributes>
        </label>
        <label>
          <name>s1</name>
          <type>skeleton</type>
          <attributes>
          </attributes>
          <svg>&lt;line x1="36.9"&gt;&lt;/line&gt;</svg>
        </label>
        <label>
          <name>car</name>
          <type>points</type>
          <attributes>
          </attributes>
          <parent>s1</parent>
        </label>
        <label>
          <name>good_frame</name>
          <attributes>
          </attributes>
        </label>
      </labels>
      <owner>
        <username>admin</username>
        <email></email>
      </owner>
    </task>
    <dumped>2018-09-25 11:38:28.799808+03:00</dumped>
  </meta>
  <image id="7" name="folder/file name 000.jpg" width="1600" height="1200">
    <box label="plate" source="file" occluded="1" xtl="797.33" ytl="870.92" xbr="965.52" ybr="928.94" z_order="4">
      <attribute name="model">new</attribute>
    </box>
    <polygon label="car" occluded="0" points="561.30,916.23;561.30,842.77;554.72,761.63" group_id="3" z_order="1">
    </polygon>
    <polyline label="car" points="462.10,0.00;126.80,1200.00" occluded="0" z_order="3">
    </polyline>
    <points label="car" points="574.90,939.48;1170.16,907.90" occluded="0" z_order="5">
    </points>
    <tag label="good_frame" source="manual">
    </tag>
    <skeleton label="s1" source="manual" z_order="0">
      <points label="1" occluded="0" source="manual" outside="0" points="54.47,94.81">
      </points>
    </skeleton>
    <mask label="car" source="manual" occluded="0" rle="{MASK}" left="707" top="888" width="13" height="15" z_order="0">
    </mask>
    <box label="car" source="manual" occluded="0" xtl="10.00" ytl="20.00" xbr="50.00" ybr="40.00" rotation="90.00" z_order="0">
    </box>
  </image>
  <!-- looked at twice -->
  <image id="3" name="a.jpg" width="20" height="10"/>
</annotations>
"""  # noqa: E501


def task(root: Path, text: str = TASK) -> Path:
    root.mkdir()
    (root / "annotations.xml").write_bytes(text.encode())
    return root


def bytes_of(root: Path) -> bytes:
    return (root / "annotations.xml").read_bytes()


def items_of(root: Path) -> list[Record | RecordError | Finding]:
    reader = open_dataset(root).reader
    return [item for part in reader.parts() for item in reader.read(part)]


def decoded(element: ElementTree.Element, height: int, width: int) -> np.ndarray:
    """The pixels of a <mask>, as the documentation says: runs of a window, row by row, zeros first."""
    pixels = np.zeros((height, width), bool)
    left, top, wide = (int(element.attrib[name]) for name in ("left", "top", "width"))
    place, value = 0, False
    for run in element.attrib["rle"].split(","):
        for pixel in range(place, place + int(run)):
            pixels[top + pixel // wide, left + pixel % wide] = value
        place, value = place + int(run), not value
    assert place == wide * int(element.attrib["height"])
    return pixels


def pixels_of(record: Record, item: Object) -> np.ndarray:
    assert isinstance(item, Instance)
    assert record.image.height and record.image.width
    return rle.decode_mask(mask_runs(record, item.mask), record.image.height, record.image.width)


HEADER = Header(categories=(Category(name="a"), Category(name="b & <c>", colour=(1, 2, 255))))


def written(root: Path, records: list[Record], header: Header = HEADER) -> list[Fitted]:
    target, _ = fit_header(header, FORMAT)
    fitted = [fit(record, target, k) for k, record in enumerate(records)]
    root.mkdir()
    writer = FORMAT.create(root, target.header)
    writer.write(0, [each.record for each in fitted])
    writer.finish()
    return fitted


def record_of(*objects: Object, name: str = "a.jpg", **fields: Any) -> Record:
    return Record(image=Image(path=name, width=20, height=10), objects=objects, **fields)


BOXED = BoundingBox(category="b & <c>", box=Box(1, 2, 3, 4))


# --- reading what CVAT exports -----------------------------------------------------------------------------


def test_an_export_is_read_as_datumaro_reads_it(tmp_path: Path) -> None:
    dataset = open_dataset(task(tmp_path / "set"))
    first, second = dataset
    assert dataset.format is FORMAT
    assert [(each.name, each.colour) for each in dataset.header.categories] == [
        ("plate", (0xFA, 0x32, 0x53)),
        ("car", None),
        ("s1", None),
        ("good_frame", None),
    ]
    assert first.image == Image(path="folder/file name 000.jpg", width=1600, height=1200)
    assert second.image == Image(path="a.jpg", width=20, height=10)
    plate, car, mask, turned = first.objects
    assert plate.box == Box(797.33, 870.92, 168.19, 58.02)
    assert (plate.occluded, plate.attributes, plate.provenance) == (True, {"model": "new"}, None)
    assert isinstance(car, Instance)
    ring = [561.30, 916.23, 561.30, 842.77, 554.72, 761.63]
    assert (car.mask, car.occluded, car.attributes) == (Mask.of(Polygons([[ring]])), None, None)
    element = ElementTree.fromstring(TASK).find(".//mask")
    assert element is not None
    assert (pixels_of(first, mask) == decoded(element, 1200, 1600)).all()
    assert pixels_of(first, mask).sum() == 149
    assert isinstance(turned, Instance)
    (rings,) = turned.mask.shape.parts  # type: ignore[union-attr]
    assert rings == [[40, 10, 40, 50, 20, 50, 20, 10]]  # a quarter turn around (30, 30), clockwise
    assert [label.category for label in first.labels] == ["good_frame"]


def test_a_turned_box_is_told(tmp_path: Path) -> None:
    told = [item for item in items_of(task(tmp_path / "set")) if isinstance(item, Finding)]
    assert [(item.code, item.place) for item in told] == [("NOTE03", "folder/file name 000.jpg:object 4")]
    assert told[0].message == "a box turned by 90 degrees is read as the polygon of its corners"


def test_a_box_is_turned_clockwise_as_datumaro_turns_it() -> None:
    ring = [17.679492, 11.339746, 52.320508, 31.339746, 42.320508, 48.660254, 7.679492, 28.660254]
    assert turned(Box(10, 20, 40, 20), 30) == Mask.of(Polygons([[ring]]))


def test_what_was_only_read_is_written_as_it_was(tmp_path: Path) -> None:
    convert(task(tmp_path / "set"), tmp_path / "out", to="cvat")
    assert bytes_of(tmp_path / "out") == TASK.encode()


@pytest.mark.parametrize("via", ["coco", "voc", "jsonl", "cityscapes"])
def test_it_comes_back_through_other_formats_to_the_byte(via: str, tmp_path: Path) -> None:
    convert(task(tmp_path / "set"), tmp_path / "there", to=via)
    convert(tmp_path / "there", tmp_path / "back", to="cvat")
    assert bytes_of(tmp_path / "back") == TASK.encode()


def test_shapes_of_other_kinds_are_lost_elsewhere_by_their_names(tmp_path: Path) -> None:
    report = convert(task(tmp_path / "set"), tmp_path / "out", to="coco")
    messages = {item.message for item in report.ledger.examples["LOS116"]}
    assert messages == {
        f"{kind} of cvat have no place in coco" for kind in ("points", "polylines", "skeletons")
    }


def test_an_export_of_a_project_has_subsets_and_folders_of_images(tmp_path: Path) -> None:
    text = TASK.replace("<task>", "<project>").replace("</task>", "</project>")
    text = text.replace('name="folder/file name 000.jpg"', 'name="b.jpg" subset="Train" task_id="9"')
    text = text.replace('name="a.jpg"', 'name="a.jpg" subset="default" task_id="9"')
    root = task(tmp_path / "set", text)
    for name, size in (("Train/b.jpg", (1600, 1200)), ("default/a.jpg", (20, 10))):
        (root / "images" / name).parent.mkdir(parents=True)
        Pillow.new("L", size).save(root / "images" / name)
    dataset = open_dataset(root)
    first, second = dataset
    assert (first.splits, second.splits) == (("Train",), ())
    found = [dataset.image_file(record) for record in (first, second)]
    assert found == [root / "images/Train/b.jpg", root / "images/default/a.jpg"]
    convert(root, tmp_path / "out", to="cvat")
    assert bytes_of(tmp_path / "out") == text.encode()
    assert (tmp_path / "out/images/Train/b.jpg").is_file()
    assert (tmp_path / "out/images/a.jpg").is_file()


def test_a_single_file_is_a_data_set_too(tmp_path: Path) -> None:
    file = tmp_path / "exported.xml"
    file.write_text(TASK)
    Pillow.new("L", (20, 10)).save(tmp_path / "a.jpg")
    dataset = open_dataset(file)
    assert dataset.image_file(list(dataset)[1]) == tmp_path / "a.jpg"
    convert(file, tmp_path / "out.xml", to="cvat", images="none")
    assert (tmp_path / "out.xml").read_text() == TASK


def test_voc_and_cvat_are_told_apart_by_their_outermost_elements(tmp_path: Path) -> None:
    strengths = {name: item.strength for name, item in detect(task(tmp_path / "set")).items()}
    assert (strengths["cvat"], strengths["voc"]) == (2, 0)
    (tmp_path / "voc").mkdir()
    (tmp_path / "voc/annotations.xml").write_text("<annotation></annotation>")
    strengths = {name: item.strength for name, item in detect(tmp_path / "voc").items()}
    assert (strengths["cvat"], strengths["voc"]) == (0, 2)


def test_without_labels_in_meta_the_classes_are_those_of_the_shapes(tmp_path: Path) -> None:
    text = re.sub(r"\s*<meta>.*</meta>", "", TASK, flags=re.DOTALL)
    root = task(tmp_path / "set", text)
    dataset = open_dataset(root)
    assert [each.name for each in dataset.header.categories] == ["plate", "car", "good_frame", "s1"]
    assert [note.code for note in dataset.notes] == ["NOTE01"]
    convert(root, tmp_path / "out", to="cvat")
    assert bytes_of(tmp_path / "out") == text.encode()
    convert(root, tmp_path / "few", to="cvat", classes="car", carrier=False)
    few = open_dataset(tmp_path / "few")
    assert [each.name for each in few.header.categories] == ["car"]


def test_parts_are_read_apart(tmp_path: Path) -> None:
    images = "".join(f'\n  <image id="{k}" name="{k}.jpg" width="9" height="9"/>' for k in range(1201))
    reader = open_dataset(task(tmp_path / "set", f"<annotations>{images}\n</annotations>")).reader
    parts = reader.parts()
    assert [(part.start, part.count) for part in parts] == [(0, 500), (500, 500), (1000, 201)]
    last = list(reader.read(parts[2]))[-1]
    assert isinstance(last, Record)
    assert last.image.path == "1200.jpg"


# --- what a person changes -------------------------------------------------------------------------------


def changed(root: Path, out: Path, change: Callable[[Record], Record]) -> str:
    """The export after a change of its first record, and what of it is not in the original."""

    def edit(record: Record) -> Record:
        return change(record) if record.image.width == 1600 else record

    convert(root, out, to="cvat", edit=edit, carrier=False)
    return bytes_of(out).decode()


def with_object(position: int, **update: Any) -> Callable[[Record], Record]:
    def change(record: Record) -> Record:
        objects = list(record.objects)
        objects[position] = objects[position].model_copy(update=update)
        return record.model_copy(update={"objects": tuple(objects)})

    return change


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        (with_object(1, category="plate"), '<polygon label="car"', '<polygon label="plate"'),
        (with_object(3, category="plate"), '<box label="car"', '<box label="plate"'),
        (with_object(0, box=Box(797.33, 870.92, 168.19, 60)), 'ybr="928.94"', 'ybr="930.92"'),
        (with_object(0, occluded=None), 'occluded="1"', 'occluded="0"'),
        (with_object(0, attributes={"model": "old"}), '"model">new', '"attributes.model">old'),
        (
            lambda record: record.model_copy(
                update={"image": record.image.model_copy(update={"path": "b.jpg"})}
            ),
            'name="folder/file name 000.jpg"',
            'name="b.jpg"',
        ),
        (
            lambda record: record.model_copy(update={"splits": ("val",)}),
            'width="1600" height="1200"',
            'width="1600" height="1200" subset="val"',
        ),
    ],
    ids=["label", "label of a turned box", "a side", "a flag", "an attribute", "the path", "the split"],
)
def test_only_what_changed_is_written_anew(
    change: Callable[[Record], Record], old: str, new: str, tmp_path: Path
) -> None:
    text = changed(task(tmp_path / "set"), tmp_path / "out", change)
    assert TASK.count(old) >= 1
    expected = TASK.replace(old, new, 1)
    if "attributes.model" in new:  # which the label must declare, or CVAT drops it
        assert text.count("<name>attributes.model</name>") == 1
        text = re.sub(
            r"\n *<attribute>\s*<name>attributes.model</name>.*?</attribute>", "", text, flags=re.DOTALL
        )
    assert text == expected


def test_a_moved_polygon_keeps_its_group_and_a_deleted_object_takes_nothing_with_it(tmp_path: Path) -> None:
    moved = Mask.of(Polygons([[[1.0, 2.0, 3.5, 2.0, 3.0, 4.125]]]))
    text = changed(task(tmp_path / "set"), tmp_path / "out", with_object(1, mask=moved))
    old = re.search(r"<polygon .*?>", TASK)
    assert old is not None
    new = old[0].replace("561.30,916.23;561.30,842.77;554.72,761.63", "1.00,2.00;3.50,2.00;3.00,4.125")
    assert text == TASK.replace(old[0], new)

    def without_first(record: Record) -> Record:
        return record.model_copy(update={"objects": record.objects[1:]})

    text = changed(tmp_path / "set", tmp_path / "less", without_first)
    assert text == re.sub(r"\n    <box label=\"plate\".*?</box>", "", TASK, flags=re.DOTALL)


def test_a_prediction_is_added_behind_what_is_there_and_its_attributes_are_declared(tmp_path: Path) -> None:
    source = Provenance(run="r1", model="m", score=0.25, status="pending")
    new = BoundingBox(category="car", box=Box(1, 2, 3, 4), uid="ab", score=0.5, provenance=source)

    def more(record: Record) -> Record:
        return record.model_copy(update={"objects": (*record.objects, new)})

    text = changed(task(tmp_path / "set"), tmp_path / "out", more)
    added = (
        '    <box label="car" source="auto" occluded="0" xtl="1.00" ytl="2.00" xbr="4.00" ybr="6.00" '
        'z_order="0">\n'
        '      <attribute name="uid">ab</attribute>\n'
        '      <attribute name="score">0.5</attribute>\n'
        '      <attribute name="run">r1</attribute>\n'
        '      <attribute name="model">m</attribute>\n'
        '      <attribute name="model_score">0.25</attribute>\n'
        '      <attribute name="status">pending</attribute>\n'
        "    </box>\n"
    )
    assert added in text
    root = ElementTree.fromstring(text)
    names = ["uid", "score", "run", "model", "model_score", "status"]
    assert [
        [item.findtext("name") for item in label.findall("attributes/attribute")]
        for label in root.findall(".//labels/label")
    ] == [["model", "uid", "score", "run", "model_score", "status"], names, [], [], names]
    rest = re.sub(
        r"\n *<attribute>\s*<name>(?!model<)\w+</name>.*?</attribute>", "", text, flags=re.DOTALL
    ).replace(added, "")
    model = re.compile(
        r"\n *<attribute>\s*<name>model</name>((?!</attribute>).)*text.*?</attribute>", re.DOTALL
    )
    assert model.sub("", rest) == TASK


def test_a_relabelled_object_keeps_what_it_has_for_all_labels_declare_it(tmp_path: Path) -> None:
    """Source: CVAT's user interface; a new label keeps the attributes of the same name and input type."""
    source = Provenance(run="r", model="m", score=0.5)
    item = BoundingBox(
        category="a", box=Box(1, 2, 3, 4), uid="u", provenance=source, attributes={"hue": "red", "score": "!"}
    )
    label = ImageLabel(category="b & <c>", score=0.5)
    written(tmp_path / "out", [record_of(item), record_of(labels=(label,), name="b.jpg")])
    first, second = json.loads((tmp_path / "out/labels.json").read_text("utf-8"))
    shared = ["uid", "run", "model", "model_score", "status", "score"]
    assert [each["name"] for each in second["attributes"]] == shared
    assert [each["name"] for each in first["attributes"]] == [*shared, "hue", "attributes.score"]
    assert second["attributes"] == first["attributes"][: len(shared)]
    root = ElementTree.parse(tmp_path / "out/annotations.xml")
    assert [
        [each.text for each in found.findall("attributes/attribute/name")]
        for found in root.findall(".//labels/label")
    ] == [[*shared, "hue", "attributes.score"], shared]


def test_what_a_user_calls_as_labelkit_does_stays_on_the_labels_of_the_user(tmp_path: Path) -> None:
    """The model of a plate is a text that CVAT's own labels offer, and no part of a provenance."""
    text = changed(task(tmp_path / "set"), tmp_path / "out", with_object(0, category="car", uid="u"))
    labels = ElementTree.fromstring(text).findall(".//labels/label")
    names = [[each.text for each in label.findall("attributes/attribute/name")] for label in labels]
    assert names == [["model", "uid"], ["uid", "model"], [], [], ["uid"]]


def piece(name: str, *categories: str) -> dict[str, SemanticMap]:
    """A map in which each of the classes has a column."""
    rings = [Mask.of(Polygons([[[x, 0.0, x + 1, 0, x + 1, 9, x, 9]]])) for x in map(float, range(9))]
    layers = tuple(Layer(value=k, mask=rings[k]) for k, _ in enumerate(categories, 1))
    source = Layers(height=10, width=20, layers=layers)
    return {name: SemanticMap(source=source, classes=dict(enumerate(categories, 1)))}


@pytest.mark.parametrize(
    ("records", "defaults"),
    [
        ([record_of(maps=piece("semantic", "a"))], ["semantic", "semantic"]),
        ([record_of(maps=piece("panoptic", "a"))], ["panoptic", "panoptic"]),
        ([record_of(BOXED, maps=piece("semantic", "a"))], ["semantic", ""]),
        ([record_of(BOXED, maps=piece("semantic", "a", "b & <c>"))], ["semantic", ""]),
        (
            [record_of(maps=piece("semantic", "a")), record_of(maps=piece("panoptic", "a"), name="b.jpg")],
            ["", ""],
        ),
    ],
    ids=["all", "panoptic", "one is objects", "one is both", "two maps"],
)
def test_what_is_drawn_is_a_piece_of_a_map_where_all_else_of_its_label_is(
    records: list[Record], defaults: list[str], tmp_path: Path
) -> None:
    written(tmp_path / "out", records)
    labels = json.loads((tmp_path / "out/labels.json").read_text("utf-8"))
    found = [each for label in labels for each in label["attributes"] if each["name"] == "map"]
    assert [each["default_value"] for each in found] == defaults
    text = bytes_of(tmp_path / "out").decode()
    said = re.findall(r"<name>map</name>.*?<default_value>(.*?)</default_value>", text, re.DOTALL)
    assert said == defaults


def test_only_what_a_shape_itself_says_makes_it_a_piece_of_a_map(tmp_path: Path) -> None:
    written(tmp_path / "out", [record_of(maps=piece("semantic", "a"))])
    file = tmp_path / "out/annotations.xml"
    text = file.read_text("utf-8")
    assert text.count("<default_value>semantic</default_value>") == 2
    ring = '<polygon label="a" occluded="0" points="1,1;5,1;5,5" z_order="0">{}</polygon>'
    filled = '<attribute name="map">semantic</attribute>'  # as CVAT fills it in
    drawn = "".join(ring.format(inner) for inner in ("", filled.replace("semantic", ""), filled))
    file.write_text(text.replace("</image>", drawn + "</image>"), "utf-8")
    (record,) = open_dataset(tmp_path / "out")
    assert [item.category for item in record.objects] == ["a", "a"]
    item = record.maps["semantic"]
    assert isinstance(item, SemanticMap)
    assert isinstance(item.source, Layers)
    assert len(item.source.layers) == 2


def test_a_new_map_in_an_export_makes_no_pieces_of_the_objects_in_it(tmp_path: Path) -> None:
    def more(record: Record) -> Record:
        layer = Layer(value=1, mask=Mask.of(Polygons([[[1.0, 1, 9, 1, 9, 9]]])))
        source = Layers(height=1200, width=1600, layers=(layer,))
        return record.model_copy(
            update={"maps": {"semantic": SemanticMap(source=source, classes={1: "good_frame"})}}
        )

    text = changed(task(tmp_path / "set"), tmp_path / "out", more)
    said = re.findall(r"<name>map</name>.*?<default_value>(.*?)</default_value>", text, re.DOTALL)
    assert said == ["", "", "semantic"]  # of a plate, a car and a good frame


STATUS = "".join(f'<attribute name="{name}">{name[0]}</attribute>' for name in ("run", "model"))


@pytest.mark.parametrize(
    ("said", "status", "own"),
    [
        ("Pending", "pending", None),
        (" ACCEPTED", "accepted", None),
        ("acepted", "pending", {"status": "acepted"}),
    ],
)
def test_a_status_is_read_whatever_its_case_and_another_word_is_the_users(
    said: str, status: str, own: dict[str, str] | None, tmp_path: Path
) -> None:
    text = TASK.replace('<attribute name="model">new<', f'{STATUS}<attribute name="status">{said}<')
    first = next(iter(open_dataset(task(tmp_path / "set", text))))
    source = first.objects[0].provenance
    assert source is not None
    assert (source.run, source.status, first.objects[0].attributes) == ("r", status, own)
    convert(tmp_path / "set", tmp_path / "out", to="cvat")
    assert bytes_of(tmp_path / "out") == text.encode()
    more = changed(tmp_path / "set", tmp_path / "more", with_object(0, uid="u"))
    (tmp_path / "more/annotations.xml").write_text(more, "utf-8")
    item = next(iter(open_dataset(tmp_path / "more"))).objects[0]
    assert (item.uid, item.provenance, item.attributes) == ("u", source, own)


def test_the_status_is_chosen_from_a_list(tmp_path: Path) -> None:
    source = Provenance(run="r", model="m")
    written(tmp_path / "out", [record_of(BOXED.model_copy(update={"provenance": source}))])
    for label in json.loads((tmp_path / "out/labels.json").read_text("utf-8")):
        assert label["attributes"][-1] == {
            "name": "status",
            "input_type": "select",
            "mutable": False,
            "values": ["", "pending", "accepted", "changed", "rejected"],
            "default_value": "",
        }
    text = bytes_of(tmp_path / "out").decode()
    assert text.count("<values>\npending\naccepted\nchanged\nrejected</values>") == 2


def test_what_cvat_filled_in_for_a_person_says_nothing(tmp_path: Path) -> None:
    blank = "".join(
        f'<attribute name="{name}"></attribute>' for name in ("uid", "score", "run", "model", "hue")
    )
    text = TASK.replace('<attribute name="model">new</attribute>', blank)
    first = next(iter(open_dataset(task(tmp_path / "set", text))))
    item = first.objects[0]
    assert (item.uid, item.score, item.provenance, item.attributes) == (None, None, None, None)


def test_a_person_can_give_a_shape_to_a_map(tmp_path: Path) -> None:
    drawn = '<polygon label="car" occluded="0" points="2,2;6,2;6,5;2,5" z_order="9"><attribute name="map">semantic</attribute></polygon>'  # noqa: E501
    under = '<mask label="plate" occluded="0" rle="0, 200" left="0" top="0" width="20" height="10" z_order="-1"><attribute name="map">semantic</attribute></mask>'  # noqa: E501
    text = TASK.replace('height="10"/>', f'height="10">{drawn}{under}</image>')
    root = task(tmp_path / "set", text)
    record = list(open_dataset(root))[1]
    assert not record.objects
    expected = np.full((10, 20), "plate", object)
    expected[2:5, 2:6] = "car"
    item = record.maps["semantic"]
    assert (np.vectorize(item.classes.get)(map_pixels(item)) == expected).all()  # type: ignore[union-attr]
    convert(root, tmp_path / "out", to="cvat")
    assert bytes_of(tmp_path / "out") == text.encode()


# --- writing what other formats say ------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    uid=st.none() | st.text("abc0 é\n\t<&\"'", min_size=1),
    score=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    source=st.none()
    | st.builds(
        Provenance,
        run=st.text(min_size=1).filter(lambda text: text.isprintable()),
        model=st.sampled_from(["m", "json:1", " "]),
        score=st.none() | st.floats(0, 1),
        status=st.sampled_from(["pending", "accepted", "changed", "rejected"]),
    ),
    shape=st.sampled_from(["box", "polygon", "mask"]),
)
def test_uid_score_and_provenance_come_back_without_a_carrier(
    uid: str | None, score: float | None, source: Provenance | None, shape: str
) -> None:
    fields: dict[str, Any] = {"category": "b & <c>", "uid": uid, "score": score, "provenance": source}
    ring = [1.0, 1.0, 5.0, 1.0, 5.0, 4.5]
    masks = {"polygon": Mask.of(Polygons([[ring]])), "mask": Mask.of(Polygons([[ring], [ring]]))}
    item = (
        BoundingBox(box=Box(1, 2, 3, 4), **fields)
        if shape == "box"
        else Instance(mask=masks[shape], **fields)
    )
    with TemporaryDirectory() as name:
        written(Path(name) / "out", [record_of(item)])
        (record,) = open_dataset(Path(name) / "out")
    (back,) = record.objects
    assert (back.uid, back.score, back.provenance) == (uid, score, source)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["uid", "score", "run", "model", "status", "map", "crowd", "attributes.", "attributes.score"]
)


@settings(max_examples=150)
@given(attributes=st.dictionaries(KEYS | st.text(min_size=1), JSON, max_size=4), predicted=st.booleans())
def test_attributes_of_the_user_keep_their_names_and_types_whatever_they_are_called(
    attributes: dict[str, Any], predicted: bool
) -> None:
    source = Provenance(run="r", model="m") if predicted else None
    item = BoundingBox(category="a", box=Box(1, 2, 3, 4), uid="u", attributes=attributes, provenance=source)
    with TemporaryDirectory() as name:
        (fitted,) = written(Path(name) / "out", [record_of(item)])
        (record,) = open_dataset(Path(name) / "out")
    assert same(record, fitted.record)
    kept = record.objects[0].attributes or {}
    assert {key: repr(value) for key, value in kept.items()} == {
        key: repr(attributes[key]) for key in kept
    }  # 1 is not True, and not 1.0
    lost = {key for key in attributes if key not in kept}
    assert bool(lost or not attributes) == any(each.code == "LOS105" for each in fitted.findings)
    assert all(any(not _is_xml(letter) for letter in key + str(attributes[key])) for key in lost)


def _is_xml(letter: str) -> bool:
    """Whether XML 1.0 has a character (its production Char)."""
    code = ord(letter)
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code > 0xFFFF


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1), height=st.integers(1, 9), width=st.integers(1, 9), share=st.floats(0, 1)
)
def test_masks_are_runs_of_a_window_row_by_row(seed: int, height: int, width: int, share: float) -> None:
    pixels = np.random.default_rng(seed).random((height, width)) < share
    attributes = write_mask(rle.encode_mask(pixels), height)
    assert (decoded(ElementTree.Element("mask", attributes), height, width) == pixels).all()
    assert read_mask(attributes, width, height) == rle_mask(rle.encode_mask(pixels), height, width)


@given(box=st.builds(Box, *[st.floats(allow_nan=False, allow_infinity=False)] * 4), points=st.integers(1, 4))
def test_numbers_come_back_bit_by_bit_and_short_ones_look_like_cvats(box: Box, points: int) -> None:
    ring = [float(number) for number in [*box, *box][: 2 * points]]
    polygon = Instance(category="a", mask=Mask.of(Polygons([[ring]])))
    with TemporaryDirectory() as name:
        written(Path(name) / "out", [record_of(BoundingBox(category="a", box=box), polygon)])
        text = bytes_of(Path(name) / "out").decode()
        (record,) = open_dataset(Path(name) / "out")
    assert [repr(number + 0.0) for number in record.objects[0].box or ()] == [repr(n + 0.0) for n in box]
    assert isinstance(record.objects[1], Instance)
    assert record.objects[1].mask.shape == Polygons([[ring]])
    corners = re.findall(r'(?:xtl|ytl|xbr|ybr)="([^"]*)"', text)
    assert all(re.fullmatch(r"-?[0-9]+\.[0-9]{2,}", corner) for corner in corners)


def test_several_rings_become_a_mask_of_the_same_pixels_and_the_box_is_told(tmp_path: Path) -> None:
    outer, hole = [1.0, 1, 9, 1, 9, 9, 1, 9], [3.0, 3, 6, 3, 6, 6, 3, 6]
    item = Instance(category="a", mask=Mask.of(Polygons([[outer, hole]])), box=Box(1, 1, 8, 8))
    (fitted,) = written(tmp_path / "out", [record_of(item)])
    (record,) = open_dataset(tmp_path / "out")
    assert (pixels_of(record, record.objects[0]) == pixels_of(record_of(item), item)).all()
    assert [each.code for each in fitted.findings] == ["LOS109", "LOS201"]


def test_what_cvat_cannot_say_is_told(tmp_path: Path) -> None:
    source = Provenance(run="", model="m")
    item = BoundingBox(
        category="a", box=Box(1, 2, 3, 4), occluded=False, uid="", pose="\0", provenance=source
    )
    labels = (ImageLabel(category="a", state="absent"), ImageLabel(category="a", score=0.5))
    (fitted,) = written(tmp_path / "out", [record_of(item, labels=labels, splits=("default", "x", "y"))])
    assert sorted(each.code for each in fitted.findings) == [
        "LOS102",
        *["LOS105"] * 3,
        *["LOS110"] * 2,
        "LOS115",
    ]
    (record,) = open_dataset(tmp_path / "out")
    assert record.splits == ("x",)
    assert [(label.category, label.score) for label in record.labels] == [("a", 0.5)]
    with pytest.raises(FormatError, match="a control character"):
        fit_header(Header(categories=(Category(name="a\0"),)), FORMAT)
    target, _ = fit_header(HEADER, FORMAT)
    with pytest.raises(ValueError, match="a control character in the image's path"):
        fit(record_of(name="a\1.jpg"), target)


def test_images_keep_their_ids_and_new_ones_get_the_first_that_are_free(tmp_path: Path) -> None:
    records = list(open_dataset(task(tmp_path / "set")))
    again = records[1].model_copy(update={"image": Image(path="again.jpg", width=20, height=10)})
    header = open_dataset(tmp_path / "set").header
    new = [record_of(name=f"{k}.jpg") for k in range(3)]
    written(tmp_path / "out", [new[0], *records, again, *new[1:]], header)
    images = ElementTree.fromstring(bytes_of(tmp_path / "out")).findall("image")
    assert [(image.get("id"), image.get("name")) for image in images] == [
        ("0", "0.jpg"),
        ("7", "folder/file name 000.jpg"),
        ("3", "a.jpg"),
        ("1", "again.jpg"),  # whose id 3 is taken
        ("2", "1.jpg"),
        ("4", "2.jpg"),
    ]


def test_new_files_with_subsets_are_those_of_a_project(tmp_path: Path) -> None:
    written(tmp_path / "out", [record_of(splits=("val",)), record_of(name="b.jpg", splits=("train",))])
    root = ElementTree.fromstring(bytes_of(tmp_path / "out"))
    assert [item.text for item in root.findall("meta/project/tasks/task/subset")] == ["train", "val"]
    assert [item.text for item in root.findall("meta/project/labels/label/name")] == ["a", "b & <c>"]
    assert root.findtext("meta/project/labels/label[2]/color") == "#0102ff"


@pytest.mark.parametrize(
    "strange",
    [
        "<image",
        "<a/>",
        7,
        None,
        "<image id='1'><box/></image>",
        "\ud800",
        "</annotations>",
        "</gap><gap>",
        "\0",
    ],
)
def test_a_carrier_that_says_anything_writes_no_broken_file(strange: object, tmp_path: Path) -> None:
    header = HEADER.model_copy(
        update={"raw": {"cvat": {"head": TASK[: TASK.index("  <image")], "tail": strange}}}
    )
    item = BoundingBox(category="a", box=Box(1, 2, 3, 4), raw={"cvat": {"index": "x"}})
    written(tmp_path / "a", [record_of(item, raw={"cvat": {"xml": strange, "gap": strange}})], header)
    written(tmp_path / "b", [record_of(item)], header.model_copy(update={"raw": {"cvat": {"head": strange}}}))
    for root in (tmp_path / "a", tmp_path / "b"):
        (record,) = open_dataset(root)
        assert record.objects[0].box == Box(1, 2, 3, 4)


# --- what is refused ---------------------------------------------------------------------------------------

BOX = '<box label="car" occluded="0" xtl="1" ytl="2" xbr="3" ybr="4">{}</box>'
RUNS = '<mask label="car" occluded="0" rle="{}" left="{}" top="0" width="{}" height="1"/>'


def attributes(*pairs: str) -> str:
    return BOX.format("".join(f"<attribute {name}</attribute>" for name in pairs))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (BOX.replace('xtl="1"', 'xtl="one"'), "box 1 xtl: 'one'; expected a number of pixels"),
        (BOX + BOX.replace('ybr="4"', ""), "box 2 ybr: no ybr; expected a number of pixels"),
        (BOX.replace('xtl="1"', 'xtl="1e999"'), "box 1 xtl: corners 1e999"),
        (BOX.replace('xtl="1"', 'xtl="nan"'), "box 1 xtl: 'nan'"),
        (
            BOX.replace('"car"', '"dog"'),
            "box 1 label: unknown label 'dog'; expected one of the labels in <meta>",
        ),
        (BOX.replace('label="car"', ""), "box 1 label: no label"),
        (BOX.replace('label="car"', 'label=""'), "box 1 label: an empty name"),
        (BOX.replace('"0"', '"yes"'), "box 1 occluded: 'yes'; expected 0 or 1"),
        (BOX.replace("xtl", 'rotation="flat" xtl'), "box 1 rotation: 'flat'; expected degrees"),
        (BOX.replace("xtl", 'rotation="9e999" xtl'), "box 1 rotation: '9e999'"),
        ('<polygon label="car" points="1,2;3"/>', "polygon 1 points: '1,2;3'; expected x,y;x,y;…"),
        ('<polygon label="car" points=""/>', "polygon 1 points: ''"),
        ('<polygon label="car" points="1,2;3,1e999"/>', "polygon 1 points: a number that is too large"),
        ('<polygon label="car"/>', "polygon 1 points: no points"),
        (RUNS.format("1, 2", 0, 4), "mask 1 rle: runs add up to 3; expected 4 x 1 = 4 pixels"),
        (RUNS.format("999999999999", 0, 4), "mask 1 rle: runs add up to 999999999999"),
        (RUNS.format("1, -2, 5", 0, 4), "mask 1 rle: '1, -2, 5'; expected whole numbers"),
        (
            RUNS.format("1, 3", 17, 4),
            "mask 1 rle: a window 4 x 1 at 17, 0; expected one inside the image, 20 x 10",
        ),
        (RUNS.format("1, 3", -1, 4), "mask 1 left: '-1'; expected a whole number of pixels from 0 on"),
        (RUNS.format("1, 3", 0, "4.0"), "mask 1 width: '4.0'"),
        ('<mask label="car" left="0" top="0" width="1" height="1"/>', "mask 1 rle: no rle"),
        ('<tag label="dog"/>', "tag 1 label: unknown label 'dog'"),
        (attributes('name="a">1', 'name="a">2'), "box 1 attribute: 'a' twice"),
        (attributes('name="score">x', 'name="attributes.score">y'), "box 1 attribute: 'score' twice"),
        (attributes(">1"), "box 1 attribute: no name"),
        (attributes('name="run">r', 'name="model">m', 'name="model_score">ok'), "box 1 model_score: 'ok'"),
        (
            '<mask label="car" rle="1" left="0" top="0" width="1" height="1" z_order="top">'
            '<attribute name="map">semantic</attribute></mask>',
            "mask 1 z_order: 'top'; expected a whole number",
        ),
    ],
)
def test_a_broken_image_is_told_with_its_place_and_hides_no_other(
    body: str, words: str, tmp_path: Path
) -> None:
    image = f'<image id="9" name="a.jpg" width="20" height="10">\n{body.replace("{}", "")}</image>'
    text = TASK.replace("<image id=\"3\" name=\"a.jpg\" width=\"20\" height=\"10\"/>", image)  # fmt: skip
    text = text.replace(
        "</annotations>", '<image id="10" name="z.jpg" width="20" height="10"/></annotations>'
    )
    root = task(tmp_path / "set", text)
    _, _, broken, last = items_of(root)
    assert isinstance(broken, RecordError)
    assert isinstance(last, Record)
    line = 1 + text[: text.index(image)].count("\n") + 1
    assert str(broken).startswith(f"{root / 'annotations.xml'}:{line}: image 'a.jpg' {words}")
    assert broken.at is not None
    assert (broken.at.file, broken.at.line, broken.at.image) == ("annotations.xml", line, "a.jpg")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ('<image id="1" width="2" height="2"/>', "image name: no name; expected the image's file"),
        (
            '<image id="1" name="../a" width="2" height="2"/>',
            "name: the file name '../a' is absolute or leaves",
        ),
        ('<image id="1" name="q" width="-2" height="2"/>', "image 'q' width: '-2'; expected a whole number"),
        ('<image id="1" name="a.jpg" width="2" height="2"/>', "name: an image of this name stands before it"),
        (
            '<image name="q"><mask label="car" rle="1" left="0" top="0" width="1" height="1"/></image>',
            "image 'q' mask 1 rle: a mask in an image of unknown size",
        ),
        (
            '<image name="q"><polygon label="car" points="1,1"><attribute name="map">semantic</attribute>'
            "</polygon></image>",
            "polygon 1 map: a map of an image of unknown size",
        ),
        (
            '<image id="1" name="q" width="4000000000" height="4000000000">'
            '<mask label="car" rle="1" left="0" top="0" width="1" height="1"/></image>',
            "image 'q' mask 1 rle: 4000000000 x 4000000000 pixels; the limit is",
        ),
    ],
)
def test_a_broken_start_of_an_image_hides_no_other(start: str, words: str, tmp_path: Path) -> None:
    text = TASK.replace("</annotations>", f"  {start}\n</annotations>")
    *_, last = items_of(task(tmp_path / "set", text))
    assert isinstance(last, RecordError)
    assert words in str(last)
    assert sum(isinstance(item, Record) for item in items_of(tmp_path / "set")) == 2


@pytest.mark.parametrize(
    ("change", "words", "code"),
    [
        (
            lambda text: text.replace("</meta>", "</meto>"),
            "xml:57: not well-formed XML (mismatched tag",
            "STR101",
        ),
        (lambda text: text[:-30], "not well-formed XML (unclosed token", "STR101"),
        (lambda text: "", "not well-formed XML (no element found", "STR101"),
        (
            lambda text: text.replace("<annotations>", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotations>"),
            "xml:2: a DTD, which may define entities; expected none; remove the DOCTYPE",
            "STR107",
        ),
        (lambda text: text.replace("admin", "&admin;"), "not well-formed XML (undefined entity", "STR101"),
        (
            lambda text: text.replace("</meta>", '</meta><track id="0" label="car"></track>'),
            "xml:57: a <track>: annotations of a video; expected CVAT for images; export it as",
            "",
        ),
        (
            lambda text: text.replace("annotations>", "annotation>"),
            "xml:2: <annotation>; expected <annotations>",
            "",
        ),
        (lambda text: text.replace("<name>plate<", "<name>car<"), "label 2: label 'car' twice", "CAT101"),
        (lambda text: text.replace("<name>plate<", "<name><"), "label 1: a label without a name", "CAT102"),
    ],
)
def test_a_file_that_is_no_export_is_refused(
    change: Callable[[str], str], words: str, code: str, tmp_path: Path
) -> None:
    root = task(tmp_path / "set", change(TASK))
    with pytest.raises(FormatError) as caught:
        open_dataset(root, format="cvat")
    assert words in str(caught.value)
    assert caught.value.code == code


def test_labels_and_maps_say_who_made_them(tmp_path: Path) -> None:
    source = Provenance(run="r", model="m", score=0.5, status="accepted")
    label = ImageLabel(category="a", score=0.25, provenance=source)
    layer = Layer(value=1, mask=Mask.of(Polygons([[[1.0, 1, 9, 1, 9, 9]]])))
    semantic = SemanticMap(
        source=Layers(height=10, width=20, layers=(layer,)), classes={1: "a"}, provenance=source
    )
    maps = {"semantic": semantic, "panoptic": semantic.model_copy(update={"provenance": None})}
    written(tmp_path / "out", [record_of(labels=(label,), maps=maps)])
    (record,) = open_dataset(tmp_path / "out")
    assert [(each.score, each.provenance) for each in record.labels] == [(0.25, source)]
    assert {name: item.provenance for name, item in record.maps.items()} == {  # type: ignore[union-attr]
        "semantic": source,
        "panoptic": None,
    }


def test_a_tag_keeps_what_the_user_says_of_it(tmp_path: Path) -> None:
    own = '<tag label="good_frame" source="manual">\n      <attribute name="model">new</attribute>'
    text = TASK.replace('<tag label="good_frame" source="manual">', own)

    def predicted(record: Record) -> Record:
        source = Provenance(run="r", model="m")
        label = record.labels[0].model_copy(update={"score": 0.5, "provenance": source})
        return record.model_copy(update={"labels": (label,)})

    made = changed(task(tmp_path / "set", text), tmp_path / "out", predicted)
    tag = ElementTree.fromstring(made).find(".//tag")
    assert tag is not None
    assert tag.get("source") == "auto"
    assert {each.get("name"): each.text for each in tag} == {
        "attributes.model": "new",
        "score": "0.5",
        "run": "r",
        "model": "m",
        "status": "pending",
    }


def test_the_labels_are_there_as_cvat_takes_them(tmp_path: Path) -> None:
    item = BoundingBox(category="b & <c>", box=Box(1, 2, 3, 4), uid="u", attributes={"hue": "red"})
    written(tmp_path / "out", [record_of(item)])
    text = {"input_type": "text", "mutable": False, "values": [""], "default_value": ""}
    assert json.loads((tmp_path / "out/labels.json").read_text("utf-8")) == [
        {"name": "a", "type": "any", "attributes": [{"name": "uid", **text}]},
        {
            "name": "b & <c>",
            "color": "#0102ff",
            "type": "any",
            "attributes": [{"name": "uid", **text}, {"name": "hue", **text}],
        },
    ]
    convert(task(tmp_path / "set"), tmp_path / "again", to="cvat")
    plate, *others = json.loads((tmp_path / "again/labels.json").read_text("utf-8"))
    assert plate["attributes"] == [
        {
            "name": "model",
            "input_type": "select",
            "mutable": False,
            "values": ["old", "new"],
            "default_value": "old",
        }
    ]
    assert [each["name"] for each in others] == ["car", "good_frame"]  # and no skeleton


# --- what stands before the images -------------------------------------------------------------------------

CAR, FRAME = (
    TASK[TASK.index(f"        <label>\n          <name>{start}") : TASK.index(stop)]
    for start, stop in (("car", "        <label>\n          <name>s1"), ("good_frame", "      </labels>"))
)


def head_of(native: str, header: Header, needed: Declared | None = None) -> str:
    """What a native head becomes for another header."""
    head = native[: native.index("\n  <image")]
    made = head_bytes(header, head, needed or Declared(), []).decode()
    parse(made.encode() + b"</annotations>")
    return made + native[native.index("\n  <image") :]


def labelled(*categories: Category) -> Header:
    return Header(categories=categories, raw={"cvat": {}})


PLATE_SAYS, CAR_SAYS = Category(name="plate", colour=(0xFA, 0x32, 0x53)), Category(name="car")
OTHERS = (Category(name="s1"), Category(name="good_frame"))


def test_labels_that_say_the_same_stay_as_they_are_and_new_ones_come_last() -> None:
    assert head_of(TASK, labelled(PLATE_SAYS, CAR_SAYS, *OTHERS)) == TASK
    new = "        <label>\n          <name>bus</name>\n          <color>#0000ff</color>\n"
    new += "          <type>any</type>\n          <attributes>\n          </attributes>\n        </label>\n"
    added = head_of(TASK, labelled(PLATE_SAYS, CAR_SAYS, *OTHERS, Category(name="bus", colour=(0, 0, 255))))
    assert added == TASK.replace(FRAME, FRAME + new)


def test_a_label_that_goes_takes_nothing_with_it_and_points_of_skeletons_stay() -> None:
    fewer = head_of(TASK, labelled(PLATE_SAYS, *OTHERS))
    assert "<parent>s1</parent>" in fewer
    names = [each.text for each in ElementTree.fromstring(fewer).findall(".//labels/label/name")]
    assert sorted(map(str, names)) == ["car", "good_frame", "plate", "s1"]  # the point is called car, too


@pytest.mark.parametrize(
    ("category", "old", "new"),
    [
        (Category(name="plate", colour=(1, 2, 3)), "#fa3253", "#010203"),
        (Category(name="plate"), "\n          <color>#fa3253</color>", ""),
    ],
)
def test_a_colour_is_changed_where_it_stands(category: Category, old: str, new: str) -> None:
    assert head_of(TASK, labelled(category, CAR_SAYS, *OTHERS)) == TASK.replace(old, new)


def test_a_colour_that_is_new_stands_behind_the_name() -> None:
    car = Category(name="car", colour=(255, 0, 0))
    colour = CAR.replace("</name>", "</name>\n          <color>#ff0000</color>")
    assert head_of(TASK, labelled(PLATE_SAYS, car, *OTHERS)) == TASK.replace(CAR, colour)


@pytest.mark.parametrize(
    ("labels", "declared"),
    [
        ("<label><name>a</name><attributes></attributes></label>", 1),
        ("<label><name>a</name><attributes/></label>", 1),
        ("<label><name>a</name></label>", 1),
        ("<label><name>a</name><attributes><attribute><name>uid</name></attribute></attributes></label>", 0),
        ("", 1),
        (None, 1),
    ],
)
@pytest.mark.parametrize("around", ["<meta><task>{}</task></meta>", "<meta>{}</meta>", "{}", "<meta/>{}"])
def test_attributes_are_declared_in_whatever_head_there_is(
    labels: str | None, declared: int, around: str
) -> None:
    inner = "" if labels is None else f"<labels>{labels}</labels>" if labels else "<labels/>"
    if labels is not None and "{}</" not in around:
        return  # labels stand in a meta
    native = f"<annotations>{around.format(inner)}\n  <image/></annotations>"
    made = ElementTree.fromstring(
        head_of(native, labelled(Category(name="a")), Declared(shared={"uid": None}))
    )
    (label,) = made.findall(".//labels/label")
    assert label.findtext("name") == "a"
    (attribute,) = label.findall("attributes/attribute")
    assert attribute.findtext("name") == "uid"
    assert (attribute.findtext("input_type") == "text") == bool(declared)


def test_a_subset_leads_to_no_folder_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    Pillow.new("L", (20, 10)).save(tmp_path / "secret/a.jpg")
    text = TASK.replace('name="a.jpg"', 'name="a.jpg" subset="../../secret"')
    root = task(tmp_path / "set", text)
    (root / "images").mkdir()
    dataset = open_dataset(root)
    assert dataset.image_file(list(dataset)[1]) is None
    with pytest.raises(BadRecordsError) as caught:
        convert(root, tmp_path / "out", to="coco")
    assert [str(each) for each in caught.value.errors] == [
        f"{root}:a.jpg: the file name '../../secret' is absolute or leaves its folder; "
        "expected names that stay in their folder"
    ]

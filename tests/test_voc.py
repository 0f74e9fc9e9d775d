"""Pascal VOC, read and written: files as VOC's own tools made them, every malformed input, and the laws.

The texts of the made devkit follow files of VOC2012 (2007_000027, 2011_003353, 2010_006215): their element
orders, their float box, their parts outside of boxes, their lists.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree
from zlib import crc32

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from labelkit import convert, open_dataset
from labelkit.errors import DestinationError, FormatError, RecordError
from labelkit.findings import Finding
from labelkit.formats._corners import box_from_texts, box_texts
from labelkit.formats.voc import FORMAT
from labelkit.formats.voc.corners import BaseEvidence, reads_as_zero
from labelkit.formats.voc.names import OFFICIAL, colormap, parse_labelmap, quote, unquote
from labelkit.geometry import rle
from labelkit.loss import Fitted, fit, fit_header
from labelkit.model import (
    BoundingBox,
    Box,
    Category,
    Cell,
    Header,
    Image,
    ImageLabel,
    Instance,
    InstanceMap,
    Layer,
    Layers,
    Mask,
    Part,
    Png,
    Polygons,
    Record,
    Rle,
    SemanticMap,
)
from labelkit.pixels import map_pixels, mask_runs
from labelkit.visible import same, visible_header

SAMPLE = Path(__file__).parents[1] / "sample_data"

# --- a devkit with one of everything ----------------------------------------------------------------------

OLD = """<annotation>
	<folder>VOC2012</folder>
	<filename>2007_000027.jpg</filename>
	<source>
		<database>The VOC2007 Database</database>
	</source>
	<size>
		<width>48</width>
		<height>50</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>
	<object>
		<name>person</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>17</xmin>
			<ymin>10</ymin>
			<xmax>34</xmax>
			<ymax>35</ymax>
		</bndbox>
		<part>
			<name>head</name>
			<bndbox>
				<xmin>16</xmin>
				<ymin>10</ymin>
				<xmax>22</xmax>
				<ymax>14</ymax>
			</bndbox>
		</part>
		<part>
			<name>foot</name>
			<bndbox>
				<xmin>27</xmin>
				<ymin>33</ymin>
				<xmax>29</xmax>
				<ymax>36</ymax>
			</bndbox>
		</part>
	</object>
</annotation>
"""
MODERN = """<annotation>
	<folder>VOC2012</folder>
	<filename>2008_000002.jpg</filename>
	<source>
		<database>The VOC2008 Database</database>
		<annotation>PASCAL VOC2008</annotation>
		<image>flickr</image>
	</source>
	<size>
		<width>12</width>
		<height>10</height>
		<depth>3</depth>
	</size>
	<segmented>1</segmented>
	<object>
		<name>dog</name>
		<pose>Left</pose>
		<truncated>1</truncated>
		<occluded>True</occluded>
		<bndbox>
			<xmin>1</xmin>
			<ymin>2</ymin>
			<xmax>6</xmax>
			<ymax>8</ymax>
		</bndbox>
		<difficult>0</difficult>
	</object>
	<object>
		<name>cat</name>
		<pose></pose>
		<truncated>0</truncated>
		<occluded> 1 </occluded>
		<bndbox>
			<xmin>7</xmin>
			<ymin>3</ymin>
			<xmax>12</xmax>
			<ymax>9</ymax>
		</bndbox>
		<difficult>1</difficult>
	</object>
	<object>
		<name>dog</name>
		<bndbox>
			<xmin>2</xmin>
			<ymin>2</ymin>
			<xmax>3</xmax>
			<ymax>3</ymax>
		</bndbox>
		<difficult>1</difficult>
	</object>
</annotation>
"""
ALPHABETICAL = """<annotation>
	<filename>2011_003353.jpg</filename>
	<folder>VOC2012</folder>
	<object>
		<actions>
			<jumping>0</jumping>
			<walking>1</walking>
		</actions>
		<bndbox>
			<xmax>39</xmax>
			<xmin>14.5</xmin>
			<ymax>48</ymax>
			<ymin>45.70000076293945</ymin>
		</bndbox>
		<difficult>0</difficult>
		<name>person</name>
		<point>
			<x>20</x>
			<y>46</y>
		</point>
		<pose>Unspecified</pose>
	</object>
	<segmented>0</segmented>
	<size>
		<depth>3</depth>
		<height>50</height>
		<width>39</width>
	</size>
	<source>
		<annotation>PASCAL VOC2011</annotation>
		<database>The VOC2011 Database</database>
		<image>flickr</image>
	</source>
</annotation>
"""
LISTS = {
    "Main/train": ["2008_000002", "2007_000027", "2011_003353"],
    "Main/trainval": ["2008_000002", "2007_000027", "2011_003353", "2009_000001"],
    "Main/dog_train": ["2008_000002  1", "2007_000027 -1", "2011_003353 -1"],
    "Main/cat_train": ["2008_000002  0", "2007_000027 -1", "2011_003353  1"],
    "Main/dog_trainval": ["2008_000002  1", "2007_000027 -1", "2011_003353 -1", "2009_000001  0"],
    "Main/person_trainval": ["2008_000002 -1", "2007_000027  1", "2011_003353  1", "2009_000001 -1"],
    "Segmentation/train": ["2008_000002"],
    "Layout/train": ["2007_000027 1"],
    "Action/jumping_train": ["2011_003353 1 -1"],
}


def class_pixels() -> np.ndarray:
    """Dog on the left, cat on the right, void around, background above."""
    pixels = np.zeros((10, 12), np.uint8)
    pixels[1:8, 0:6] = 255
    pixels[2:7, 1:5] = OFFICIAL.index("dog") + 1
    pixels[3:9, 7:12] = OFFICIAL.index("cat") + 1
    return pixels


def object_pixels() -> np.ndarray:
    """The dog is object 1, the cat object 2; object 3 has no pixels."""
    pixels = class_pixels()
    pixels[pixels == OFFICIAL.index("dog") + 1] = 1
    pixels[pixels == OFFICIAL.index("cat") + 1] = 2
    return pixels


def save_p(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Pillow.fromarray(pixels)
    image.putpalette(np.array(colormap(), np.uint8).tobytes())
    image.save(path)


def save_rgb(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.array(colormap(), np.uint8)[pixels]).save(path)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def make_devkit(root: Path, save: Callable[[Path, np.ndarray], None] = save_p) -> Path:
    """VOCdevkit/VOC2012 below root."""
    home = root / "VOCdevkit" / "VOC2012"
    for id_, text in {"2007_000027": OLD, "2008_000002": MODERN, "2011_003353": ALPHABETICAL}.items():
        put(home / "Annotations" / f"{id_}.xml", text)
    for name, lines in LISTS.items():
        put(home / "ImageSets" / f"{name}.txt", "".join(f"{line}\n" for line in lines))
    save(home / "SegmentationClass" / "2008_000002.png", class_pixels())
    save(home / "SegmentationObject" / "2008_000002.png", object_pixels())
    (home / "JPEGImages").mkdir()
    for id_ in ("2007_000027", "2008_000002", "2011_003353", "2009_000001"):
        Pillow.new("RGB", (12, 10)).save(home / "JPEGImages" / f"{id_}.jpg")
    return home


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    return make_devkit(tmp_path / "source")


# --- helpers ----------------------------------------------------------------------------------------------


def items(path: Path, **options: Any) -> list[Record | RecordError | Finding]:
    reader = FORMAT.open(path, **options)
    return [item for part in reader.parts() for item in reader.read(part)]


def records(path: Path, **options: Any) -> dict[str, Record]:
    found = items(path, **options)
    assert not [item for item in found if isinstance(item, RecordError)]
    return {item.image.path: item for item in found if isinstance(item, Record)}


def only_error(path: Path) -> RecordError:
    errors = [item for item in items(path) if isinstance(item, RecordError)]
    assert len(errors) == 1, errors
    return errors[0]


def write(
    root: Path, header: Header, given_records: Iterable[Record], **options: Any
) -> tuple[list[Fitted], list[Finding]]:
    """Fit and write, two records a part, the parts backwards."""
    target, findings = fit_header(header, FORMAT, options)
    fitted = [fit(record, target, number) for number, record in enumerate(given_records)]
    root.mkdir(parents=True, exist_ok=True)
    writer = pickle.loads(pickle.dumps(FORMAT.create(root, target.header, **options)))
    for start in reversed(range(0, len(fitted), 2)):
        writer.write(start // 2, [item.record for item in fitted[start : start + 2]])
    writer.finish()
    return fitted, findings


def rewrite(source: Path, root: Path, **options: Any) -> Path:
    reader = FORMAT.open(source, **options)
    write(root, reader.header, records(source, **options).values())
    return root / "VOCdevkit" / "VOC2012"


def tree(root: Path) -> dict[str, bytes]:
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def assert_holds(header: Header, given_records: list[Record], root: Path, **options: Any) -> list[Fitted]:
    """The laws: fitting twice changes nothing, and what was fitted comes back the same."""
    fitted, _ = write(root, header, given_records, **options)
    target, _ = fit_header(header, FORMAT, options)
    for number, item in enumerate(fitted):
        again = fit(item.record, target, number)
        assert again.findings == []
        assert again.record == item.record
    header_again, findings = fit_header(target.header, FORMAT, options)
    assert findings == [] and header_again.header == target.header
    assert visible_header(FORMAT.open(root).header) == visible_header(target.header)
    back = records(root)
    assert list(back) == sorted(item.record.image.path for item in fitted)
    for item in fitted:
        assert same(back[item.record.image.path], item.record), (back[item.record.image.path], item.record)
    return fitted


def codes(fitted: Fitted) -> list[str]:
    return [finding.code for finding in fitted.findings]


def full(height: int, width: int, *windows: tuple[int, int, int, int]) -> Mask:
    """An RLE of windows: top, left, bottom, right."""
    pixels = np.zeros((height, width), bool)
    for top, left, bottom, right in windows:
        pixels[top:bottom, left:right] = True
    return Mask.of(Rle((height, width), rle.encode_text(rle.encode_mask(pixels))))


def header_of(*names: str) -> Header:
    return Header(categories=tuple(Category(name=name) for name in names))


def image(path: str = "a/b c.jpg", width: int | None = 12, height: int | None = 10) -> Image:
    return Image(path=path, width=width, height=height)


# --- reading ----------------------------------------------------------------------------------------------


def test_boxes_are_one_based_and_inclusive_in_all_three_element_orders(devkit: Path) -> None:
    found = records(devkit)
    assert [item.box for item in found["2007_000027.jpg"].objects] == [Box(16, 9, 18, 26)]
    assert [item.box for item in found["2008_000002.jpg"].objects] == [
        Box(0, 1, 6, 7),
        Box(6, 2, 6, 7),
        Box(1, 1, 2, 2),
    ]
    (action,) = found["2011_003353.jpg"].objects
    assert action.box == Box(
        13.5, 44.70000076293945, 25.5, float(Decimal("48") - Decimal("44.70000076293945"))
    )


def test_flags_are_true_for_a_trimmed_1_only_and_absent_ones_are_not_said(devkit: Path) -> None:
    dog, cat, small = records(devkit)["2008_000002.jpg"].objects
    assert (dog.truncated, dog.occluded, dog.difficult, dog.pose) == (True, False, False, "Left")
    assert (cat.truncated, cat.occluded, cat.difficult, cat.pose) == (False, True, True, "")
    assert (small.truncated, small.occluded, small.pose, small.parts) == (None, None, None, None)


def test_parts_may_leave_their_object(devkit: Path) -> None:
    (person,) = records(devkit)["2007_000027.jpg"].objects
    assert person.parts is not None
    assert [(part.name, part.box) for part in person.parts] == [
        ("head", Box(15, 9, 7, 5)),
        ("foot", Box(26, 32, 3, 4)),
    ]


def test_splits_come_from_main_segmentation_and_layout_but_not_from_class_lists(devkit: Path) -> None:
    found = records(devkit)
    assert found["2008_000002.jpg"].splits == ("train", "trainval")
    assert found["2009_000001.jpg"].splits == ("trainval",)


def test_only_values_that_the_xml_does_not_imply_are_labels(devkit: Path) -> None:
    found = records(devkit)
    assert found["2008_000002.jpg"].labels == ()
    assert found["2011_003353.jpg"].labels == (ImageLabel(category="cat"),)
    # Without an annotation nothing is implied, so that every value is a label.
    assert found["2009_000001.jpg"].labels == (
        ImageLabel(category="dog", state="uncertain"),
        ImageLabel(category="person", state="absent"),
    )


@pytest.mark.parametrize("save", [save_p, save_rgb])
def test_pngs_of_indices_and_of_colours_say_the_same(
    tmp_path: Path, save: Callable[[Path, np.ndarray], None]
) -> None:
    record = records(make_devkit(tmp_path, save))["2008_000002.jpg"]
    assert np.array_equal(map_pixels(record.maps["semantic"]), class_pixels())
    assert np.array_equal(map_pixels(record.maps["objects"]), object_pixels())
    assert [item.kind for item in record.objects] == ["instance", "instance", "box"]
    dog = record.objects[0]
    assert dog.kind == "instance" and dog.mask.shape == Cell("objects", 1) and dog.box == Box(0, 1, 6, 7)
    assert rle.area(mask_runs(record, dog.mask)) == 20


def test_any_upper_folder_of_the_devkit_may_be_named(devkit: Path) -> None:
    for path in (devkit, devkit.parent, devkit.parent.parent):
        assert len(records(path)) == 4
        assert FORMAT.detect(path).strength == 2


def test_several_years_are_refused_by_name(devkit: Path) -> None:
    put(devkit.parent / "VOC2007" / "Annotations" / "a.xml", OLD)
    with pytest.raises(FormatError, match="VOC2007, VOC2012"):
        FORMAT.open(devkit.parent)


def test_a_bare_folder_finds_its_images_beside_it(corpus: Path) -> None:
    home = corpus / "voc-fridge" / "samples" / "fridge" / "odFridgeObjects"
    for path in (home, home / "annotations"):
        reader = FORMAT.open(path)
        found = [item for part in reader.parts() for item in reader.read(part)]
        assert len(found) == 6
        for record in found:
            assert isinstance(record, Record)
            file = reader.image_file(record)
            assert file is not None and file.name == record.image.path
        assert [category.name for category in reader.header.categories] == [
            "can",
            "carton",
            "milk_bottle",
            "water_bottle",
        ]
        assert [note.code for note in reader.notes] == ["NOTE01"]
        assert FORMAT.detect(path).strength == 2


def test_other_folders_are_not_voc(tmp_path: Path) -> None:
    assert FORMAT.detect(tmp_path).strength == 0
    put(tmp_path / "annotations" / "instances.json", "{}")
    assert FORMAT.detect(tmp_path).strength == 0
    put(tmp_path / "x.xml", "<svg></svg>")
    assert FORMAT.detect(tmp_path).strength == 0
    assert FORMAT.detect(tmp_path / "x.xml").strength == 0


def test_a_reader_pickles_small_and_reads_the_same(devkit: Path) -> None:
    reader = FORMAT.open(devkit)
    data = pickle.dumps(reader)
    assert len(data) < 5000
    again = pickle.loads(data)
    assert [list(again.read(part)) for part in again.parts()] == [
        list(reader.read(part)) for part in reader.parts()
    ]


def test_ids_keep_their_folders_and_spaces(tmp_path: Path) -> None:
    put(tmp_path / "Annotations" / "a" / "one two.xml", OLD)
    put(tmp_path / "ImageSets" / "Main" / "train.txt", "a/one two\nb/three four\n")
    put(tmp_path / "ImageSets" / "Main" / "cat_train.txt", "a/one two -1\nb/three four  1\n")
    found = records(tmp_path)
    assert list(found) == ["a/one two.jpg", "b/three four.jpg"]
    assert found["b/three four.jpg"].labels == (ImageLabel(category="cat"),)
    assert found["a/one two.jpg"].splits == found["b/three four.jpg"].splits == ("train",)


def test_a_class_with_an_underscore_is_told_from_its_set_by_the_sets_there_are(tmp_path: Path) -> None:
    put(tmp_path / "ImageSets" / "Main" / "my_train.txt", "1\n")
    put(tmp_path / "ImageSets" / "Main" / "train.txt", "1\n")
    put(tmp_path / "ImageSets" / "Main" / "traffic_light_train.txt", "1 1\n")
    assert [category.name for category in FORMAT.open(tmp_path).header.categories] == ["traffic_light"]
    (record,) = records(tmp_path).values()
    assert record.splits == ("my_train", "train")
    assert record.labels == (ImageLabel(category="traffic_light"),)


def test_size_comes_from_the_image_where_the_xml_says_0(tmp_path: Path) -> None:
    text = OLD.replace("<width>48</width>", "<width>0</width>").replace("<height>50<", "<height>0<")
    put(tmp_path / "Annotations" / "2007_000027.xml", text)
    assert records(tmp_path)["2007_000027.jpg"].image == Image(path="2007_000027.jpg")
    (tmp_path / "JPEGImages").mkdir()
    Pillow.new("RGB", (48, 50)).save(tmp_path / "JPEGImages" / "2007_000027.jpg")
    assert records(tmp_path)["2007_000027.jpg"].image == Image(path="2007_000027.jpg", width=48, height=50)


def test_labelmap_gives_the_order_and_colours_that_are_not_the_official_ones(tmp_path: Path) -> None:
    put(tmp_path / "Annotations" / "2007_000027.xml", OLD)
    text = "# label\nbackground:0,0,0::\nsky:128,0,0::\nperson:1,2,3:head,foot:walking\n"
    put(tmp_path / "labelmap.txt", text)
    assert FORMAT.open(tmp_path).header.categories == (
        Category(name="sky"),
        Category(name="person", colour=(1, 2, 3)),
    )


def test_the_colormap_is_the_official_one() -> None:
    # The devkit's VOClabelcolormap, and the colours that its paper and web page show.
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 15: (192, 128, 128), 20: (0, 64, 128)}
    assert {index: colormap()[index] for index in known} == known
    assert colormap()[255] == (224, 224, 192)


# --- base -------------------------------------------------------------------------------------------------


def based(root: Path, *corners: str, width: int = 48) -> Path:
    for number, numbers in enumerate(corners):
        text = OLD
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), numbers.split(), strict=True):
            text = re.sub(f"<{tag}>[^<]*<", f"<{tag}>{value}<", text, count=1)
        put(root / "Annotations" / f"{number}.xml", text.replace(">48<", f">{width}<"))
    return root


def test_one_zero_in_the_whole_set_makes_it_base_0(tmp_path: Path) -> None:
    reader = FORMAT.open(based(tmp_path, "3 3 5 5", "0 3 48 5"))
    assert reader.notes == ()
    assert [item.objects[0].box for item in records(tmp_path).values()] == [Box(3, 3, 2, 2), Box(0, 3, 48, 2)]


def test_a_box_that_ends_at_the_edge_makes_it_base_1_without_a_note(tmp_path: Path) -> None:
    reader = FORMAT.open(based(tmp_path, "3 3 48 5"))
    assert reader.notes == ()
    assert records(tmp_path)["0.jpg"].objects[0].box == Box(2, 2, 46, 3)


def test_without_evidence_base_1_is_assumed_and_told_unless_it_is_given(tmp_path: Path) -> None:
    based(tmp_path, "3 3 5 5")
    (note,) = FORMAT.open(tmp_path).notes
    assert note.code == "NOTE01" and "--voc-base 0" in note.message
    assert records(tmp_path)["0.jpg"].objects[0].box == Box(2, 2, 3, 3)
    assert FORMAT.open(tmp_path, base="0").notes == ()
    assert records(tmp_path, base="0")["0.jpg"].objects[0].box == Box(3, 3, 2, 2)


@pytest.mark.parametrize("base", ["0", "1"])
@pytest.mark.parametrize("corners", ["3 3 5 5", "0 3 48 5", "3 3 48 5"])
def test_a_set_is_written_in_its_base_and_read_back_in_it(tmp_path: Path, base: str, corners: str) -> None:
    source = based(tmp_path / "source", corners)
    home = rewrite(source, tmp_path / "out", base=base)
    assert (home / "Annotations" / "0.xml").read_bytes() == (source / "Annotations" / "0.xml").read_bytes()
    assert records(home)["0.jpg"].objects[0].box == records(source, base=base)["0.jpg"].objects[0].box


def test_a_box_that_starts_left_of_the_image_does_not_turn_the_base(tmp_path: Path) -> None:
    record = Record(image=image("x.jpg"), objects=(BoundingBox(category="dog", box=Box(-1, 2, 3, 4)),))
    assert_holds(header_of("dog"), [record], tmp_path)
    assert (tmp_path / "VOCdevkit" / "VOC2012" / "box-base.txt").read_text() == "1\n"


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(box=st.builds(Box, finite, finite, finite, finite), base=st.sampled_from([0, 1]))
@example(box=Box(13.5, 44.70000076293945, 25.5, 3.29999923706055), base=1)
@example(box=Box(1.7976931348623157e308, 5e-324, 1.7976931348623157e308, -5e-324), base=1)
@example(box=Box(0.1, 0.2, 0.3, 1e22), base=1)
def test_every_float_box_comes_back_bit_by_bit(box: Box, base: Any) -> None:
    texts = box_texts(box, base)
    assert all(re.fullmatch(r"-?[0-9]+(\.[0-9]*[1-9])?", text) for text in texts)
    assert box_from_texts(texts, base) == box


@given(box=st.builds(Box, finite | st.integers(-2, 2).map(float), finite, finite, finite), base=st.booleans())
@example(box=Box(-5.551115123125783e-17, -9.0, 1.0, 1.0), base=True)
@example(box=Box(-9.0, 0.9999999999999999, 1.0, 1.0), base=False)
def test_a_written_box_speaks_for_base_0_if_its_texts_do(box: Box, base: Any) -> None:
    evidence = BaseEvidence()
    evidence.add(box_texts(box, int(base)), None, None)
    assert reads_as_zero(box, int(base)) == evidence.zero


def test_whole_numbers_are_written_without_a_fraction() -> None:
    assert box_texts(Box(0.0, 9.0, 10.0, 1.5), 1) == ("1", "10", "10", "10.5")


# --- there and back ---------------------------------------------------------------------------------------


def test_real_annotations_come_back_byte_for_byte(corpus: Path, tmp_path: Path) -> None:
    source = corpus / "voc-fridge" / "samples" / "fridge" / "odFridgeObjects"
    home = rewrite(source, tmp_path)
    before = {file.name: file.read_bytes() for file in (source / "annotations").iterdir()}
    assert {file.name: file.read_bytes() for file in (home / "Annotations").iterdir()} == before


def test_a_whole_devkit_comes_back_byte_for_byte(devkit: Path, tmp_path: Path) -> None:
    home = rewrite(devkit, tmp_path / "out")
    before = {name: data for name, data in tree(devkit).items() if not name.startswith("JPEGImages/")}
    assert tree(home) == before


def test_odd_lines_of_lists_come_back_as_they_were(tmp_path: Path) -> None:
    put(tmp_path / "in" / "Annotations" / "b.xml", OLD)
    put(tmp_path / "in" / "Annotations" / "a.xml", OLD)
    put(tmp_path / "in" / "ImageSets" / "Main" / "train.txt", "b \r\na\n")
    put(tmp_path / "in" / "ImageSets" / "Main" / "person_train.txt", "b\t1\na 1\n")
    home = rewrite(tmp_path / "in", tmp_path / "out")
    assert (home / "ImageSets" / "Main" / "train.txt").read_bytes() == b"b \r\na\n"
    assert (home / "ImageSets" / "Main" / "person_train.txt").read_bytes() == b"b\t1\na 1\n"


def test_only_the_changed_value_of_native_xml_changes(devkit: Path, tmp_path: Path) -> None:
    record = records(devkit)["2011_003353.jpg"]
    box = record.objects[0].box
    assert box is not None
    moved = record.objects[0].model_copy(update={"box": box._replace(x=15.5, w=23.5), "pose": "Left & Right"})
    changed = record.model_copy(update={"objects": (moved,)})
    write(tmp_path, FORMAT.open(devkit).header, [changed])
    text = (tmp_path / "VOCdevkit/VOC2012/Annotations/2011_003353.xml").read_text()
    expected = ALPHABETICAL.replace("<xmin>14.5<", "<xmin>16.5<").replace(
        ">Unspecified<", ">Left &amp; Right<"
    )
    assert text == expected


def test_deleted_added_and_reordered_objects_keep_what_the_others_say(devkit: Path, tmp_path: Path) -> None:
    record = records(devkit)["2007_000027.jpg"]
    person = record.objects[0].model_copy(update={"parts": record.objects[0].parts[1:], "truncated": None})  # type: ignore[index]
    new = BoundingBox(category="dog", box=Box(1, 2, 3, 4), occluded=True)
    changed = record.model_copy(update={"objects": (new, person)})
    assert_holds(FORMAT.open(devkit).header, [changed], tmp_path)
    text = (tmp_path / "VOCdevkit/VOC2012/Annotations/2007_000027.xml").read_text()
    assert "<database>The VOC2007 Database</database>" in text
    root = ElementTree.fromstring(text)
    assert [item.findtext("name") for item in root.iter("object")] == ["dog", "person"]
    assert [item.findtext("name") for item in root.iter("part")] == ["foot"]
    assert root.findall("object")[1].find("truncated") is None
    assert root.findall("object")[0].findtext("bndbox/xmin") == "2"
    # Its Layout line names the person, who is the second object now.
    assert (tmp_path / "VOCdevkit/VOC2012/ImageSets/Layout/train.txt").read_text() == "2007_000027 2\n"
    without = record.model_copy(update={"objects": ()})
    assert_holds(FORMAT.open(devkit).header, [without], tmp_path / "none")
    root = ElementTree.fromstring(
        (tmp_path / "none/VOCdevkit/VOC2012/Annotations/2007_000027.xml").read_text()
    )
    assert root.find("object") is None and root.findtext("size/depth") == "3"


def test_xml_of_one_line_and_of_other_line_breaks_stays_so(devkit: Path, tmp_path: Path) -> None:
    for name, text in {"flat": re.sub(r"\n\t*", "", OLD), "crlf": OLD.replace("\n", "\r\n")}.items():
        put(tmp_path / name / "Annotations" / "a.xml", text)
        (record,) = records(tmp_path / name).values()
        person = record.objects[0].model_copy(update={"occluded": True, "truncated": True})
        new = BoundingBox(category="dog", box=Box(1, 2, 3, 4))
        changed = record.model_copy(update={"objects": (person, new)})
        assert_holds(FORMAT.open(tmp_path / name).header, [changed], tmp_path / name / "out")
        out = (tmp_path / name / "out/VOCdevkit/VOC2012/Annotations/a.xml").read_bytes().decode()
        assert (name == "flat") == ("\n" not in out)
        assert out.count("\n") == out.count("\r\n")


def test_an_empty_native_annotation_is_replaced(tmp_path: Path) -> None:
    put(tmp_path / "in" / "Annotations" / "a.xml", "<annotation/>")
    (record,) = records(tmp_path / "in").values()
    changed = record.model_copy(update={"objects": (BoundingBox(category="dog", box=Box(1, 2, 3, 4)),)})
    assert_holds(FORMAT.open(tmp_path / "in").header, [changed], tmp_path / "out")


def test_masks_of_an_image_of_unknown_size_keep_their_own(tmp_path: Path) -> None:
    dog = Instance(category="dog", mask=full(10, 12, (0, 0, 2, 3)))
    assert_holds(header_of("dog"), [Record(image=image(width=None, height=None), objects=(dog,))], tmp_path)


def test_an_image_without_annotation_gets_none(devkit: Path, tmp_path: Path) -> None:
    home = rewrite(devkit, tmp_path)
    assert not (home / "Annotations" / "2009_000001.xml").exists()


def test_labelmaps_keep_their_parts_and_their_unofficial_order(tmp_path: Path) -> None:
    put(tmp_path / "in" / "Annotations" / "2007_000027.xml", OLD)
    text = "background:0,0,0::\nperson:1,2,3:head,foot:walking\naeroplane:::\n"
    put(tmp_path / "in" / "labelmap.txt", text)
    home = rewrite(tmp_path / "in", tmp_path / "out")
    assert (home / "labelmap.txt").read_text() == text


# --- what a record becomes --------------------------------------------------------------------------------


def matlab(text: str) -> dict[str, Any]:
    """VOCxml2struct of the devkit, step by step: no tabs and line breaks; it knows <a>, </a> and text."""
    text = re.sub(r"[\t\n\r]", "", text)
    position = 0

    def element() -> tuple[str, Any]:
        nonlocal position
        start = re.compile(r"<([^<>/?! ]+)>").match(text, position)
        assert start, text[position : position + 40]
        position = start.end()
        children: list[tuple[str, Any]] = []
        while text[position] == "<" and text[position + 1] != "/":
            children.append(element())
        end = text.index(f"</{start[1]}>", position)
        value: Any = text[position:end]
        position = end + len(start[1]) + 3
        return start[1], children or value

    return {"root": element()}


def test_new_xml_is_plain_enough_for_the_devkits_own_reader(tmp_path: Path) -> None:
    dog = BoundingBox(
        category="dog",
        box=Box(0, 1, 5, 5.5),
        pose="",
        truncated=True,
        occluded=False,
        difficult=False,
        parts=(Part(name="head", box=Box(1, 1, 2, 2)),),
    )
    cat = BoundingBox(category="cat", box=Box(2, 2, 3, 3))
    write(tmp_path, header_of("dog", "cat"), [Record(image=image(), objects=(dog, cat))])
    text = (tmp_path / "VOCdevkit/VOC2012/Annotations/a/b c.xml").read_text()
    assert matlab(text)["root"] == (
        "annotation",
        [
            ("folder", "VOC2012"),
            ("filename", "b c.jpg"),
            ("size", [("width", "12"), ("height", "10")]),
            ("segmented", "0"),
            (
                "object",
                [
                    ("name", "dog"),
                    ("pose", ""),
                    ("truncated", "1"),
                    ("occluded", "0"),
                    ("difficult", "0"),
                    ("bndbox", [("xmin", "1"), ("ymin", "2"), ("xmax", "5"), ("ymax", "6.5")]),
                    (
                        "part",
                        [
                            ("name", "head"),
                            ("bndbox", [("xmin", "2"), ("ymin", "2"), ("xmax", "3"), ("ymax", "3")]),
                        ],
                    ),
                ],
            ),
            (
                "object",
                [
                    ("name", "cat"),
                    ("bndbox", [("xmin", "3"), ("ymin", "3"), ("xmax", "5"), ("ymax", "5")]),
                ],
            ),
        ],
    )


def test_names_with_markup_are_escaped_and_come_back(tmp_path: Path) -> None:
    name = "a<b>&\"ü\" 'c'"
    record = Record(
        image=image("ü & x.png"),
        objects=(BoundingBox(category=name, box=Box(0, 0, 1, 1), pose="x\ry"),),
        splits=("a/b", ".hidden", "50%"),
    )
    assert_holds(header_of(name, "background", "x:y"), [record], tmp_path)


def test_masks_become_owners_of_pixels_smaller_ones_on_top(tmp_path: Path) -> None:
    small = Instance(category="cat", mask=full(10, 12, (0, 0, 2, 2)), box=Box(0, 0, 2, 2))
    large = Instance(category="dog", mask=full(10, 12, (0, 0, 5, 5)))
    crowd = Instance(category="cow", mask=full(10, 12, (1, 1, 3, 3)), box=Box(0, 0, 9, 9), crowd=True)
    record = Record(image=image(), objects=(small, large, crowd))
    (fitted,) = assert_holds(header_of("dog", "cat", "cow"), [record], tmp_path)
    pixels = map_pixels(fitted.record.maps["objects"])
    assert pixels[0, 0] == 1 and pixels[1, 1] == 1 and pixels[4, 4] == 2 and pixels[2, 2] == 2
    assert not (pixels == 3).any()
    # The crowd lies below, wholly hidden: it keeps its box.
    hidden = fitted.record.objects[2]
    assert hidden.kind == "box" and hidden.difficult is True and hidden.crowd is None
    assert fitted.record.objects[1].box == Box(0, 0, 5, 5)
    assert sorted(codes(fitted)) == ["LOS107", "LOS112", "LOS112", "LOS203", "LOS301", "LOS302"]
    losses = {finding.place: finding.message for finding in fitted.findings if finding.code == "LOS112"}
    assert losses["a/b c.jpg:object 2"].startswith("4 of 25 pixels")
    assert "0.8400" in losses["a/b c.jpg:object 2"]
    home = tmp_path / "VOCdevkit" / "VOC2012"
    with Pillow.open(home / "SegmentationObject/a/b c.png") as png:
        assert png.mode == "P" and np.array_equal(np.asarray(png), pixels)
        assert png.getpalette() == [number for colour in colormap() for number in colour]
    with Pillow.open(home / "SegmentationClass/a/b c.png") as png:
        classes = np.asarray(png)
    assert classes[0, 0] == OFFICIAL.index("cat") + 1 and classes[4, 4] == OFFICIAL.index("dog") + 1


def test_polygons_keep_their_pixels_and_lose_their_outline(tmp_path: Path) -> None:
    outline = Mask.of(Polygons([[[1.5, 1.0, 8.25, 2.0, 5.0, 9.0]]]))
    record = Record(image=image(), objects=(Instance(category="dog", mask=outline, box=Box(1, 1, 8, 8)),))
    (fitted,) = assert_holds(header_of("dog"), [record], tmp_path)
    assert codes(fitted) == ["LOS302", "LOS201"]
    (dog,) = fitted.record.objects
    assert dog.kind == "instance"
    assert np.array_equal(mask_runs(fitted.record, dog.mask), mask_runs(record, outline))


def test_an_instance_that_is_nowhere_goes_unless_it_has_a_box(tmp_path: Path) -> None:
    empty = full(10, 12)
    record = Record(
        image=image(),
        objects=(
            Instance(category="dog", mask=empty),
            Instance(category="cat", mask=empty, box=Box(1, 1, 2, 2)),
        ),
    )
    (fitted,) = assert_holds(header_of("dog", "cat"), [record], tmp_path)
    assert [(item.category, item.kind) for item in fitted.record.objects] == [("cat", "box")]
    assert fitted.origins == (1,)
    assert "LOS101" in codes(fitted) and "LOS107" in codes(fitted)


def test_objects_beyond_254_keep_their_box(tmp_path: Path) -> None:
    mask = [full(20, 20, (k // 20, k % 20, k // 20 + 1, k % 20 + 1)) for k in range(256)]
    objects = tuple(Instance(category="dog", mask=item) for item in mask)
    record = Record(image=image(width=20, height=20), objects=objects)
    (fitted,) = assert_holds(header_of("dog"), [record], tmp_path)
    assert [item.kind for item in fitted.record.objects[253:]] == ["instance", "box", "box"]
    assert codes(fitted).count("LOS107") == 2


def test_stuff_goes_into_the_class_map_below_the_things(tmp_path: Path) -> None:
    header = Header(categories=(Category(name="sky", thing=False), Category(name="dog", thing=True)))
    sky = Instance(category="sky", mask=full(10, 12, (0, 0, 6, 12)), box=Box(0, 0, 12, 6))
    dog = Instance(category="dog", mask=full(10, 12, (4, 0, 10, 12)), box=Box(0, 4, 12, 6))
    (fitted,) = assert_holds(header, [Record(image=image(), objects=(dog, sky))], tmp_path)
    assert [item.category for item in fitted.record.objects] == ["dog"]
    classes = map_pixels(fitted.record.maps["semantic"])
    assert (classes[:4] == 1).all() and (classes[4:] == 2).all()
    assert "LOS101" in codes(fitted)


def semantic(values: np.ndarray, classes: dict[int, str], ignore: int | None = None) -> SemanticMap:
    height, width = values.shape
    layers = tuple(
        Layer(value=value, mask=Mask.of(Rle((height, width), rle.encode_text(runs))))
        for value, runs in rle.from_labels(values).items()
        if value
    )
    return SemanticMap(
        source=Layers(height=height, width=width, layers=layers), classes=classes, ignore=ignore
    )


def test_class_maps_are_numbered_anew_and_keep_their_void(tmp_path: Path) -> None:
    values = np.zeros((10, 12), np.int32)
    values[:3], values[3:5], values[5:7], values[7:8] = 7, 300, 99, 12
    record = Record(image=image(), maps={"semantic": semantic(values, {7: "cat", 300: "dog", 12: "cat"}, 99)})
    (fitted,) = assert_holds(header_of("dog", "cat"), [record], tmp_path)
    pixels = map_pixels(fitted.record.maps["semantic"])
    cat, dog = OFFICIAL.index("cat") + 1, OFFICIAL.index("dog") + 1
    assert pixels[:, 0].tolist() == [cat] * 3 + [dog] * 2 + [255] * 2 + [cat] + [0] * 2
    assert codes(fitted) == []
    assert same(record, fitted.record)


def test_panoptic_segments_become_objects_and_classes(tmp_path: Path) -> None:
    values = np.zeros((10, 12), np.int32)
    values[:4], values[4:7, :6], values[4:7, 6:] = 70000, 300, 301
    panoptic = semantic(values, {70000: "sky", 300: "dog", 301: "dog"}, 0)
    header = Header(categories=(Category(name="sky", thing=False), Category(name="dog", thing=True)))
    objects = tuple(Instance(category="dog", mask=Mask.of(Cell("panoptic", value))) for value in (301, 300))
    record = Record(image=image(), objects=objects, maps={"panoptic": panoptic})
    (fitted,) = assert_holds(header, [record], tmp_path)
    assert set(fitted.record.maps) == {"semantic", "objects"}
    assert map_pixels(fitted.record.maps["objects"])[5].tolist() == [2] * 6 + [1] * 6
    assert (map_pixels(fitted.record.maps["semantic"])[8:] == 255).all()
    assert (map_pixels(fitted.record.maps["objects"])[8:] == 255).all()
    assert sorted(codes(fitted)) == ["LOS103", "LOS301", "LOS301", "LOS302"]


def test_more_than_254_classes_in_a_map_are_refused_and_told(tmp_path: Path) -> None:
    header = header_of(*(f"c{number:03}" for number in range(300)))
    values = np.full((10, 12), 299, np.int32)
    dog = Instance(category="c298", mask=full(10, 12, (0, 0, 2, 2)), box=Box(0, 0, 2, 2))
    record = Record(image=image(), objects=(dog,), maps={"semantic": semantic(values, {299: "c298"})})
    (fitted,) = assert_holds(header, [record], tmp_path)
    assert codes(fitted) == ["LOS103", "LOS107"]
    few = Record(image=image(), maps={"semantic": semantic(values, {299: "c253"})})
    (fitted,) = assert_holds(header, [few], tmp_path / "few")
    assert codes(fitted) == [] and (map_pixels(fitted.record.maps["semantic"]) == 254).all()


def test_pngs_that_are_right_are_copied_and_colours_become_indices(tmp_path: Path) -> None:
    source = make_devkit(tmp_path / "rgb", save_rgb)
    home = rewrite(source, tmp_path / "out")
    with Pillow.open(home / "SegmentationClass" / "2008_000002.png") as png:
        assert png.mode == "P" and np.array_equal(np.asarray(png), class_pixels())
    again = rewrite(home, tmp_path / "again")
    assert tree(again / "SegmentationObject") == tree(home / "SegmentationObject")


def test_deleting_an_object_renumbers_the_pixels_of_the_others(devkit: Path, tmp_path: Path) -> None:
    record = records(devkit)["2008_000002.jpg"]
    changed = record.model_copy(update={"objects": record.objects[1:]})
    (fitted,) = assert_holds(FORMAT.open(devkit).header, [changed], tmp_path)
    expected = np.where(object_pixels() == 2, 1, np.where(object_pixels() == 255, 255, 0))
    assert np.array_equal(map_pixels(fitted.record.maps["objects"]), expected)


def three_of_four(root: Path, boxes: list[str]) -> Path:
    """A set of objects with those corners, and of an object PNG that has three squares beside each other."""
    pixels = np.zeros((10, 30), np.uint8)
    for number in (1, 2, 3):
        pixels[2:8, 10 * number - 8 : 10 * number - 2] = number
    save_p(root / "SegmentationObject" / "a.png", pixels)
    save_p(root / "SegmentationClass" / "a.png", np.where(pixels > 0, 1, 0).astype(np.uint8))
    corners = [zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True) for box in boxes]
    texts = ["".join(f"<{tag}>{text}</{tag}>" for tag, text in box) for box in corners]
    objects = "".join(f"<object><name>cat</name><bndbox>{text}</bndbox></object>" for text in texts)
    size = "<size><width>30</width><height>10</height></size>"
    put(root / "Annotations" / "a.xml", f"<annotation>{size}{objects}</annotation>")
    put(root / "labelmap.txt", "background:0,0,0::\ncat:128,0,0::\n")
    return root


SQUARES = ["3 3 8 8", "13 3 18 8", "23 3 28 8"]  # where the pixels are
NEW = "10 1 12 10"
BY_NUMBER = "objects-by-number.txt"
CORNER = "<xmin>400</xmin><ymin>300</ymin><xmax>401</xmax><ymax>301</ymax>"


@pytest.mark.parametrize(
    ("boxes", "owned", "told"),
    [
        ([NEW, *SQUARES], [None, 1, 2, 3], "taken for those of object 2 (value 1), 3 (value 2), 4 (value 3)"),
        ([SQUARES[0], NEW, *SQUARES[1:]], [1, None, 2, 3], "taken for those of object 3 (value 2), 4"),
        ([*SQUARES, NEW], [1, 2, 3, None], ""),
        ([SQUARES[0], SQUARES[1], SQUARES[1], SQUARES[2]], [1, 2, 3, None], "of several; taken by number"),
        (["1 1 30 10", *SQUARES[:2], NEW], [1, 2, 3, None], ""),  # the boxes have no better place
        (SQUARES[:2], [1, 2], "SegmentationObject has values without an object: 3"),
    ],
)
def test_pixels_follow_their_object_where_boxes_leave_one_way(
    tmp_path: Path, boxes: list[str], owned: list[int | None], told: str
) -> None:
    found = items(three_of_four(tmp_path / "in", boxes))
    (record,) = [item for item in found if isinstance(item, Record)]
    shapes = [item.mask.shape if item.kind == "instance" else None for item in record.objects]
    assert shapes == [None if value is None else Cell("objects", value) for value in owned]
    findings = [item.message for item in found if isinstance(item, Finding)]
    assert len(findings) == bool(told) and all(told in message for message in findings)
    home = rewrite(tmp_path / "in", tmp_path / "out")
    (again,) = records(home).values()
    assert same(again, record) and not (home / BY_NUMBER).exists()
    if "taken for" in told:  # the numbers are right again, and nothing is left to be told
        assert [item for item in items(home) if isinstance(item, Finding)] == []


def test_boxes_that_would_move_pixels_are_written_with_a_list_that_says_so(tmp_path: Path) -> None:
    source = three_of_four(tmp_path / "in", [NEW, *SQUARES])
    put(source / BY_NUMBER, "a\n")
    (record,) = records(source).values()  # the numbers are right: an odd set, but its own
    assert [item.kind for item in record.objects] == ["instance", "instance", "instance", "box"]
    assert [item for item in items(source) if isinstance(item, Finding)] == []
    assert_holds(FORMAT.open(source).header, [record], tmp_path / "out")
    home = tmp_path / "out" / "VOCdevkit" / "VOC2012"
    assert (home / BY_NUMBER).read_text() == "a\n"
    (home / BY_NUMBER).unlink()
    assert [item.kind for item in records(home)["a.jpg"].objects] == ["box", *["instance"] * 3]


@pytest.mark.parametrize("place", [0, 1, 3])
def test_an_object_added_between_others_takes_none_of_their_pixels_on_the_way_back(
    tmp_path: Path, place: int
) -> None:
    convert(SAMPLE / "coco", tmp_path / "voc", to="voc")
    (file,) = (tmp_path / "voc").rglob("Annotations/train/rocket.xml")
    pieces = file.read_text().split("<object>")
    pieces.insert(1 + place, pieces[1 + place])
    pieces[1 + place] = re.sub("<bndbox>.*</bndbox>", f"<bndbox>{CORNER}</bndbox>", pieces[1], flags=re.S)
    put(file, "<object>".join(pieces))
    report = convert(tmp_path / "voc", tmp_path / "back", to="coco")
    assert report.ledger.counts["NOTE01"] == 1
    (before,) = [r for r in open_dataset(SAMPLE / "coco") if r.image.path == "train/rocket.jpg"]
    (after,) = [r for r in open_dataset(tmp_path / "back") if r.image.path == "train/rocket.jpg"]
    assert same(after.model_copy(update={"objects": after.objects[:-1]}), before)
    assert (after.objects[-1].kind, after.objects[-1].box) == ("box", Box(399, 299, 2, 2))


def test_labels_that_the_objects_imply_are_not_said_twice(tmp_path: Path) -> None:
    record = Record(
        image=image(),
        splits=("train",),
        objects=(BoundingBox(category="dog", box=Box(0, 0, 1, 1)),),
        labels=(
            ImageLabel(category="dog"),
            ImageLabel(category="cat", state="absent"),
            ImageLabel(category="sofa"),
        ),
    )
    other = Record(image=image("z.jpg"), splits=("train",))
    fitted = assert_holds(header_of("dog", "cat", "sofa"), [record, other], tmp_path)
    assert [label.category for label in fitted[0].record.labels] == ["sofa"]
    assert codes(fitted[0]) == ["LOS113", "LOS113"]
    main = tmp_path / "VOCdevkit/VOC2012/ImageSets/Main"
    assert (main / "sofa_train.txt").read_text() == "a/b c  1\nz -1\n"
    assert (main / "dog_train.txt").read_text() == "a/b c  1\nz -1\n"
    assert len(list(main.glob("*_train.txt"))) == 20


def test_labels_without_a_split_stand_in_lists_of_their_own(tmp_path: Path) -> None:
    labels = (ImageLabel(category="cat"), ImageLabel(category="sky/light", state="uncertain"))
    record = Record(image=image(), labels=labels)
    assert_holds(header_of("cat", "sky/light"), [record], tmp_path)
    main = tmp_path / "VOCdevkit/VOC2012/ImageSets/Main"
    assert sorted(file.name for file in main.iterdir()) == ["cat_all.txt", "sky%2Flight_all.txt"]


def test_class_lists_can_be_asked_for_and_forbidden(tmp_path: Path) -> None:
    label = Record(image=image(), splits=("val",), labels=(ImageLabel(category="cat"),))
    (fitted,) = assert_holds(header_of("cat"), [label], tmp_path / "never", class_lists="never")
    assert codes(fitted) == ["LOS102"]
    plain = Record(image=image(), splits=("val",))
    assert_holds(header_of("cat"), [plain], tmp_path / "always", class_lists="always")
    main = tmp_path / "always/VOCdevkit/VOC2012/ImageSets/Main"
    assert len(list(main.glob("*_val.txt"))) == 20


def test_two_images_of_one_id_are_refused_by_name(tmp_path: Path) -> None:
    given_records = [Record(image=image("x/a.jpg")), Record(image=image("x/a.png"))]
    with pytest.raises(DestinationError, match=r"x/a\.png: the same id as x/a\.jpg"):
        write(tmp_path, Header(), given_records)


@pytest.mark.parametrize("name", [" dog", "dog\n", "a\nb", "#dog", "\x01"])
def test_class_names_that_readers_would_change_are_refused(name: str) -> None:
    with pytest.raises(FormatError, match="rename it"):
        fit_header(header_of(name), FORMAT)


def test_official_classes_become_the_official_list_and_others_stay_in_order(tmp_path: Path) -> None:
    write(tmp_path / "a", header_of("dog", "cat"), [Record(image=image())])
    assert not (tmp_path / "a/VOCdevkit/VOC2012/labelmap.txt").exists()
    assert tuple(c.name for c in FORMAT.open(tmp_path / "a").header.categories) == OFFICIAL
    write(tmp_path / "b", header_of("zebra", "dog"), [Record(image=image())])
    text = (tmp_path / "b/VOCdevkit/VOC2012/labelmap.txt").read_text()
    assert text.splitlines()[1:] == ["background:0,0,0::", "zebra:128,0,0::", "dog:0,128,0::"]


def test_the_bytes_do_not_depend_on_the_order_of_the_parts(devkit: Path, tmp_path: Path) -> None:
    target, _ = fit_header(FORMAT.open(devkit).header, FORMAT)
    given_records = [fit(record, target).record for record in records(devkit).values()]
    trees = []
    for name, order in (("a", [0, 1, 2, 3]), ("b", [3, 1, 0, 2])):
        (tmp_path / name).mkdir()
        writer = FORMAT.create(tmp_path / name, target.header)
        for number in order:
            writer.write(number, [given_records[number]])
        writer.finish()
        trees.append(tree(tmp_path / name))
    assert trees[0] == trees[1]


def test_a_hostile_carrier_cannot_make_the_writer_leave_its_folder(tmp_path: Path) -> None:
    own = {
        "xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation></annotation>",
        "sets": {"Main/../../../evil": [[1, "x"]], "Main/train": [["x"]]},
    }
    header = Header(
        raw={"voc": {"folder": "../../evil", "lists": [["Main/../../dog_x", "dog", "x"]], "base": 7}}
    )
    dog = BoundingBox(category="dog", box=Box(0, 0, 1, 1), raw={"voc": {"index": 99}})
    record = Record(image=image("a.jpg"), objects=(dog,), splits=("train",), raw={"voc": own})
    assert_holds(header, [record], tmp_path / "out")
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == ["a.xml", "train.txt"]


def test_a_clean_devkit_gives_no_finding(devkit: Path) -> None:
    assert all(isinstance(item, Record) for item in items(devkit))
    assert FORMAT.open(devkit).notes == ()


def test_a_negative_corner_is_no_evidence_for_base_0(tmp_path: Path) -> None:
    based(tmp_path, "-1 3 48 5")
    assert records(tmp_path)["0.jpg"].objects[0].box == Box(-2, 2, 50, 3)


@pytest.mark.parametrize("field", ["truncated", "occluded", "difficult"])
@pytest.mark.parametrize("value", [True, False, None])
def test_each_flag_of_native_xml_can_be_set_and_taken_away(
    devkit: Path, tmp_path: Path, field: str, value: bool | None
) -> None:
    record = records(devkit)["2008_000002.jpg"]
    edited = tuple(item.model_copy(update={field: value}) for item in record.objects)
    assert_holds(FORMAT.open(devkit).header, [record.model_copy(update={"objects": edited})], tmp_path)


def test_spaces_around_a_pose_come_back(tmp_path: Path) -> None:
    dog = BoundingBox(category="dog", box=Box(0, 0, 1, 1), pose=" Left\n ")
    assert_holds(header_of("dog"), [Record(image=image(), objects=(dog,))], tmp_path)


def test_a_value_that_says_nothing_does_not_become_the_class_of_that_number(tmp_path: Path) -> None:
    values = np.zeros((10, 12), np.int32)
    values[:3], values[3:5] = OFFICIAL.index("cat") + 1, OFFICIAL.index("dog") + 1
    item = semantic(values, {OFFICIAL.index("cat") + 1: "cat"})
    (fitted,) = assert_holds(header_of("cat"), [Record(image=image(), maps={"semantic": item})], tmp_path)
    assert (map_pixels(fitted.record.maps["semantic"])[3:5] == 0).all()


def test_void_of_the_class_map_does_not_take_pixels_from_objects(tmp_path: Path) -> None:
    item = semantic(np.full((10, 12), 255, np.int32), {}, 255)
    dog = Instance(category="dog", mask=full(10, 12, (0, 0, 5, 12)), box=Box(0, 0, 12, 5))
    record = Record(image=image(), objects=(dog,), maps={"semantic": item})
    (fitted,) = assert_holds(header_of("dog"), [record], tmp_path)
    assert map_pixels(fitted.record.maps["objects"])[:, 0].tolist() == [1] * 5 + [255] * 5


def test_unsaid_classes_of_an_image_without_annotation_stay_unsaid(devkit: Path, tmp_path: Path) -> None:
    write(tmp_path, FORMAT.open(devkit).header, records(devkit).values(), class_lists="always")
    main = tmp_path / "VOCdevkit/VOC2012/ImageSets/Main"
    lines = (main / "sofa_trainval.txt").read_text().splitlines()
    assert lines == ["2007_000027 -1", "2008_000002 -1", "2011_003353 -1"]
    assert "2009_000001  0\n" in (main / "dog_trainval.txt").read_text()


def test_an_image_that_a_class_list_left_out_stays_left_out(devkit: Path, tmp_path: Path) -> None:
    put(devkit / "ImageSets" / "Main" / "dog_train.txt", "2011_003353 -1\n")
    home = rewrite(devkit, tmp_path)
    assert (home / "ImageSets/Main/dog_train.txt").read_text() == "2011_003353 -1\n"


def test_a_png_that_needs_no_change_is_copied_with_its_bytes(devkit: Path, tmp_path: Path) -> None:
    file = devkit / "SegmentationClass" / "2008_000002.png"
    grey = Pillow.fromarray(class_pixels())
    grey.putpalette([number for value in range(256) for number in (value, value, value)])
    grey.save(file, compress_level=0)
    home = rewrite(devkit, tmp_path)
    assert (home / "SegmentationClass" / "2008_000002.png").read_bytes() == file.read_bytes()


def test_colours_of_classes_are_carried_by_labelmap_and_palette(tmp_path: Path) -> None:
    categories = (Category(name="zebra", colour=(9, 8, 7)), Category(name="sky", colour=(0, 128, 0)))
    record = Record(image=image(), maps={"semantic": semantic(np.ones((10, 12), np.int32), {1: "zebra"})})
    assert_holds(Header(categories=categories), [record], tmp_path)
    home = tmp_path / "VOCdevkit" / "VOC2012"
    assert "zebra:9,8,7::\nsky:0,128,0::\n" in (home / "labelmap.txt").read_text()
    with Pillow.open(home / "SegmentationClass/a/b c.png") as png:
        assert png.convert("RGB").getpixel((0, 0)) == (9, 8, 7)


# --- malformed input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("</annotation>", "", "a.xml", "not well-formed"),
        ("person", "caf\udce9", "a.xml", "not UTF-8 at byte"),
        ("<annotation>", '<!DOCTYPE x [<!ENTITY y "z">]><annotation>', "a.xml", "a DTD"),
        ("annotation>", "annotations>", "a.xml", "<annotations>"),
        ("<xmin>17</xmin>", "<xmin>NaN</xmin>", "object 1 (person):bndbox", "'NaN'"),
        ("<xmin>17</xmin>", "<xmin>1e400</xmin>", "object 1 (person):bndbox", "too large"),
        ("<xmin>17</xmin>", "<xmin>1e99999999999999999999</xmin>", "object 1 (person):bndbox", "e999"),
        ("<xmin>17</xmin>", "<xmin>1_7</xmin>", "object 1 (person):bndbox", "'1_7'"),
        ("<xmin>17</xmin>", "<xmin></xmin>", "object 1 (person):bndbox", "''"),
        ("<xmin>17</xmin>", "", "object 1 (person):bndbox", "''"),
        ("<name>person</name>", "", "object 1:name", "no class"),
        ("<width>48</width>", "<width>wide</width>", "size/width", "'wide'"),
        ("<width>48</width>", "<width>-4</width>", "size/width", "'-4'"),
        ("<name>foot</name>", "<name> </name>", "part 2:name", "no name"),
        ("<xmin>27</xmin>", "<xmin>x</xmin>", "part 2 (foot):bndbox", "'x'"),
    ],
)
def test_a_broken_annotation_is_one_error_and_the_others_are_read(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    put(tmp_path / "Annotations" / "good.xml", OLD)
    (tmp_path / "Annotations" / "a.xml").write_bytes(OLD.replace(old, new).encode("utf-8", "surrogateescape"))
    error = only_error(tmp_path)
    assert place in error.place and message in str(error)
    assert len([item for item in items(tmp_path) if isinstance(item, Record)]) == 1


@pytest.mark.parametrize("name", ["/etc/passwd.jpg", "../../evil.jpg", "C:\\\\x\\\\y.jpg"])
def test_the_file_name_in_the_xml_only_gives_the_suffix(tmp_path: Path, name: str) -> None:
    put(tmp_path / "Annotations" / "a.xml", OLD.replace("2007_000027.jpg", name))
    assert list(records(tmp_path)) == ["a.jpg"]


def test_a_truncated_annotation_names_its_line(tmp_path: Path) -> None:
    put(tmp_path / "Annotations" / "a.xml", OLD[:300])
    assert re.search(r"line \d+, column \d+", str(only_error(tmp_path)))


def test_an_object_without_a_box_is_an_error(tmp_path: Path) -> None:
    text = "<annotation><object><name>dog</name></object></annotation>"
    put(tmp_path / "Annotations" / "a.xml", text)
    assert "no <bndbox>" in str(only_error(tmp_path))


def test_a_class_that_labelmap_does_not_list_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "Annotations" / "a.xml", OLD)
    put(tmp_path / "labelmap.txt", "background:0,0,0::\nsky:128,0,0::\n")
    assert "unknown class 'person'" in str(only_error(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:1,2,3::\na:4,5,6::\n", "line 2: class 'a' twice"),
        ("a:1,2::\n", "line 1: colour '1,2'"),
        ("a:1,2,999::\n", "colour"),
        (":1,2,3::\n", "without a name"),
    ],
)
def test_a_broken_labelmap_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_labelmap(text, "labelmap.txt")


@pytest.mark.parametrize("id_", ["../outside", "/etc/passwd", "a\\b", "C:x"])
def test_an_id_that_leaves_the_folder_is_an_error_with_its_line(tmp_path: Path, id_: str) -> None:
    put(tmp_path / "ImageSets" / "Main" / "train.txt", f"good\n{id_}\n")
    error = only_error(tmp_path)
    assert error.place.endswith("train.txt:line 2")
    assert [item.image.path for item in items(tmp_path) if isinstance(item, Record)] == ["good.jpg"]


def test_bad_ids_are_told_even_where_there_is_no_other(tmp_path: Path) -> None:
    put(tmp_path / "ImageSets" / "Main" / "train.txt", "../outside\n")
    assert "leaves its folder" in str(only_error(tmp_path))


def linked_out(tmp_path: Path, secret: Path) -> Path:
    """A set whose image is a link to a file beside the set."""
    put(tmp_path / "set" / "Annotations" / "2007_000027.xml", OLD)
    (tmp_path / "set" / "JPEGImages").mkdir()
    (tmp_path / "set" / "JPEGImages" / "2007_000027.jpg").symlink_to(secret)
    return tmp_path / "set"


def test_an_image_behind_a_link_that_leaves_the_folder_is_not_given_away(tmp_path: Path) -> None:
    Pillow.new("RGB", (48, 50)).save(tmp_path / "secret.jpg")
    folder = linked_out(tmp_path, tmp_path / "secret.jpg")
    (record,) = records(folder).values()  # what the annotation says is not behind the link
    with pytest.raises(ValueError, match=r"leaves its folder; --images-dir .*/set/JPEGImages follows"):
        FORMAT.open(folder).image_file(record)


def test_links_in_a_folder_that_the_user_named_lead_to_images(tmp_path: Path) -> None:
    Pillow.new("RGB", (48, 50)).save(tmp_path / "real.jpg")
    folder = linked_out(tmp_path, tmp_path / "real.jpg")
    reader = FORMAT.open(folder, images_dir=folder / "JPEGImages")
    (record,) = records(folder).values()
    assert reader.image_file(record) == folder / "JPEGImages" / "2007_000027.jpg"
    put(tmp_path / "real.jpg", "root:x:0:0")
    with pytest.raises(ValueError, match="leads to no readable image"):
        reader.image_file(record)


@pytest.mark.parametrize("folder", ["Annotations", "SegmentationClass"])
def test_labels_behind_a_link_that_leaves_the_folder_are_an_error(devkit: Path, folder: str) -> None:
    file = next((devkit / folder).glob("2008_000002.*"))
    file.rename(devkit.parent.parent / file.name)
    file.symlink_to(devkit.parent.parent / file.name)
    assert "is a link that leaves its folder" in str(only_error(devkit))


def test_class_lists_that_disagree_are_an_error_of_that_image(tmp_path: Path) -> None:
    put(tmp_path / "ImageSets" / "Main" / "train.txt", "a\nb\n")
    put(tmp_path / "ImageSets" / "Main" / "dog_train.txt", "a  1\nb  1\n")
    put(tmp_path / "ImageSets" / "Main" / "dog_trainval.txt", "a -1\nb  1\n")
    error = only_error(tmp_path)
    assert error.place.endswith("dog_trainval.txt:line 1") and "dog_train.txt" in str(error)
    assert [item.image.path for item in items(tmp_path) if isinstance(item, Record)] == ["b.jpg"]


def test_a_class_list_value_of_2_is_an_error_of_that_image(tmp_path: Path) -> None:
    put(tmp_path / "ImageSets" / "Main" / "dog_train.txt", "a  1\nb  2\n")
    assert "'2'" in str(only_error(tmp_path))


def test_lists_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_bytes(b"a\n\xff\n")
    with pytest.raises(FormatError, match="byte 2"):
        FORMAT.open(tmp_path)


def break_png(
    devkit: Path, folder: str, pixels: np.ndarray, save: Callable[[Path, np.ndarray], None]
) -> None:
    save(devkit / folder / "2008_000002.png", pixels)


def test_a_class_value_beyond_the_list_is_an_error(devkit: Path) -> None:
    break_png(devkit, "SegmentationClass", np.full((10, 12), 21, np.uint8), save_p)
    assert "value 21" in str(only_error(devkit))


def test_a_colour_that_is_in_no_palette_is_an_error_with_its_place(devkit: Path) -> None:
    pixels = np.zeros((10, 12, 3), np.uint8)
    pixels[3, 4] = (1, 2, 3)
    Pillow.fromarray(pixels).save(devkit / "SegmentationClass" / "2008_000002.png")
    error = str(only_error(devkit))
    assert "colour (1, 2, 3)" in error and "x=4, y=3" in error


def test_an_object_png_without_a_class_png_is_an_error(devkit: Path) -> None:
    (devkit / "SegmentationClass" / "2008_000002.png").unlink()
    assert "no SegmentationClass PNG" in str(only_error(devkit))


def test_a_class_png_alone_is_a_semantic_set(tmp_path: Path) -> None:
    save_p(tmp_path / "SegmentationClass" / "a.png", class_pixels())
    record = records(tmp_path)["a.jpg"]
    assert set(record.maps) == {"semantic"}
    assert_holds(FORMAT.open(tmp_path).header, [record], tmp_path / "out")


def test_truncated_and_strange_pngs_are_errors(devkit: Path) -> None:
    file = devkit / "SegmentationObject" / "2008_000002.png"
    file.write_bytes(file.read_bytes()[:60])
    assert "SegmentationObject" in only_error(devkit).place
    Pillow.new("LA", (12, 10)).save(file)
    assert "mode LA" in str(only_error(devkit))


def test_pixels_of_an_unlisted_object_are_told_and_kept(devkit: Path, tmp_path: Path) -> None:
    pixels = object_pixels()
    pixels[9, 0] = 9
    break_png(devkit, "SegmentationObject", pixels, save_p)
    findings = [item for item in items(devkit) if isinstance(item, Finding)]
    assert [finding.code for finding in findings] == ["ODD011"] and "9" in findings[0].message
    home = rewrite(devkit, tmp_path / "out")
    assert tree(home / "SegmentationObject") == tree(devkit / "SegmentationObject")


def test_missing_and_empty_images_do_not_stop_the_reading(devkit: Path) -> None:
    (devkit / "JPEGImages" / "2007_000027.jpg").unlink()
    (devkit / "JPEGImages" / "2009_000001.jpg").write_bytes(b"")
    found = records(devkit)
    assert len(found) == 4 and found["2009_000001.jpg"].image.width is None


def bomb(path: Path) -> None:
    """A PNG of 60000 x 60000 pixels in a few bytes."""
    Pillow.new("L", (1, 1)).save(path, format="PNG")
    data = path.read_bytes()
    head = data[12:16] + (60000).to_bytes(4, "big") * 2 + data[24:29]
    path.write_bytes(data[:12] + head + crc32(head).to_bytes(4, "big") + data[33:])


def test_decompression_bombs_are_errors(devkit: Path) -> None:
    bomb(devkit / "SegmentationClass" / "2008_000002.png")
    assert "3600000000" in str(only_error(devkit))
    (devkit / "SegmentationClass" / "2008_000002.png").unlink()
    (devkit / "SegmentationObject" / "2008_000002.png").unlink()
    bomb(devkit / "JPEGImages" / "2009_000001.jpg")
    assert "3600000000" in str(only_error(devkit))


def test_xml_of_any_depth_is_read(tmp_path: Path) -> None:
    deep = "<x>" * 100_000 + "</x>" * 100_000
    put(tmp_path / "Annotations" / "a.xml", OLD.replace("<segmented>", deep + "<segmented>"))
    assert len(records(tmp_path)) == 1


def test_two_images_of_one_id_are_an_error_unless_the_xml_says_which(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    for name in ("a.jpg", "a.png"):
        Pillow.new("RGB", (2, 2)).save(tmp_path / "JPEGImages" / name)
    put(tmp_path / "ImageSets" / "Main" / "train.txt", "a\n")
    error = str(only_error(tmp_path))
    assert "a.jpg" in error and "a.png" in error
    put(tmp_path / "Annotations" / "a.xml", "<annotation><filename>a.png</filename></annotation>")
    assert list(records(tmp_path)) == ["a.png"]


def test_two_ids_of_one_image_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    Pillow.new("RGB", (2, 2)).save(tmp_path / "JPEGImages" / "a.jpg")
    put(tmp_path / "ImageSets" / "Main" / "train.txt", "a\na.jpg\n")
    assert "two ids of one image" in str(only_error(tmp_path))


def test_negative_and_outside_boxes_are_read_as_they_are(tmp_path: Path) -> None:
    based(tmp_path, "20 20 10 60")
    assert records(tmp_path, base="1")["0.jpg"].objects[0].box == Box(19, 19, -9, 41)


# --- the laws, on generated records -----------------------------------------------------------------------

NAMES = ("dog", "traffic light", "größe", "a_b", "x/y")
coordinate = st.integers(-4, 40).map(float) | st.floats(-1e6, 1e6) | st.sampled_from([0.1, 12.5, 1 / 3])
boxes = st.builds(Box, coordinate, coordinate, coordinate, coordinate)
flag = st.none() | st.booleans()
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
parts = st.lists(st.builds(Part, name=texts.filter(bool), box=boxes), max_size=2).map(tuple)
common = {
    "category": st.sampled_from(NAMES),
    "crowd": flag,
    "difficult": flag,
    "truncated": flag,
    "occluded": flag,
    "pose": st.none() | texts,
    "parts": st.none() | parts,
}
corner = st.integers(0, 9)
masks = st.lists(st.tuples(corner, corner, corner, corner), max_size=2).map(
    lambda found: full(10, 12, *found)
)
outlines = st.lists(st.floats(-2, 14), min_size=6, max_size=6).map(lambda ring: Mask.of(Polygons([[ring]])))
objects = st.builds(BoundingBox, box=boxes, **common) | st.builds(
    Instance, mask=masks | outlines, box=st.none() | boxes, **common
)
labels = st.builds(
    ImageLabel,
    category=st.sampled_from(NAMES),
    state=st.sampled_from(["present", "absent", "uncertain"]),
)
class_maps = st.lists(st.tuples(corner, corner, st.sampled_from([5, 6, 700, 9])), max_size=3)


def painted(found: list[tuple[int, int, int]]) -> SemanticMap:
    values = np.zeros((10, 12), np.int32)
    for top, left, value in found:
        values[top:, left:] = value
    return semantic(values, {5: "a_b", 6: "dog", 700: "x/y"}, 9)


generated = st.builds(
    Record,
    image=st.just(image()),
    splits=st.lists(st.sampled_from(["train", "val", "a b", "x/y"]), max_size=3, unique=True).map(tuple),
    labels=st.lists(labels, max_size=3).map(tuple),
    objects=st.lists(objects, max_size=4).map(tuple),
    maps=st.just({}) | class_maps.map(lambda found: {"semantic": painted(found)}),
)


@given(found=st.lists(generated, min_size=1, max_size=3))
@settings(max_examples=60)
def test_what_fits_comes_back_whole(found: list[Record]) -> None:
    named = [
        record.model_copy(update={"image": image(f"f/{number}.jpg")}) for number, record in enumerate(found)
    ]
    before = [record.model_dump_json() for record in named]
    with TemporaryDirectory() as folder:
        assert_holds(header_of(*NAMES), named, Path(folder))
    assert [record.model_dump_json() for record in named] == before


@given(
    changes=st.lists(generated, min_size=1, max_size=1),
    keep=st.lists(st.sampled_from([0, 1, 2]), max_size=4),
)
@settings(max_examples=40)
def test_edited_native_annotations_say_what_the_record_says(changes: list[Record], keep: list[int]) -> None:
    with TemporaryDirectory() as folder:
        devkit = make_devkit(Path(folder) / "source")
        header = FORMAT.open(devkit).header
        header = header.model_copy(
            update={"categories": (*header.categories, *header_of(*NAMES[1:]).categories)}
        )
        record = records(devkit)["2008_000002.jpg"]
        mixed = [record.objects[index] for index in keep] + list(changes[0].objects)
        edited = [
            item.model_copy(update={"pose": "Rear", "box": Box(0.25, 1, 2, 3)}) if number % 2 else item
            for number, item in enumerate(mixed)
        ]
        changed = record.model_copy(
            update={"objects": tuple(edited), "splits": changes[0].splits, "labels": changes[0].labels}
        )
        assert_holds(header, [changed], Path(folder) / "out")


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_names_become_file_names_and_come_back(name: str) -> None:
    text = quote(name)
    assert unquote(text) == name
    assert "/" not in text and "\\" not in text and "\0" not in text and not text.startswith(".")


def test_an_object_map_of_other_numbers_is_not_taken_for_vocs_own(tmp_path: Path) -> None:
    values = np.zeros((10, 12), np.uint8)
    values[0], values[1] = 2, 1
    save_p(tmp_path / "own.png", values)
    source = Png(path=str(tmp_path / "own.png"))
    objects = (
        Instance(category="dog", mask=Mask.of(Cell("objects", 2)), box=Box(0, 0, 12, 1)),
        Instance(category="cat", mask=Mask.of(Cell("objects", 1)), box=Box(0, 1, 12, 1)),
    )
    record = Record(image=image(), objects=objects, maps={"objects": InstanceMap(source=source)})
    (fitted,) = assert_holds(header_of("dog", "cat"), [record], tmp_path / "out")
    assert map_pixels(fitted.record.maps["objects"])[:2, 0].tolist() == [1, 2]

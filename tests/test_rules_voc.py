"""One defect, one finding, at its place: VOC data sets that are right but for one thing."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from voc_files import IMAGES, photo, voc_set

from labelkit.findings import Location
from labelkit.formats import Parcel
from labelkit.formats.voc import FORMAT
from labelkit.validation import validate

A, B, C = IMAGES
XML_A, XML_B, XML_C = (f"Annotations/{id_}.xml" for id_ in IMAGES)
QUIET = ("CAT104", "SPL104")  # what 20 official classes and 3 images always give
Change = Callable[[Path], object]


def places(root: Path, **options: object) -> list[tuple[str, Location, str]]:
    """Code, place and message of each finding."""
    result = validate(root, **{"ignore": QUIET, **options})  # type: ignore[arg-type]
    return [(each.code, each.at, each.message) for each in result.findings if each.at]


def found(root: Path, **options: object) -> list[tuple[str, str]]:
    """Code and file of each finding."""
    return [(code, at.file) for code, at, _ in places(root, **options)]


def text(name: str, old: str, new: str, nth: int = 1) -> Change:
    """Replaces the n-th match of a pattern in a file of the data set."""

    def change(root: Path) -> None:
        said = (root / name).read_text("utf-8")
        start, stop = [*re.finditer(old, said)][nth - 1].span()
        (root / name).write_text(said[:start] + new + said[stop:], "utf-8")

    return change


def test_the_clean_set_has_no_finding(tmp_path: Path) -> None:
    root = voc_set(tmp_path / "VOC2012")
    assert found(root) == []
    assert found(tmp_path) == []  # a folder above it
    shutil.rmtree(root / "ImageSets")
    assert found(root) == []


# --- annotations -------------------------------------------------------------------------------------------

BOX = r"\t\t<bndbox>(.|\n)*?</bndbox>\n"


def box(*corners: int) -> str:
    return "\t\t<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>\n".format(
        *corners
    )


NAMELESS = f"<part>{box(9, 9, 12, 12).strip()}</part>"
PART = NAMELESS.replace("<part>", "<part><name>head</name>")

# In the XML of the first image: which match of a pattern becomes what; the code, the element, what stands at
# the byte of the place, and words of the message.
Seed = tuple[str, int, str, str, str, str, str]
SEEDS: dict[str, Seed] = {
    "no name": (
        "<name>dog</name>",
        1,
        "",
        "STR104",
        "object[2]/name",
        "<object>",
        "no class; expected",
    ),
    "empty name": (">dog<", 1, "> <", "STR104", "object[2]/name", "<name> <", "no class"),
    "no box": (BOX, 2, "", "STR104", "object[2]/bndbox", "<object>", "no <bndbox>; expected"),
    "no corner": ("<ymax>35</ymax>", 1, "", "STR104", "object[2]/bndbox/ymax", "<bndbox>", "no number"),
    "empty corner": (">35<", 1, "><", "STR104", "object[2]/bndbox/ymax", "<ymax></ymax>", "no number"),
    "corner of letters": (
        ">35<",
        1,
        ">low<",
        "STR105",
        "object[2]/bndbox/ymax",
        "<ymax>low<",
        "'low'; expected",
    ),
    "corner with a comma": (">35<", 1, ">3,5<", "STR105", "object[2]/bndbox/ymax", "<ymax>3,5<", "'3,5'"),
    "corner too large": (">35<", 1, ">1e999<", "STR105", "object[2]/bndbox", "<bndbox>", "too large"),
    "corner not finite": (">35<", 1, ">nan<", "STR103", "object[2]/bndbox/ymax", "<ymax>nan<", "nan"),
    "width of letters": (
        ">60</wid",
        1,
        ">wide</wid",
        "STR105",
        "size/width",
        "<width>wide",
        "a whole",
    ),
    "height of nothing": (">40</hei", 1, ">0</hei", "STR105", "size/height", "<height>0", "above 0"),
    "no size": (r"\t<size>(.|\n)*</size>\n", 1, "", "STR112", "size", "<annotation>", "no <size>"),
    "no width": ("<width>60</width>", 1, "", "STR112", "size/width", "<size>", "no width"),
    "part without box": (
        *("</object>", 1, "<part><name>head</name></part></object>"),
        *("STR104", "object[1]/part[1]/bndbox", "<part>", "no <bndbox>"),
    ),
    "part without name": (
        *("</object>", 1, f"{NAMELESS}</object>", "STR104", "object[1]/part[1]/name", "<part>", "no name"),
    ),
    "two boxes": (
        *("\t</object>", 2, "<bndbox><xmin>1</xmin></bndbox></object>"),
        *("STR102", "object[2]/bndbox", "<bndbox><xmin>1", "<bndbox> once more"),
    ),
    "two names": (
        *("<pose>", 2, "<name>cat</name><pose>", "STR102", "object[2]/name", "<name>cat", "<name> once more"),
    ),
    "flag of letters": (
        *("<difficult>0<", 2, "<difficult>True<", "STR113", "object[2]/difficult", "<difficult>True"),
        "'True' in <difficult>; expected 0 or 1",
    ),
    "flag as a fraction": (
        *("<truncated>0<", 1, "<truncated>1.0<", "STR113", "object[1]/truncated", "<truncated>1.0", "'1.0'"),
    ),
    "empty flag": (
        *("<truncated>0</truncated>", 1, "<truncated/>", "STR113", "object[1]/truncated", "<truncated/>"),
        "nothing in",
    ),
    "two heads": (
        *("</object>", 1, f"{PART}{PART}</object>", "STR114", "object[1]/part[2]", "<part>", "at most 1"),
    ),
    "head of a dog": (
        "</object>",
        2,
        f"{PART}</object>",
        "STR114",
        "object[2]/part[1]",
        "<part>",
        "of a dog",
    ),
    "other file's name": (
        *(f">{A}.jpg", 1, ">2007_000099.jpg", "REF113", "filename", "<filename>2007_000099"),
        f"'2007_000099.jpg'; expected '{A}' with a suffix",
    ),
}


@pytest.mark.parametrize("name", SEEDS)
def test_one_defect_of_an_annotation_is_one_finding_at_its_element(name: str, tmp_path: Path) -> None:
    old, nth, new, code, element, start, words = SEEDS[name]
    root = voc_set(tmp_path)
    text(XML_A, old, new, nth)(root)
    ((found_code, at, message),) = places(root)
    assert (found_code, at.file, at.element, at.image) == (code, XML_A, element, f"{A}.jpg")
    data = (root / XML_A).read_bytes()
    assert data[at.offset :].startswith(start.encode())
    assert at.line == data[: at.offset].count(b"\n") + 1
    number = re.match(r"object\[(\d)", element)
    assert at.object == (int(number[1]) if number else None)
    assert words in message


def test_every_defect_of_an_annotation_is_found_and_sound_objects_are_checked(
    tmp_path: Path,
) -> None:
    root = voc_set(tmp_path)
    for change in (
        text(XML_B, "<name>dog</name>", ""),
        text(XML_B, "<xmin>3<", "<xmin>three<"),
        text(XML_B, "<ymax>36</ymax>", ""),
        text(XML_B, "<xmax>58<", "<xmax>8<"),
        text(XML_B, "<width>60<", "<width>?<"),
    ):
        change(root)
    told = {(code, at.element) for code, at, _ in places(root)}
    assert told == {
        ("STR104", "object[1]/name"),
        ("STR105", "object[1]/bndbox/xmin"),
        ("STR104", "object[2]/bndbox/ymax"),
        ("STR105", "size/width"),
        ("GEO102", "object[3]/bndbox"),
    }


# What becomes of the bytes of the first image's XML; the code, the line, and words of the message.
FILES: dict[str, tuple[Callable[[bytes], bytes], str, int, str]] = {
    "cut": (lambda data: data[:300], "STR101", 15, "line 15, column"),
    "empty": (lambda data: b"", "STR101", 1, "not well-formed"),
    "tag that never closes": (lambda data: data.replace(b"</size>", b""), "STR101", 34, "mismatched tag"),
    "other root": (lambda data: data.replace(b"annotation>", b"labels>"), "STR101", 0, "<labels>"),
    "latin-1": (
        lambda data: data.replace(b"Unspecified", b"Unspecifi\xe9"),
        "STR111",
        12,
        "not UTF-8",
    ),
    "DTD": (lambda data: b'<!DOCTYPE a SYSTEM "x">\n' + data, "STR107", 1, "a DTD"),
    "entity": (lambda data: data.replace(b"person", b"&who;"), "STR107", 11, "undefined entity"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_parsed_is_one_finding_at_its_line(name: str, tmp_path: Path) -> None:
    change, code, line, words = FILES[name]
    root = voc_set(tmp_path)
    (root / XML_A).write_bytes(change((root / XML_A).read_bytes()))
    ((found_code, at, message),) = [each for each in places(root) if each[1].file == XML_A]
    assert (found_code, at.line or 0) == (code, line), message
    assert words in message
    assert [code for code, file in found(root) if file != XML_A] == []


def test_a_flag_with_space_around_it_is_no_defect(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    text(XML_A, "<truncated>0<", "<truncated> 1\t<")(root)
    assert found(root) == []


def test_a_class_that_the_labelmap_does_not_know_is_found_at_its_name(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    shutil.rmtree(root / "SegmentationClass")
    shutil.rmtree(root / "SegmentationObject")
    (root / "labelmap.txt").write_text("background:::\nperson::head,hand:\ndog::head:\nchair:::\n")
    assert found(root) == []
    text(XML_A, "</object>", f"{PART}</object>", 2)(root)  # the dog's head, which this labelmap knows
    assert found(root) == []
    text(XML_A, ">dog<", ">dgo<")(root)
    assert [(code, at.element) for code, at, _ in places(root, ignore=[*QUIET, "STR114"])] == [
        ("REF105", "object[2]/name")
    ]


# --- what records show -------------------------------------------------------------------------------------

AGAIN = "\t<object>\n\t\t<name>chair</name>\n" + box(4, 4, 30, 30) + "\t</object>\n</annotation>"
# In the XML of the third image, which has no PNGs.
RECORDS: dict[str, tuple[str, str, str, str, str]] = {
    "corners the wrong way": ("<xmax>30<", "<xmax>2<", "GEO102", "object[1]/bndbox", "no area"),
    "box outside": (BOX, box(70, 2, 90, 30), "GEO103", "object[1]/bndbox", "outside its image"),
    "box partly outside": ("<xmax>30<", "<xmax>66<", "GEO118", "object[1]/bndbox", "by 6 pixels"),
    "box that is a line": (BOX, box(1, 1, 1, 30), "GEO114", "object[1]/bndbox", "30 times as long"),
    "pasted twice": ("</annotation>", AGAIN, "GEO115", "object[3]/bndbox", f"{XML_C}:15:object[1]/bndbox"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_one_defect_of_an_object_is_one_finding_at_its_box(name: str, tmp_path: Path) -> None:
    old, new, code, element, words = RECORDS[name]
    root = voc_set(tmp_path)
    text(XML_C, old, new)(root)
    options = {"GEO114": {"limit": 20, "smallest": 1}}
    ((found_code, at, message),) = places(root, rule_options=options)
    assert (found_code, at.file, at.element, at.image) == (code, XML_C, element, f"{C}.jpg")
    data = (root / XML_C).read_bytes()
    assert data[at.offset :].startswith(b"<bndbox>")
    assert at.line == data[: at.offset].count(b"\n") + 1
    assert at.box is not None
    assert words in message


def test_class_names_that_are_alike_or_have_no_example_are_found(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    for folder in ("SegmentationClass", "SegmentationObject", "ImageSets"):
        shutil.rmtree(root / folder)
    (root / "labelmap.txt").write_text("background:::\nperson:::\ndog:::\nchair:::\nChair :::\n")
    codes = [code for code, *_ in places(root, ignore=["SPL104"])]
    assert sorted(codes) == ["CAT103", "CAT104"]


# --- images ------------------------------------------------------------------------------------------------

JPEG_A, JPEG_C = f"JPEGImages/{A}.jpg", f"JPEGImages/{C}.jpg"
PHOTOS: dict[str, tuple[Change, str, str]] = {
    "missing": (lambda root: (root / JPEG_A).unlink(), "REF106", f"{A}.jpg"),
    "not listed": (lambda root: photo(root / "JPEGImages/x.jpg", 9), "REF107", "JPEGImages/x.jpg"),
    "no image": (lambda root: (root / JPEG_A).write_text("<html>"), "IMG101", JPEG_A),
    "cut": (lambda root: (root / JPEG_A).write_bytes((root / JPEG_A).read_bytes()[:-60]), "IMG102", JPEG_A),
    "PNG": (
        lambda root: photo(root / "x.png", 9) or (root / "x.png").rename(root / JPEG_A),
        "IMG103",
        JPEG_A,
    ),
    "other size": (lambda root: photo(root / JPEG_A, 9, (61, 40)), "IMG104", JPEG_A),
    "empty": (lambda root: (root / JPEG_A).write_bytes(b""), "IMG109", JPEG_A),
    "same bytes": (lambda root: shutil.copy(root / JPEG_A, root / JPEG_C), "IMG107", JPEG_C),
    "link out": (
        lambda root: (root / JPEG_A).unlink() or (root / JPEG_A).symlink_to("/etc/passwd"),
        *("STR108", JPEG_A),
    ),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_one_defect_of_an_image_is_one_finding(name: str, tmp_path: Path) -> None:
    change, code, file = PHOTOS[name]
    root = voc_set(tmp_path / "set")
    change(root)
    assert found(root) == [(code, file)]


def test_two_images_of_one_id_are_found_and_so_are_names_that_differ_by_case(tmp_path: Path) -> None:
    root = voc_set(tmp_path / "one")
    photo(root / f"JPEGImages/{A}.png", 9)
    text(XML_A, r"<filename>.*</filename>", "")(root)
    assert found(root) == [("STR106", f"JPEGImages/{A}.png")]
    root = voc_set(tmp_path / "two")
    for folder, suffix in (("Annotations", "xml"), ("JPEGImages", "jpg")):
        (root / f"{folder}/x.{suffix}").write_bytes((root / f"{folder}/{C}.{suffix}").read_bytes())
        (root / f"{folder}/X.{suffix}").write_bytes((root / f"{folder}/{C}.{suffix}").read_bytes())
    assert ("REF110", "x.jpg") in found(root)


def test_the_same_image_in_two_splits_and_one_group_in_two_are_found(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    shutil.copy(root / JPEG_A, root / f"JPEGImages/{B}.jpg")
    assert found(root) == [("SPL101", f"JPEGImages/{B}.jpg")]
    codes = {code for code, _ in found(root, group=r"2007")}
    assert codes == {"SPL101", "SPL103"}


def test_tasks_decide_what_is_expected_of_boxes_and_of_class_lists(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    assert [code for code, _ in found(root, task="localization")] == ["LOC101"] * 3
    (root / XML_C).unlink()
    for category in ("dog", "chair"):
        text(f"ImageSets/Main/{category}_train.txt", f"({C}) .*", f"{C}  1")(root)
    assert found(root) == []
    assert found(root, task="classification") == [("LBL102", f"{C}.jpg")]


# --- lists -------------------------------------------------------------------------------------------------

TRAIN = "ImageSets/Main/train.txt"
# The code, the file, the line and the element of the one finding, and words of its message.
LISTS: dict[str, tuple[Change, str, str, int, str, str]] = {
    "an id twice": (
        text(TRAIN, C, f"{C}\n{A}"),
        *("REF120", TRAIN, 3, A, "once more (as line 1); expected it once"),
    ),
    "a class list's id twice": (
        text("ImageSets/Main/dog_train.txt", f"{C}.*", f"{C}  0\n{C}  0"),
        *("REF120", "ImageSets/Main/dog_train.txt", 3, C, "as line 2"),
    ),
    "an id without files": (text(TRAIN, C, f"{C}\nx"), "REF121", TRAIN, 3, "x", "'x' has no file; expected"),
    "an id with a suffix": (text(TRAIN, C, f"{C}\n{A}.xml"), "REF121", TRAIN, 3, f"{A}.xml", "has no file"),
    "present, and not in the XML": (
        text("ImageSets/Main/chair_train.txt", f"{A} -1", f"{A}  1"),
        *("LBL101", "ImageSets/Main/chair_train.txt", 1, A, "1 for 'chair'; expected -1, for the XML has no"),
    ),
    "absent, and in the XML": (
        text("ImageSets/Main/dog_val.txt", f"{B}  1", f"{B} -1"),
        *("LBL101", "ImageSets/Main/dog_val.txt", 1, B, "-1 for 'dog'; expected 1"),
    ),
    "present, and all are difficult": (
        text("ImageSets/Main/dog_train.txt", f"{C}  0", f"{C}  1"),
        *("LBL101", "ImageSets/Main/dog_train.txt", 2, C, "1 for 'dog'; expected 0, for all"),
    ),
    "ignored, and not difficult": (
        text("ImageSets/Main/dog_train.txt", f"{A}  1", f"{A}  0"),
        *("LBL101", "ImageSets/Main/dog_train.txt", 1, A, "0 for 'dog'; expected 1"),
    ),
    "a value that is none": (
        text("ImageSets/Main/dog_train.txt", f"{A}  1", f"{A}  7"),
        *("STR110", "ImageSets/Main/dog_train.txt", 1, "", "'7'; expected 1, 0 or -1"),
    ),
    "an image's name": (
        text(TRAIN, C, f"{C}\n{A}.jpg"),
        *("STR106", TRAIN, 3, f"{A}.jpg", "two ids of one image"),
    ),
    "an id that leaves the folder": (
        text(TRAIN, C, f"{C}\n../x"),
        *("STR108", TRAIN, 3, "", "leaves its folder"),
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_one_defect_of_a_list_is_one_finding_at_its_line(name: str, tmp_path: Path) -> None:
    change, code, file, line, element, words = LISTS[name]
    root = voc_set(tmp_path)
    change(root)
    ((found_code, at, message),) = places(root)
    assert (found_code, at.file, at.line, at.element or "") == (code, file, line, element)
    assert words in message


def test_an_annotation_in_no_list_is_found_where_there_are_lists(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    for name in ("train", "dog_train", "chair_train", "person_train"):
        text(f"ImageSets/Main/{name}.txt", f"{C}.*\n", "")(root)
    assert found(root) == [("REF122", XML_C)]


@pytest.mark.parametrize("has_xml", [True, False])
def test_two_class_lists_that_disagree_are_one_finding(has_xml: bool, tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    if not has_xml:
        (root / XML_C).unlink()
    (root / "ImageSets/Main/trainval.txt").write_text(f"{C}\n")
    (root / "ImageSets/Main/dog_trainval.txt").write_text(f"{C}  1\n")
    ((code, at, message),) = places(root)
    assert (code, at.file, at.line) == ("LBL101", "ImageSets/Main/dog_trainval.txt", 1)
    assert message == "1 for class 'dog'; expected 0, as in Main/dog_train.txt"


def test_a_broken_labelmap_is_found_at_its_line(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    (root / "labelmap.txt").write_text("background:::\ndog:1,2,x::\n")
    assert [(code, at.file, at.line) for code, at, _ in places(root)] == [("STR101", "labelmap.txt", 2)]


def test_every_broken_list_is_found_and_all_else_is_still_looked_at(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    (root / TRAIN).write_bytes(b"a\n\xff\n")
    (root / "ImageSets/Segmentation/val.txt").write_text(f"{B}\n{B} {C}\n")
    (root / "ImageSets/Main/cow_val.txt").mkdir()
    text(XML_A, ">35<", ">low<")(root)
    assert sorted((code, at.file, at.line, at.offset is None) for code, at, _ in places(root)) == [
        ("STR101", "ImageSets/Main/cow_val.txt", None, True),
        ("STR101", "ImageSets/Segmentation/val.txt", 2, True),
        ("STR105", XML_A, 31, False),
        ("STR111", TRAIN, None, False),
    ]


# --- where boxes start -------------------------------------------------------------------------------------


def test_a_set_that_counts_from_0_is_told_once_at_its_first_0(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    text(XML_A, "<xmin>2<", "<xmin>0<")(root)
    text(XML_B, "<ymin>4<", "<ymin>0<")(root)
    ((code, at, message),) = places(root)
    assert (code, at.file, at.element) == ("CNV103", XML_A, "object[1]/bndbox/xmin")
    assert message == "a corner at 0, as in 2 of 3 files; expected corners from 1"
    assert found(root, options={"base": "0"}) == []


def test_a_set_of_both_kinds_names_one_of_each(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    text(XML_A, "<xmin>2<", "<xmin>0<")(root)
    text(XML_C, BOX, box(1, 4, 60, 30))(root)
    ((code, at, message),) = places(root)
    assert (code, at.file) == ("CNV103", XML_A)
    assert f"but {XML_C}:15:object[1]/bndbox" in message
    assert "both are mixed" in message


# --- other processes ---------------------------------------------------------------------------------------


def test_parts_can_be_looked_at_elsewhere(tmp_path: Path) -> None:
    parcels = [item for item in FORMAT.inspect(voc_set(tmp_path)) if isinstance(item, Parcel)]  # type: ignore[misc]
    for parcel in parcels:
        make, arguments = pickle.loads(pickle.dumps(parcel))
        assert [type(item) for item in make(*arguments)] == [
            type(item) for item in parcel.make(*parcel.arguments)
        ]

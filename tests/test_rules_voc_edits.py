"""What becomes of a VOC data set's bytes when an object gets another box, or is taken out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_rules_voc import A, B, C, box, found, text
from test_rules_voc_maps import OBJECT_A, OBJECT_B, apply, files
from voc_files import pixels_of, save, voc_set

from labelkit.changes import Edit, Put, Remove
from labelkit.formats import Parcel
from labelkit.formats.voc import FORMAT
from labelkit.table import Table

XML_A, XML_B, XML_C = (f"Annotations/{id_}.xml" for id_ in (A, B, C))


def edits(root: Path, image: str, number: int, change: Put | Remove, **options: object) -> list[Edit]:
    """The edits of the object of that number."""
    assert FORMAT.inspect is not None
    for parcel in FORMAT.inspect(root, **options):
        if isinstance(parcel, Parcel):
            for table in parcel.make(*parcel.arguments):
                if isinstance(table, Table):
                    (row,) = [
                        row
                        for row in range(len(table))
                        if (table.image_of(row).path, table.locate(row).object) == (f"{image}.jpg", number)
                    ]
                    return [*table.edits(row, change)]
    raise AssertionError("no table")


def changed(before: dict[str, bytes], root: Path) -> list[str]:
    return sorted(name for name, data in files(root).items() if before.get(name) != data)


def test_a_box_is_changed_in_place_and_corners_that_stay_keep_their_text(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    text(XML_A, "<ymin>8<", "<ymin> 8.0 <")(root)
    before = files(root)
    apply(edits(root, A, 2, Put("box", (31, 7, 20, 28.5))))
    assert changed(before, root) == [XML_A]
    expected = before[XML_A].decode().replace("<xmin>30<", "<xmin>32<", 1)
    expected = expected.replace("<xmax>60<", "<xmax>51<").replace("<ymax>35<", "<ymax>35.5<")
    assert (root / XML_A).read_text() == expected


def test_the_base_of_the_set_says_where_the_written_corners_start(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    apply(edits(root, A, 2, Put("box", (31, 7, 20, 28)), base="0"))
    assert "<xmin>31<" in (root / XML_A).read_text()
    assert edits(root, A, 2, Put("area", 12.0)) == []


@pytest.mark.parametrize("number", [1, 2])
def test_an_object_is_taken_out_and_its_class_list_follows(number: int, tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    before = files(root)
    apply(edits(root, C, number, Remove()))
    category, value = (("chair", "1"), ("dog", "0"))[number - 1]
    name = f"ImageSets/Main/{category}_train.txt"
    assert changed(before, root) == [XML_C, name]
    assert before[name].decode().replace(f"{C}  {value}", f"{C} -1") == (root / name).read_text()
    said = before[XML_C].decode()
    start = [place for place in range(len(said)) if said.startswith("\n\t<object>", place)][number - 1]
    stop = said.index("</object>", start) + len("</object>")
    assert (root / XML_C).read_text() == said[:start] + said[stop:]
    assert found(root) == []


def test_the_pixels_of_those_behind_it_get_their_new_numbers_and_keep_their_palette(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    pixels = pixels_of(root / OBJECT_B)
    new = f"\t<object>\n\t\t<name>chair</name>\n{box(1, 1, 9, 3)}\t</object>\n"
    text(XML_B, "\t<object>", new + "\t<object>", 3)(root)  # without pixels, in front of the third
    grey = [number // 3 for number in range(768)]
    save(root / OBJECT_B, np.where(pixels == 3, 4, pixels), grey)
    before = files(root)
    apply(edits(root, B, 3, Remove()))
    assert changed(before, root) == [XML_B, OBJECT_B]
    assert (pixels_of(root / OBJECT_B) == pixels).all()
    with Image.open(root / OBJECT_B) as image:
        assert image.getpalette() == grey
    assert found(root, ignore=["MSK120", "CAT104", "SPL104"]) == []


def test_where_more_would_have_to_change_there_are_no_edits(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    assert edits(root, A, 1, Remove()) == []  # it has pixels
    assert edits(root, C, 1, Remove()) != []
    (root / "ImageSets/Layout").mkdir()
    (root / "ImageSets/Layout/train.txt").write_text(f"{C} 1\n")
    assert edits(root, C, 1, Remove()) == []
    text(XML_A, "</annotation>", f"<object><name>chair</name>{box(1, 1, 9, 3)}</object></annotation>")(root)
    assert edits(root, A, 3, Remove()) != []
    with Image.open(root / OBJECT_A) as image:
        coloured = image.convert("RGB")
    coloured.save(root / OBJECT_A)
    assert len(edits(root, A, 3, Remove())) == 0


def test_what_is_sound_in_a_broken_annotation_can_be_changed(tmp_path: Path) -> None:
    root = voc_set(tmp_path)
    text(XML_C, "<name>chair</name>", "")(root)
    apply(edits(root, C, 2, Put("box", (32, 11, 10, 22))))
    assert "<xmax>42<" in (root / XML_C).read_text()

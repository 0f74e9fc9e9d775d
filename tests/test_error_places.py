"""An error's text of a place is a file below the data set, and a line, a byte or an element in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelkit.errors import FormatError, RecordError
from labelkit.findings import Location
from labelkit.formats._inspect import place_of, placed
from labelkit.formats.coco.index import Index


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{root}/lists/a.txt", Location("lists/a.txt")),
        ("lists/a.txt", Location("lists/a.txt")),
        ("{root}/lists/a.txt:line 12", Location("lists/a.txt", line=12)),
        ("{root}/lists/a.txt:12", Location("lists/a.txt", line=12)),
        ("{root}/lists/a.txt:byte 3", Location("lists/a.txt", offset=3)),
        ("{root}/lists/a.txt:images[0].file_name", Location("lists/a.txt", element="images[0].file_name")),
        ("{root}/b:1.txt:object 2:bndbox", Location("b:1.txt", element="object 2:bndbox")),
        ("{root}/b:1.txt", Location("b:1.txt")),
        ("{root}:000005", Location("set", element="000005")),  # an id of VOC2007, and no line
        ("{root}", Location("set")),
        ("nowhere.txt:line 1", Location("nowhere.txt:line 1")),
        ("a\0b:1", Location("a\0b:1")),
    ],
)
def test_a_place_is_read_from_its_text(text: str, place: Location, tmp_path: Path) -> None:
    root = tmp_path / "set"
    (root / "lists").mkdir(parents=True)
    for name in ("lists/a.txt", "b:1.txt"):
        (root / name).write_text("")
    assert place_of(text.format(root=root), root) == place


def test_a_place_beside_a_data_set_that_is_one_file_is_relative_to_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text("")
    assert place_of(f"{file}:3", file) == Location("records.jsonl", line=3)


def test_an_error_that_knows_its_place_keeps_it_and_another_keeps_the_rest(tmp_path: Path) -> None:
    at = Location("a.xml", line=3)
    assert placed(RecordError("x", "y", at=at), tmp_path).at is at
    error = placed(FormatError(str(tmp_path / "z"), "found", "expected", "advice", code="STR106"), tmp_path)
    assert (type(error), str(error), error.code) == (
        FormatError,
        f"{tmp_path / 'z'}: found; expected expected; advice",
        "STR106",
    )


@pytest.mark.parametrize(("strange", "found"), [(b"NaN", "NaN"), (b'"\xe9"', "not UTF-8")])
def test_the_byte_of_an_error_counts_a_byte_order_mark(strange: bytes, found: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b'\xef\xbb\xbf{"images": [' + strange + b"]}")
    byte = file.read_bytes().index(strange.strip(b'"'))
    with pytest.raises(FormatError, match=f"a.json:byte {byte}: {found}"):
        Index(file)

"""A number or a file of numbers by class, as a person writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import UsageError
from labelkit.thresholds import Thresholds, read_thresholds, written

KNOWN = ("cat", "dog", "traffic light")
unit = st.floats(0, 1)


def read(tmp_path: Path, text: str | bytes) -> Thresholds:
    """What a file of that text says."""
    file = tmp_path / "thresholds.json"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_thresholds(str(file), KNOWN, 0.3)


@pytest.mark.parametrize(("text", "value"), [("0.7", 0.7), ("0", 0.0), ("1", 1.0), ("1e-2", 0.01)])
def test_a_number_is_for_every_class(text: str, value: float) -> None:
    assert read_thresholds(text, KNOWN, 0.3) == Thresholds(value, {})
    assert read_thresholds(text, KNOWN, 0.3).of("cat") == value


def test_a_file_speaks_of_classes_and_of_the_rest(tmp_path: Path) -> None:
    thresholds = read(tmp_path, '\ufeff{"traffic light": 0.9, "*": 0.6, "dog": 1}')
    assert [thresholds.of(name) for name in KNOWN] == [0.6, 1.0, 0.9]


def test_without_a_star_the_rest_has_the_default(tmp_path: Path) -> None:
    assert read(tmp_path, '{"cat": 0.9}') == Thresholds(0.3, {"cat": 0.9})


def test_a_file_whose_name_is_a_number_is_read_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0.5").write_text('{"*": 0.25}')
    assert read_thresholds("0.5", KNOWN, 0.3).default == 0.5
    assert read_thresholds("./0.5", KNOWN, 0.3).default == 0.25


@pytest.mark.parametrize("text", ["1.5", "-0.1", "nan", "inf", "-inf"])
def test_a_number_outside_of_0_to_1_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--threshold: .*; expected a number from 0 to 1"):
        read_thresholds(text, KNOWN, 0.3)


@pytest.mark.parametrize("text", ["", "no such file", "half", "a\0b"])
def test_what_is_neither_a_number_nor_a_file_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is neither a number nor a file; expected a number from 0 to 1, or"):
        read_thresholds(text, KNOWN, 0.3)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is neither a number nor a file"):
        read_thresholds(str(tmp_path), KNOWN, 0.3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"traffic lihgt": 0.5}', "no class 'traffic lihgt'; .*; did you mean traffic light?"),
        ('{"cat": 1.5}', "'cat': 1.5; expected a number from 0 to 1"),
        ('{"cat": NaN}', "'cat': nan; expected a number from 0 to 1"),
        ('{"cat": true}', "'cat': true; expected a number from 0 to 1"),
        ('{"cat": "0.5"}', "'cat': \"0.5\"; expected a number from 0 to 1"),
        ('{"cat": null}', "'cat': null; expected a number from 0 to 1"),
        ('{"cat": [0.5]}', "'cat': .0.5.; expected a number from 0 to 1"),
        ('{"cat": {"x": 1}}', "'cat': an object; expected a number from 0 to 1"),
        ('{"*": -1}', "'[*]': -1; expected a number from 0 to 1"),
        ('{"cat": 0.5, "cat": 0.6}', "'cat' twice; expected each class once; remove one"),
        ("[0.5]", "no JSON object"),
        ("0.5", "no JSON object"),
        ('{"cat": 0.5', "no JSON "),
        (b'{"cat\xff": 0.5}', "no JSON "),
        ("[" * 100_000, "no JSON "),
        ("", "no JSON "),
        ('{"cat": ' + "9" * 5000 + "}", "no JSON |from 0 to 1"),
    ],
)
def test_a_wrong_file_is_refused_and_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "thresholds.json"))


def test_many_classes_are_not_all_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text('{"x": 1}')
    with pytest.raises(UsageError, match=r"class019 and 980 more$"):
        read_thresholds(str(file), [f"class{k:03}" for k in range(1000)], 0.3)


@given(default=unit, classes=st.dictionaries(st.text().filter(lambda name: name != "*"), unit))
def test_what_is_written_is_read_as_the_same(
    tmp_path_factory: pytest.TempPathFactory, default: float, classes: dict[str, float]
) -> None:
    file = tmp_path_factory.getbasetemp() / "written.json"
    file.write_text(written(Thresholds(default, classes)))
    assert read_thresholds(str(file), classes, 0.123) == Thresholds(default, classes)
    assert list(json.loads(file.read_text())) == [*sorted(classes), "*"]

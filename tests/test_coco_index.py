"""The index of a COCO file: spans of bytes that are found window by window, and columns of ids."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.dataset import open_dataset
from labelkit.errors import FormatError
from labelkit.formats._kept import Kept
from labelkit.formats.coco import index as index_module
from labelkit.formats.coco import keys, scan
from labelkit.formats.coco.index import Index
from labelkit.formats.coco.keys import Column, KeyColumn, Spots, repeated_ordinals
from labelkit.formats.coco.scan import Elements, windows

TEXTS = st.text(alphabet='{}[],:" \\aé', max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : "), (",\n  ", ":\t")])
IDS = st.integers(-5, 5) | st.sampled_from([5.0, 0.5, "5", "a", None, True, 2**63, -(2**63), [1]])


class Anything(msgspec.Struct):
    a: Any = None


@given(st.lists(OBJECTS, max_size=12) | st.lists(VALUES, max_size=6), SEPARATORS, st.integers(2, 40))
def test_the_elements_of_a_list_are_those_that_a_decoder_finds(
    values: list[Any], separators: tuple[str, str], window: int
) -> None:
    text = json.dumps(values, separators=separators, ensure_ascii=False)
    data = memoryview(f'  [ "not this" ], {text}, {{}}'.encode())
    start = bytes(data).index(text.encode(), 18)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_WINDOW", window)
        found = [
            (bytes(piece), each.said)
            for each in windows(data, start, start + len(text.encode()), Anything)
            for piece in Elements(data, each.spans)
        ]
    assert [piece for piece, _ in found] == [
        bytes(raw) for raw in msgspec.json.decode(text.encode(), type=list[msgspec.Raw])
    ]
    assert all(
        said is None for value, (_, said) in zip(values, found, strict=True) if type(value) is not dict
    )


@given(st.lists(IDS, max_size=12), st.lists(IDS, max_size=12), st.integers(1, 4))
def test_ids_are_found_as_in_a_table(images: list[Any], asked: list[Any], at_once: int) -> None:
    """As a dict has them: 5 and 5.0 are one id; a list, a truth value and null are none."""
    table: dict[Any, int] = {}
    again = set()
    for position, key in enumerate(images):
        if isinstance(key, int | float | str) and not isinstance(key, bool):
            if key in table:
                again.add(position)
            table.setdefault(key, position)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "SORTED", at_once)
        assert repeated_ordinals(_keys(images)) == again
        distinct = [None if position in again else key for position, key in enumerate(images)]
        found = [spot for piece in Spots(_keys(distinct)).of(_keys(asked)) for spot in piece.tolist()]
    wanted = [
        table.get(key, len(images))
        if isinstance(key, int | float | str) and not isinstance(key, bool)
        else -1
        for key in asked
    ]
    assert found == [len(images) if spot < 0 else spot for spot in wanted]


def _keys(values: list[Any]) -> keys.Keys:
    column = KeyColumn()
    for start in range(0, len(values), 3):
        column.extend(values[start : start + 3])
    return column.keys()


@given(st.lists(st.integers(0, 6), max_size=30))
def test_annotations_are_grouped_in_the_order_of_the_file(owners: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "SORTED", 4)
        column = np.array(owners, dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=7))])
        order = [
            ordinal
            for low, high in index_module._ranges(starts)
            for ordinal in index_module._sorted_between(column, low, high).tolist()
        ]
    assert order == sorted(range(len(owners)), key=lambda ordinal: owners[ordinal])


def test_a_long_column_lies_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_ROOM", 64)
    column = Column()
    for start in range(0, 100, 7):
        column.extend(np.arange(start, min(start + 7, 100)))
    assert column._file is not None
    assert column.array().tolist() == list(range(100))


def test_another_process_opens_the_index_that_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _set(tmp_path)
    reader = open_dataset(file).reader
    wanted = [list(reader.read(part)) for part in reader.parts()]
    data = pickle.dumps(reader)

    def never(self: Index, path: Path) -> None:
        raise AssertionError("indexed again")

    with monkeypatch.context() as patch:
        patch.setattr(Index, "__init__", never)
        copy = pickle.loads(data)
        assert [list(copy.read(part)) for part in copy.parts()] == wanted
    del reader  # and with it the file of the index, as on a machine that never had it
    late = pickle.loads(data)
    assert [list(late.read(part)) for part in late.parts()] == wanted


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    file = _set(tmp_path)
    reader = open_dataset(file).reader
    copy = pickle.loads(pickle.dumps(reader))
    file.write_text(file.read_text() + " ")
    with pytest.raises(FormatError, match="has changed"):
        copy.parts()


def test_the_file_of_an_index_goes_with_its_reader(tmp_path: Path) -> None:
    kept = Kept({"a": 1})
    path = kept.path
    assert path.exists() and kept.open() == {"a": 1}
    del kept
    assert not path.exists()


def _set(tmp_path: Path) -> Path:
    """Two images, their annotations in turn."""
    file = tmp_path / "instances.json"
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 9, "height": 9} for k in (1, 2)]
    annotations = [
        {"id": k, "image_id": 1 + k % 2, "category_id": 1, "bbox": [k, 1, 2, 2], "iscrowd": 0}
        for k in range(1, 5)
    ]
    categories = [{"id": 1, "name": "dog"}]
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return file

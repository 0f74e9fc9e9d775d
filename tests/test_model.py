"""The record model: what it accepts, refuses and keeps, and its published schema."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import records
from pydantic import ValidationError

from labelkit.canonical import decode_record, encode_record
from labelkit.model import BoundingBox, Box, Cell, Image, Instance, Mask, Polygons, Record, Rle
from labelkit.schema import MODELS, schema, schema_text
from labelkit.visible import same

SCHEMAS = Path(__file__).parents[1] / "schemas"


@pytest.mark.parametrize("name", list(MODELS))
def test_the_published_schema_is_current(name: str) -> None:
    path = SCHEMAS / f"{name}.schema.json"
    hint = f"labelkit schema {name} > schemas/{name}.schema.json"
    assert path.read_text("utf-8") == schema_text(name), f"mend it with: {hint}"


@given(record=records())
def test_a_record_survives_its_canonical_text(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


@given(record=records())
def test_every_record_is_valid_by_the_published_schema(record: Record) -> None:
    jsonschema.validate(json.loads(encode_record(record)), schema("record"))


odd_values = st.sampled_from([None, True, "", "x", -1, 0, 1.5, [], {}, [1], {"a": 1}, "kind"])


@settings(max_examples=300)
@given(record=records(), data=st.data())
def test_model_and_schema_agree_on_what_is_a_record(record: Record, data: st.DataObject) -> None:
    value = json.loads(encode_record(record))
    places = list(leaves(value))
    holder, key = data.draw(st.sampled_from(places))
    change = data.draw(st.sampled_from(["replace", "delete", "add"]))
    if change == "replace":
        holder[key] = data.draw(odd_values)
    elif change == "delete":
        del holder[key]
    elif isinstance(holder, dict):
        holder["unheard of"] = 1
    valid = jsonschema.Draft202012Validator(schema("record")).is_valid(value)
    try:
        decode_record(json.dumps(value).encode())
        accepted = True
    except ValidationError:
        accepted = False
    assert accepted == valid


def leaves(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value as (container, key), but for what formats keep in raw."""
    found: list[tuple[Any, Any]] = []
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += leaves(value[key])
    return found


@pytest.mark.parametrize("box", [(1, 2, 3), (1, 2, 3, None), (1, 2, 3, "4"), (1, 2, 3, True)])
def test_a_box_that_is_not_four_numbers_is_refused(box: Any) -> None:
    with pytest.raises(ValidationError):
        BoundingBox(category="cat", box=box)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ValidationError):
        BoundingBox(category="cat", box=Box(0, 0, 1, number))


def test_what_should_not_be_but_can_be_is_accepted() -> None:
    assert BoundingBox(category="cat", box=Box(5, 5, -1, 0)).box.w == -1
    assert Mask(b"[[1,2,3,4]]").shape == Polygons([[[1, 2, 3, 4]]])


def test_a_mask_is_decoded_when_someone_looks() -> None:
    item = Instance(category="cat", mask=Mask(b"[[1,2,"))
    with pytest.raises(ValueError, match="truncated"):
        _ = item.mask.shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (b"[[0,0,4,0,4,4.50]]", Polygons([[[0, 0, 4, 0, 4, 4.5]]])),
        (b'{"parts":[[[0,0,9,0,9,9],[1,1,2,1,2,2]]]}', Polygons([[[0, 0, 9, 0, 9, 9], [1, 1, 2, 1, 2, 2]]])),
        (b'{"size":[3,4],"counts":[0,12]}', Rle((3, 4), [0, 12])),
        (b'{"counts":"0<","size":[3,4]}', Rle((3, 4), "0<")),
        (b'{"map":"objects","value":3}', Cell("objects", 3)),
    ],
)
def test_each_written_form_is_its_shape(text: bytes, shape: Any) -> None:
    assert Mask(text).shape == shape
    assert Mask.of(shape) == Mask(text)
    assert pickle.loads(pickle.dumps(Mask(text))).text == text


@pytest.mark.parametrize("text", [b"{}", b'{"size":[3,4]}', b"3", b'["a"]', b"[[null]]", b'{"counts":[1]}'])
def test_a_malformed_mask_says_so_on_access(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        _ = Mask(text).shape


def test_records_are_the_same_whatever_their_masks_are_written_in() -> None:
    def record(text: bytes) -> Record:
        image = Image(path="a.jpg", width=4, height=3)
        return Record(image=image, objects=(Instance(category="cat", mask=Mask(text)),))

    assert same(record(b'{"size":[3,4],"counts":[0,12]}'), record(b'{"size":[3,4],"counts":"0<"}'))
    assert not same(record(b'{"size":[3,4],"counts":[0,12]}'), record(b'{"size":[3,4],"counts":[1,11]}'))

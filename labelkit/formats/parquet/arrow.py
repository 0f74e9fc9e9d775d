"""Columns of Arrow from the types of the record model, and back.

A column is made from a field's annotation, so that a field that the model gains is stored without a word
here. It encodes a list of Python values as an array and decodes an array to such a list; models are decoded
as dicts, for pydantic to check: what lies in a file is hostile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

import numpy as np
import pyarrow as pa
from pydantic_core import from_json, to_json

from labelkit.model import Box, Model

Values = Sequence[Any]


class Column(Protocol):
    """type: Arrow's. encode, decode: None in a list is null in the array."""

    type: Any

    def encode(self, values: Values) -> Any: ...
    def decode(self, array: Any) -> list[Any]: ...


class Plain:
    """Numbers, flags, text and bytes."""

    def __init__(self, type: Any) -> None:
        self.type = type

    def encode(self, values: Values) -> Any:
        return pa.array(values, self.type)

    def decode(self, array: Any) -> list[Any]:
        values: list[Any] = array.to_pylist()
        return values


class Words:
    """Text of a known vocabulary, coded by a dictionary, which is the same in every shard."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = pa.array(words, pa.string())
        self.codes = {word: code for code, word in enumerate(words)} | {None: None}
        self.type = pa.dictionary(pa.int32(), pa.string())

    def encode(self, values: Values) -> Any:
        codes = pa.array([self.codes[value] for value in values], pa.int32())
        return pa.DictionaryArray.from_arrays(codes, self.words)

    def decode(self, array: Any) -> list[Any]:
        values: list[Any] = array.dictionary_decode().to_pylist()
        return values


class Json:
    """Values of any type, as JSON text. default: what null means, and what is stored as null."""

    type = pa.string()

    def __init__(self, default: dict[str, Any] | None) -> None:
        self.default = default

    def encode(self, values: Values) -> Any:
        texts = [None if value == self.default else to_json(value) for value in values]
        return pa.array(texts, pa.binary()).cast(pa.string())

    def decode(self, array: Any) -> list[Any]:
        return [self.default if text is None else from_json(text) for text in array.to_pylist()]


class Many:
    """Lists of any length. make: what a list of values is made to, such as a tuple."""

    def __init__(self, item: Column, make: Any = tuple, default: Any = None) -> None:
        self.item = item
        self.make = make
        self.default = default
        self.type = pa.list_(item.type)

    def encode(self, values: Values) -> Any:
        flat = [item for value in values if value is not None for item in value]
        return lists(values, self.item.encode(flat))

    def decode(self, array: Any) -> list[Any]:
        starts, items = spans(array), self.item.decode(array.flatten())
        valid = array.is_valid().to_pylist() if array.null_count else [True] * len(array)
        return [
            self.make(items[start:end]) if there else self.default
            for (start, end), there in zip(pairwise(starts), valid, strict=True)
        ]


class Table:
    """Models as a struct. models: of one type, or of several that ``kind`` tells apart."""

    def __init__(self, models: Sequence[type[Model]], columns: Mapping[str, Column]) -> None:
        self.columns = columns
        self.kinds = {model.model_fields["kind"].default: model for model in models if len(models) > 1}
        self.type = pa.struct([(called(name), column.type) for name, column in columns.items()])

    def encode(self, values: Values) -> Any:
        arrays = self.arrays(values)
        absent = pa.array([value is None for value in values], pa.bool_())
        return pa.StructArray.from_arrays(arrays, fields=list(self.type), mask=absent)

    def arrays(self, values: Values) -> list[Any]:
        """Each field of the models as an array."""
        fields = [{} if value is None else value.__dict__ for value in values]
        return [column.encode([each.get(name) for each in fields]) for name, column in self.columns.items()]

    def decode(self, array: Any) -> list[Any]:
        made = self.rows([array.field(called(name)) for name in self.columns], len(array))
        if array.null_count:
            valid = array.is_valid().to_pylist()
            return [row if there else None for row, there in zip(made, valid, strict=True)]
        return made

    def rows(self, arrays: Sequence[Any], length: int) -> list[Any]:
        """The fields of each model; those that no model of the array states are left out."""
        there = [
            (name, column.decode(array))
            for (name, column), array in zip(self.columns.items(), arrays, strict=True)
            if array.null_count < len(array)
        ]
        names = [name for name, _ in there]
        if not names:
            return [{} for _ in range(length)]
        rows = [
            dict(zip(names, row, strict=True)) for row in zip(*(items for _, items in there), strict=True)
        ]
        for row in rows if self.kinds else ():
            self._drop_foreign(row)
        return rows

    def _drop_foreign(self, row: dict[str, Any]) -> None:
        """What only another kind has is null, and no field of this one."""
        model = self.kinds.get(row.get("kind"))
        if model is not None:
            for name in [name for name in row if row[name] is None and name not in model.model_fields]:
                del row[name]


class TableOfLists:
    """Lists of models as one struct of lists, one list a field: what trainers expect objects to be."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.type = pa.struct([(field.name, pa.list_(field.type)) for field in table.type])

    def encode(self, values: Values) -> Any:
        flat = list(chain.from_iterable(values))
        arrays = [lists(values, array) for array in self.table.arrays(flat)]
        return pa.StructArray.from_arrays(arrays, fields=list(self.type))

    def decode(self, array: Any) -> list[Any]:
        """Raises ValueError where the lists of a row have different lengths."""
        fields = [array.field(position) for position in range(len(self.type))]
        starts = spans(fields[0])
        if any(spans(field) != starts for field in fields):
            raise ValueError("the lists of a row have different lengths")
        rows = self.table.rows([field.flatten() for field in fields], starts[-1])
        return [tuple(rows[start:end]) for start, end in pairwise(starts)]


def lists(values: Values, items: Any) -> Any:
    """Items as lists that are as long as the values are; None is null."""
    lengths = np.array([0 if value is None else len(value) for value in values], np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    absent = pa.array([value is None for value in values], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(starts), items, mask=absent)


def spans(array: Any) -> list[int]:
    """Where each list begins in the flattened items, and where the last one ends."""
    lengths = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return [0, *np.cumsum(lengths).tolist()]


def called(name: str) -> str:
    """The name of a column; boxes are called as trainers call them, and are x, y, w, h."""
    return "bbox" if name == "box" else name


_PLAIN = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary()}


class Columns:
    """Columns for annotations.

    words: the vocabulary of fields, by name. special: the columns of types that are no models.
    """

    def __init__(self, words: Mapping[str, Sequence[str]], special: Mapping[Any, Column]) -> None:
        self.words = words
        self.special = special

    def of_models(self, *models: type[Model], without: Sequence[str] = ()) -> Table:
        """The fields of models of one kind, or of several, each once."""
        columns: dict[str, Column] = {}
        for model in models:
            for name, field in model.model_fields.items():
                if name in columns or name in without:
                    continue
                if name == "kind" and len(models) > 1:
                    columns[name] = Words([each.model_fields["kind"].default for each in models])
                elif name != "kind":
                    columns[name] = self.of_field(name, field.annotation, field.default)
        return Table(models, columns)

    def of_field(self, name: str, annotation: Any, default: Any) -> Column:
        """The column of a field; raises TypeError where an annotation is none of those that are known."""
        bare = _bare(annotation)
        if name in self.words:
            return Words(self.words[name])
        if default == () and get_args(bare)[1:] == (Ellipsis,):
            return Many(self.of(get_args(bare)[0]), default=())
        if get_origin(bare) is dict and get_args(bare)[0] is str:
            return Json(default)
        return self.of(bare)

    def of(self, annotation: Any) -> Column:
        bare = _bare(annotation)
        arguments = get_args(bare)
        if bare in self.special:
            return self.special[bare]
        if bare in _PLAIN:
            return Plain(_PLAIN[bare])
        if bare is Box:
            return Many(Plain(pa.float64()))
        if get_origin(bare) is Literal:
            return Words(arguments)
        if get_origin(bare) is dict and arguments[0] is str:
            return Json(None)
        if get_origin(bare) is dict:
            return Pairs(self.of(arguments[0]), self.of(arguments[1]))
        if get_origin(bare) is tuple:
            return Many(self.of(arguments[0]))
        if isinstance(bare, type) and issubclass(bare, Model):
            return self.of_models(bare)
        if get_origin(bare) in (Union, UnionType):
            return self.of_models(*(_bare(each) for each in arguments))
        raise TypeError(f"no column for {annotation}")


class Pairs:
    """Dicts as lists of key and value."""

    def __init__(self, key: Column, value: Column) -> None:
        self.key = key
        self.value = value
        self.type = pa.list_(pa.struct([("value", key.type), ("name", value.type)]))

    def encode(self, values: Values) -> Any:
        given = [value for value in values if value is not None]
        keys = self.key.encode(list(chain.from_iterable(given)))
        named = self.value.encode(list(chain.from_iterable(value.values() for value in given)))
        items = pa.StructArray.from_arrays([keys, named], fields=list(self.type.value_type))
        return lists(values, items)

    def decode(self, array: Any) -> list[Any]:
        items = array.flatten()
        keys, named = self.key.decode(items.field("value")), self.value.decode(items.field("name"))
        starts = spans(array)
        return [
            dict(zip(keys[start:end], named[start:end], strict=True)) if there else None
            for (start, end), there in zip(pairwise(starts), array.is_valid().to_pylist(), strict=True)
        ]


def _bare(annotation: Any) -> Any:
    """An annotation without its constraints, and without None."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        others = [each for each in get_args(annotation) if each is not NoneType]
        if len(others) == 1:
            return _bare(others[0])
    return annotation

"""Categories: as documents say them, joined by name, with ids and values, and as text again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from labelkit.errors import FormatError
from labelkit.formats.coco.index import Index
from labelkit.formats.coco.native import (
    NAME,
    CategoryEntry,
    Entry,
    Key,
    category_decoder,
    is_key,
    object_tail,
    own_id,
    patched,
    record_entries,
)
from labelkit.model import Category

# --- from documents -------------------------------------------------------------------------------------


def joined_categories(
    indexes: Sequence[Index], *, native: bool
) -> tuple[tuple[Category, ...], list[dict[Any, str]]]:
    """The categories of several documents, those of one name as one, and per document the name of every id.

    native: whether they are to keep the text that documents have of them.
    """
    said: dict[str, list[CategoryEntry]] = {}
    entries: dict[str, list[Entry]] = {}
    names: list[dict[Any, str]] = []
    for number, index in enumerate(indexes):
        names.append({})
        for ordinal, (entry, text) in enumerate(_listed(index)):
            names[-1][entry.id] = entry.name
            said.setdefault(entry.name, []).append(entry)
            entries.setdefault(entry.name, []).append([number, ordinal, text])
    categories = tuple(
        Category(
            name=name,
            **category_fields(known),
            raw={NAME: {"id": known[0].id, "entries": entries[name] if native else []}},
        )
        for name, known in said.items()
    )
    return categories, names


def _listed(index: Index) -> Iterator[tuple[CategoryEntry, str]]:
    """The categories of a document with their text.

    Raises FormatError where one is malformed, or two have one id or one name.
    """
    ids: dict[Any, int] = {}
    names: dict[str, Any] = {}
    for ordinal, raw in enumerate(index.categories):
        place = f"{index.path}:categories[{ordinal}]"
        try:
            entry = category_decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise FormatError(place, str(error), "an object with id and name") from None
        if not is_key(entry.id) or not isinstance(entry.name, str) or not entry.name:
            raise FormatError(place, f"id {entry.id!r}, name {entry.name!r}", "an id and a name")
        if entry.id in ids:
            raise FormatError(
                place, f"id {entry.id!r} once more (as in categories[{ids[entry.id]}])", "ids once each"
            )
        if entry.name in names:
            raise FormatError(
                place,
                f"{entry.name!r} twice (ids {names[entry.name]} and {entry.id})",
                "names once each",
                "rename one, or merge them before converting",
            )
        ids[entry.id], names[entry.name] = ordinal, entry.id
        yield entry, bytes(raw).decode()


def category_fields(said: Iterable[CategoryEntry]) -> dict[str, Any]:
    """The model's fields of a category that several documents describe: the first that says it wins."""
    fields: dict[str, Any] = {"supercategory": None, "thing": None, "colour": None}
    for entry in said:
        if fields["supercategory"] is None and isinstance(entry.supercategory, str):
            fields["supercategory"] = entry.supercategory
        if fields["thing"] is None and isinstance(entry.isthing, int) and entry.isthing in (0, 1):
            fields["thing"] = bool(entry.isthing)
        if fields["colour"] is None and _is_colour(entry.color):
            fields["colour"] = tuple(entry.color)
    return fields


def _is_colour(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(byte) is int and 0 <= byte <= 255 for byte in value)
    )


# --- ids and values -------------------------------------------------------------------------------------


def with_ids(categories: Sequence[Category]) -> tuple[Category, ...]:
    """The categories, each with an id: its native one, else the next that is free from 1 on."""
    used = {own_id(category.raw) for category in categories}
    free = (number for number in range(1, len(categories) + len(used) + 1) if number not in used)
    return tuple(
        category
        if own_id(category.raw) is not None
        else category.model_copy(update={"raw": {**category.raw, NAME: {"id": next(free), "entries": []}}})
        for category in categories
    )


def category_entries(category: Category) -> list[Entry]:
    """The entries of a category, one a document."""
    return record_entries(category.raw, "entries")


def category_ids(categories: Sequence[Category], document: int | None) -> dict[str, Key]:
    """The id of every category in a document (None: a new one): as that document says, else its own.

    Where two categories claim one id, the later takes the next free number.
    """
    ids: dict[str, Key] = {}
    for category in categories:
        for entry in category_entries(category):
            if entry[0] == document:
                ids[category.name] = category_decoder.decode(entry[2].encode()).id
    taken = set(ids.values())
    for category in with_ids(categories):
        if category.name not in ids:
            number = own_id(category.raw)
            if number in taken:
                number = int(max((n for n in taken if isinstance(n, int | float)), default=0)) + 1
            ids[category.name] = number
            taken.add(number)
    return ids


def map_values(categories: Sequence[Category]) -> dict[str, int]:
    """The value of every category in a painted map: its id where that is a positive integer.

    0 is the ground that nothing is said of, so that a class with id 0 needs another value.
    """
    ids = [own_id(category.raw) for category in categories]
    good = {n: k for k, n in reversed([*enumerate(ids)]) if type(n) is int and 0 < n < 2**24}
    spare = max(good, default=0)
    values = {}
    for position, (category, number) in enumerate(zip(categories, ids, strict=True)):
        mine = type(number) is int and good.get(number) == position
        spare += not mine
        values[category.name] = number if mine else spare
    return values


# --- to documents ---------------------------------------------------------------------------------------


_KEYS = {"supercategory": "supercategory", "thing": "isthing", "colour": "color"}  # of the model, of COCO


def category_texts(
    categories: Sequence[Category], document: int | None, used: Collection[str]
) -> Iterator[str]:
    """The categories of a document: those it has in their order, then those that are new to it.

    document: its number, or None for a new one, which gets all. used: the names that annotations of the
    document mention. A category that another document states is not added unless it is used here.
    """
    ids = category_ids(categories, document)
    native: list[tuple[int, str]] = []
    added: list[str] = []
    for category in categories:
        entries = category_entries(category)
        mine = [entry for entry in entries if entry[0] == document]
        if mine:
            native.append((mine[0][1], _changed(category, mine[0][2])))
        elif document is None or not entries or category.name in used:
            added.append(_new(category, ids[category.name]))
    yield from (text for _, text in sorted(native))
    yield from added


def _changed(category: Category, text: str) -> str:
    """The native text with what the category says otherwise than its documents do."""
    said = category_fields(category_decoder.decode(entry[2].encode()) for entry in category_entries(category))
    changes: dict[str, bytes | None] = {}
    if category_decoder.decode(text.encode()).name != category.name:
        changes["name"] = msgspec.json.encode(category.name)
    values = _values(category)
    for field, key in _KEYS.items():
        if said[field] != getattr(category, field):
            changes[key] = None if values[key] is None else msgspec.json.encode(values[key])
    return patched(text, changes) if changes else text


def _values(category: Category) -> dict[str, Any]:
    thing = None if category.thing is None else int(category.thing)
    return {"supercategory": category.supercategory, "isthing": thing, "color": category.colour}


def _new(category: Category, key: Any) -> str:
    values = {"id": key, "name": category.name, **_values(category)}
    return "{" + object_tail({name: value for name, value in values.items() if value is not None})

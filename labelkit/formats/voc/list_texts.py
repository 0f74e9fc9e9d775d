"""The text of ImageSets' lists: those that the source had, line by line, and those that labels need."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from labelkit.errors import DestinationError
from labelkit.formats.voc.names import quote
from labelkit.formats.voc.sets import INTEGER, PLAIN, ClassList, usual

UNSPLIT = "all"  # the set of labels whose image stands in no split


class Standing(NamedTuple):
    """What the lists need to know of a written record.

    xml: whether it has an annotation, so that unsaid values are implied. implied: 1 or 0 of the classes of
    its objects. labels: what is said. native: ``Sets.native``. moved: old object number → new one.
    """

    id: str
    path: str
    xml: bool
    pixels: bool
    splits: list[str]
    implied: dict[str, int]
    labels: dict[str, int]
    native: dict[str, list[list[Any]]] | None
    moved: dict[int, int]

    def value(self, category: str) -> int | None:
        """What a class list says of the image; None where nothing does."""
        if category in self.labels:
            return self.labels[category]
        return self.implied.get(category, -1) if self.xml else None


_Lines = dict[str, list[tuple[int, int, str]]]  # list → (0 and native number, or 1 and ordinal; text)


def list_texts(
    standings: Collection[Standing], class_lists: list[ClassList], categories: list[str], mode: str
) -> Mapping[str, str]:
    """The text of every list by name. class_lists: those of the source. mode: auto, always or never."""
    lines: _Lines = {}
    for ordinal, item in enumerate(standings):
        for split in item.splits:
            _add_split(lines, item, split, ordinal)
        for name, entries in (item.native or {}).items():
            if name.startswith("Action/"):
                _add_numbered(lines, item, name, entries)
    wanted = _wanted(standings, class_lists, categories, mode)
    for wish in wanted:
        if wish.name in lines:
            raise DestinationError(
                f"{wish.name}.txt",
                "a split and a class list of one name",
                "one list a file",
                "rename the split",
            )
    for ordinal, item in enumerate(standings):
        for wish in wanted:
            _add_value_line(lines, item, wish, ordinal, complete=mode == "always")
    return {
        name: "".join(f"{text}\n" for _, _, text in sorted(entries, key=lambda entry: entry[:2]))
        for name, entries in sorted(lines.items())
    }


def _add_split(lines: _Lines, item: Standing, split: str, ordinal: int) -> None:
    stem = quote(split)
    native = item.native or {}
    places = [f"{folder}/{stem}" for folder in PLAIN if f"{folder}/{stem}" in native]
    stands = False
    for name in places:
        if name.startswith("Layout/"):
            stands |= _add_numbered(lines, item, name, native[name])
            continue
        stands = True
        for number, *text in native[name]:
            same = bool(text) and str(text[0]).strip() == item.id
            lines.setdefault(name, []).append((0, int(number), str(text[0]) if same else item.id))
    if not stands:
        for folder in PLAIN[: 1 + item.pixels]:
            lines.setdefault(f"{folder}/{stem}", []).append((1, ordinal, item.id))


def _add_numbered(lines: _Lines, item: Standing, name: str, entries: list[list[Any]]) -> bool:
    """Lines that name an object by its number: with its present number, and without objects that are gone."""
    stands = False
    for number, *text in entries:
        line = str(text[0]) if text else item.id
        words = line[len(item.id) :].split() if line.startswith(item.id) else []
        if words:
            old = int(words[0]) if INTEGER.fullmatch(words[0]) else 0
            new = item.moved.get(old)
            if new is None:
                continue
            if new != old:
                line = " ".join([item.id, str(new), *words[1:]])
        lines.setdefault(name, []).append((0, int(number), line))
        stands = True
    return stands


def _wanted(
    standings: Collection[Standing], native: list[ClassList], categories: list[str], mode: str
) -> list[ClassList]:
    """The class lists to be written: asked for, or had by the source, or needed by labels."""
    if mode == "never":
        return []
    wanted = {item.name: item for item in native}
    labelled = any(item.labels for item in standings)
    if mode == "always" or (labelled and not native):
        splits = sorted({split for item in standings for split in item.splits})
        _want(wanted, [(category, split) for category in categories for split in splits])
    by_category: dict[str, list[ClassList]] = {}
    for wish in wanted.values():
        by_category.setdefault(wish.category, []).append(wish)
    for item in standings:
        for category in item.labels:
            lists = by_category.setdefault(category, [])
            if not any(_listed(item, wish, complete=False) for wish in lists):
                more = _want(wanted, [(category, split) for split in item.splits or [UNSPLIT]])
                lists += [wish for wish in more if wish not in lists]
    return list(wanted.values())


def _want(wanted: dict[str, ClassList], pairs: list[tuple[str, str]]) -> list[ClassList]:
    names = [(f"Main/{quote(category)}_{quote(split)}", category, split) for category, split in pairs]
    return [wanted.setdefault(name, ClassList(name, category, split)) for name, category, split in names]


def _listed(item: Standing, wish: ClassList, *, complete: bool) -> bool:
    """Whether an image stands in a class list: natively, or as a member of its set.

    An image that stood in the set, but not in this list, stays out of it unless it has something to say, or
    lists are to be complete.
    """
    native = item.native or {}
    stood = any(f"{folder}/{quote(wish.split)}" in native for folder in PLAIN)
    if wish.name in native:
        return wish.split in item.splits or not stood
    if wish.split in item.splits:
        return complete or not stood or wish.category in item.labels
    return wish.split == UNSPLIT and not item.splits and wish.category in item.labels


def _add_value_line(lines: _Lines, item: Standing, wish: ClassList, ordinal: int, *, complete: bool) -> None:
    value = item.value(wish.category)
    if value is None or not _listed(item, wish, complete=complete):
        return
    entries = (item.native or {}).get(wish.name)
    if not entries:
        lines.setdefault(wish.name, []).append((1, ordinal, usual(item.id, value)))
        return
    for number, *text in entries:
        line = str(text[0]) if text else ""
        same = line.split() and line.strip().startswith(item.id) and _says_value(line, value)
        lines.setdefault(wish.name, []).append((0, int(number), line if same else usual(item.id, value)))


def _says_value(line: str, value: int) -> bool:
    word = line.split()[-1]
    return INTEGER.fullmatch(word) is not None and int(word) == value

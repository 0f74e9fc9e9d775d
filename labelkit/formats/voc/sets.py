"""ImageSets: the lists of images, of classes, of people (Layout) and of actions.

``Main/train.txt`` has one id a line. ``Main/dog_train.txt`` says 1, 0 or −1 of each image (FORMATS 2.2).
``Layout`` and ``Action`` lines name an object by its number. Names cannot tell ``dog_train`` (class dog) from
a list of that name, so the columns do: a class list has two, the last a number.

A line of the usual form is kept as its number alone, any other with its text, so that lists are written
again line by line as they were (``list_texts``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from labelkit.errors import FormatError, RecordError
from labelkit.formats import _files
from labelkit.formats.voc.names import unquote
from labelkit.model import Object

FOLDERS = ("Main", "Segmentation", "Layout", "Action")
PLAIN = FOLDERS[:3]  # whose lists of images are splits
INTEGER = re.compile(r"[+-]?[0-9]+")
VALUES = {"present": 1, "uncertain": 0, "absent": -1}


class ClassList(NamedTuple):
    """A list in Main that says a class of images. name: ``Main/dog_train``."""

    name: str
    category: str
    split: str


class Line(NamedTuple):
    """A line about an image. text: None where ``usual`` would write the same."""

    list: str
    number: int
    text: str | None


@dataclass
class Sets:
    """All lists of a data set.

    values: of an image, the class lists and what they say (1, 0, −1). faults: of an image, what keeps it from
    being read. strays: lines that name no image. broken: lists that cannot be read to their end.
    """

    classes: dict[str, ClassList] = field(default_factory=dict)
    lines: dict[str, list[Line]] = field(default_factory=dict)
    values: dict[str, list[tuple[ClassList, int]]] = field(default_factory=dict)
    faults: dict[str, RecordError] = field(default_factory=dict)
    strays: list[RecordError] = field(default_factory=list)
    broken: list[FormatError] = field(default_factory=list)

    def splits(self, id_: str) -> tuple[str, ...]:
        """The splits of an image, in alphabetical order: lists have no order of their own."""
        names = {line.list for line in self.lines.get(id_, ()) if line.list not in self.classes}
        pairs = (name.split("/", 1) for name in names)
        return tuple(sorted({unquote(stem) for folder, stem in pairs if folder in PLAIN}))

    def native(self, id_: str) -> dict[str, list[list[Any]]]:
        """Where an image stands, as JSON values: list → [[line number] or [line number, text], …]."""
        found: dict[str, list[list[Any]]] = {}
        for line in self.lines.get(id_, ()):
            entry = [line.number] if line.text is None else [line.number, line.text]
            found.setdefault(line.list, []).append(entry)
        return found


def implied_values(objects: Iterable[Object]) -> dict[str, int]:
    """``implied_by`` some objects."""
    return implied_by((item.category, bool(item.difficult)) for item in objects)


def implied_by(objects: Iterable[tuple[str, bool]]) -> dict[str, int]:
    """What objects (class, and whether difficult) imply for class lists: 1, or 0 where all are difficult.

    Classes without an object, which are not there, are −1 (FORMATS 2.2).
    """
    implied: dict[str, int] = {}
    for category, is_difficult in objects:
        implied[category] = max(0 if is_difficult else 1, implied.get(category, 0))
    return implied


def usual(id_: str, value: int) -> str:
    """A line of a class list as the official ones are written."""
    return f"{id_} {value:2d}"


def read_sets(folder: Path, ids: frozenset[str], classes: frozenset[str]) -> Sets:
    """The lists below an ImageSets folder. ids: of images that have an annotation or a PNG.

    classes: names that are known. A file that is unreadable, or no list of either kind, is among the broken.
    """
    return _read_sets(folder, ids, classes, tuple(_stamps(folder)))


def _stamps(folder: Path) -> Iterator[tuple[str, int, int]]:
    """What tells that a list has changed, of every list; of what cannot be looked at its name alone."""
    for part in FOLDERS:
        try:
            files = _lists(folder / part)
        except FormatError as error:
            yield error.place, 0, 0
            continue
        for file in files:
            try:
                stat = file.lstat()
            except OSError:
                yield str(file), 0, 0
            else:
                yield str(file), stat.st_mtime_ns, stat.st_size


def _lists(folder: Path) -> list[Path]:
    """The files of a folder of lists, if there is one. Raises FormatError: it cannot be looked into."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.name.endswith(".txt"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise FormatError(str(folder), f"cannot be read ({error.strerror})", "a readable folder") from None


@lru_cache(maxsize=4)
def _read_sets(
    folder: Path, ids: frozenset[str], classes: frozenset[str], stamps: tuple[tuple[str, int, int], ...]
) -> Sets:
    sets = Sets()
    for part in FOLDERS:
        try:
            files = _lists(folder / part)
        except FormatError as error:
            sets.broken.append(error)
            continue
        stems = {file.stem for file in files}
        for file in files:
            try:
                _read_list(sets, file, f"{part}/{file.stem}", stems, ids, classes)
            except FormatError as error:
                sets.broken.append(error)
    return sets


def _read_list(
    sets: Sets,
    file: Path,
    name: str,
    stems: Collection[str],
    ids: Collection[str],
    classes: Collection[str],
) -> None:
    """Raises FormatError: it is no file of this folder, no text, or no list of either kind."""
    try:
        _files.inside(file.parent, _files.regular(file).name)
    except ValueError as error:
        raise FormatError(str(file), str(error), "a list of this data set", code="STR108") from None
    lines = list(_numbered(file))
    found = _class_list(name, stems, classes) if name.startswith("Main/") else None
    if found and lines and _has_values(lines[0][1], ids):
        sets.classes[found.name] = found
        _read_class_list(sets, file, found, lines)
    else:
        _read_plain(sets, file, name, lines, ids)


def _numbered(file: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(_files.read_text(file).split("\n"), 1):
        if line.strip():
            yield number, line


def _class_list(name: str, stems: Collection[str], classes: Collection[str]) -> ClassList | None:
    """The class and the set that a file name can mean, known classes before known sets."""
    stem = name.split("/", 1)[1]
    cuts = [place for place, letter in enumerate(stem) if letter == "_"]
    pairs = [(stem[:cut], stem[cut + 1 :]) for cut in cuts if 0 < cut < len(stem) - 1]
    pairs = [(head if head in classes else unquote(head), split) for head, split in pairs]
    by_class = [pair for pair in pairs if pair[0] in classes]
    by_set = [pair for pair in pairs if pair[1] in stems]
    for head, split in (*(pair for pair in by_class if pair in by_set), *by_class, *by_set):
        return ClassList(name, head, unquote(split))
    return None


def _has_values(line: str, ids: Collection[str]) -> bool:
    if line.strip() in ids:
        return False
    words = line.split()
    return len(words) > 1 and INTEGER.fullmatch(words[-1]) is not None


def _read_class_list(sets: Sets, file: Path, found: ClassList, lines: list[tuple[int, str]]) -> None:
    for number, line in lines:
        place = f"{file}:line {number}"
        id_, word = [*line.strip().rsplit(None, 1), ""][:2]
        if not _safe(sets, id_, place):
            continue
        if word not in ("1", "0", "-1", "+1"):
            fault = RecordError(place, repr(word), "1, 0 or -1 after the id")
            sets.faults.setdefault(id_, fault)
            sets.lines.setdefault(id_, [])
            continue
        value = int(word)
        text = None if line == usual(id_, value) else line
        sets.lines.setdefault(id_, []).append(Line(found.name, number, text))
        _add_value(sets, id_, found, value, place)


def _add_value(sets: Sets, id_: str, found: ClassList, value: int, place: str) -> None:
    values = sets.values.setdefault(id_, [])
    for other, before in values:
        if other.category == found.category and before != value:
            error = RecordError(
                place,
                f"{value} for class {found.category!r}",
                f"{before}, as in {other.name}.txt",
                "make the lists agree",
                code="LBL101",
            )
            sets.faults.setdefault(id_, error)
            return
    values.append((found, value))


def _read_plain(
    sets: Sets, file: Path, name: str, lines: list[tuple[int, str]], ids: Collection[str]
) -> None:
    numbered = name.startswith(("Layout/", "Action/"))
    for number, line in lines:
        place = f"{file}:line {number}"
        whole = line.rstrip("\r")
        id_ = whole if whole in ids else line.strip()
        if id_ not in ids and numbered:
            id_ = _id_of(id_, ids)
        elif id_ not in ids and " " in id_ and id_.split()[0] in ids:
            raise FormatError(place, f"{id_!r}", "one id a line, in a list that is of no known class")
        if _safe(sets, id_, place):
            text = None if line == id_ else line
            sets.lines.setdefault(id_, []).append(Line(name, number, text))


def _id_of(line: str, ids: Collection[str]) -> str:
    """The id of a line that goes on with numbers. Ids may have spaces."""
    words = line.split()
    most = len(words) - 1
    for count in range(1, min(most, 2) + 1):
        head = line.rsplit(None, count)[0]
        if head in ids:
            return head
    while most and INTEGER.fullmatch(words[most]) and len(words) - most <= 2:
        most -= 1
    return " ".join(words[: most + 1])


def _safe(sets: Sets, id_: str, place: str) -> bool:
    try:
        _files.safe_path(id_)
    except ValueError as error:
        expected = "the id of an image of this data set"
        sets.strays.append(RecordError(place, str(error), expected, code="STR108"))
        return False
    return True

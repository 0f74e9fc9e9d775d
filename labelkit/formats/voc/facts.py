"""What only all files of a VOC data set together say: its classes, and where its boxes start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labelkit.errors import FormatError
from labelkit.findings import Finding
from labelkit.formats import _files
from labelkit.formats._corners import Base
from labelkit.formats._xml import parse
from labelkit.formats.voc.annotation import survey
from labelkit.formats.voc.corners import BaseEvidence
from labelkit.formats.voc.layout import BASE_FILE, CLASSES, SETS, Layout, inside, walk
from labelkit.formats.voc.names import OFFICIAL, Entry, parse_labelmap
from labelkit.formats.voc.sets import read_sets
from labelkit.model import Category, Header


@dataclass(frozen=True)
class Facts:
    """What the survey found.

    classes: all names that could be told without the lists of ImageSets. broken: what keeps a data set from
    being read as what it says, but not from being looked at: lists that cannot be read.
    """

    header: Header
    base: Base
    notes: tuple[Finding, ...]
    classes: frozenset[str]
    broken: tuple[FormatError, ...] = ()


def survey_of(layout: Layout, option: str, stems: frozenset[str]) -> Facts:
    """What all files of a data set together say. stems: of its annotations and PNGs.

    Raises FormatError: labelmap.txt or box-base.txt cannot be read.
    """
    used: set[str] = set()
    evidence = BaseEvidence()
    for name in walk(layout.annotations, ".xml"):
        try:
            file = inside(layout.annotations, name)
            if file is not None:
                survey(parse(file.read_bytes()), used, evidence)
        except (ValueError, OSError):  # told when the record is read
            continue
    labelmap = layout.root / "labelmap.txt"
    text = _files.read_text(labelmap) if labelmap.is_file() else None
    entries = parse_labelmap(text, str(labelmap)) if text is not None else None
    known = used.union(OFFICIAL, (entry.name for entry in entries or ()))
    sets = read_sets(layout.root / SETS, stems, frozenset(known))
    listed = {found.category for found in sets.classes.values()}
    notes: list[Finding] = []
    base = _base(layout, option, evidence, notes)
    broken = [*sets.broken, *_strange_lists(entries, listed, layout)]
    categories = _categories(entries, used | listed, layout, notes)
    own: dict[str, Any] = {"base": base, "lists": [list(item) for item in sets.classes.values()]}
    if layout.folder:
        own["folder"] = layout.folder
    if text is not None:
        own["labelmap"] = text
    header = Header(categories=categories, raw={"voc": own})
    return Facts(header, base, tuple(notes), frozenset(known), tuple(broken))


def _base(layout: Layout, option: str, evidence: BaseEvidence, notes: list[Finding]) -> Base:
    if option != "auto":
        return 0 if option == "0" else 1
    marker = layout.root / BASE_FILE
    if marker.is_file():
        said = _files.read_text(marker).strip()
        if said not in ("0", "1"):
            raise FormatError(str(marker), repr(said), "0 or 1: where boxes start")
        return 0 if said == "0" else 1
    if evidence.assumed:
        message = (
            "nothing says whether boxes start at 0 or 1; assumed the official 1 (--voc-base 0 for the other)"
        )
        notes.append(Finding("NOTE01", str(layout.root), message))
    return evidence.base


def _strange_lists(
    entries: Sequence[Entry] | None, listed: set[str], layout: Layout
) -> Iterator[FormatError]:
    """The first class, if any, that has lists and is none of labelmap.txt."""
    strange = sorted(listed.difference(entry.name for entry in entries)) if entries is not None else []
    if strange:
        place, found = layout.root / SETS / "Main", f"lists of class {strange[0]!r}"
        yield FormatError(str(place), found, "classes of labelmap.txt")


def _categories(
    entries: Sequence[Entry] | None, used: set[str], layout: Layout, notes: list[Finding]
) -> tuple[Category, ...]:
    if entries is not None:
        return tuple(Category(name=entry.name, colour=entry.colour) for entry in entries)
    if used <= set(OFFICIAL):
        return tuple(Category(name=name) for name in OFFICIAL)
    if (layout.root / CLASSES).is_dir():
        message = "there is no labelmap.txt; assumed that the PNGs number the classes in alphabetical order"
        notes.append(Finding("NOTE01", str(layout.root), message))
    return tuple(Category(name=name) for name in sorted(used))

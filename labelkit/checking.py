"""Rules run over what a data set is made of: here, or in another process, which gives back what it found.

A format's parcel is opened, checked and surveyed where it is; a table and image files are sent as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from labelkit.changes import Fix, Put, Remove, known
from labelkit.errors import LabelkitError
from labelkit.findings import Location
from labelkit.formats import get_format
from labelkit.formats._inspect import placed
from labelkit.image_files import ImageFile
from labelkit.map_files import MapFile
from labelkit.model import Record
from labelkit.outline import outline_of
from labelkit.rules import Fault, Rule, rules
from labelkit.survey import FileFacts
from labelkit.surveying import SurveyBuilder, file_facts
from labelkit.table import Table


class Found(NamedTuple):
    """A rule's code, and what it found."""

    code: str
    fault: Fault


@dataclass(frozen=True)
class Checks:
    """What is checked. It pickles small.

    codes: the rules, in order. common: options that several rules take; own: those of single rules, by code.
    root: where the data set lies; format: its name. open_images: whether image files are opened.
    fixes, outlines: how many findings of a rule, of each piece of work, say how they are mended, and have the
    outline of their object.
    """

    codes: tuple[str, ...]
    common: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]]
    root: Path
    format: str
    open_images: bool = True
    fixes: int = 0
    outlines: int = 0

    def outcome(self) -> Outcome:
        """Where what is found is put, with nothing in it yet."""
        return Outcome(SurveyBuilder(get_format(self.format).confirms))

    def found(self, item: object) -> list[Found]:
        """What every rule that looks at this kind of thing finds."""
        return [
            Found(rule.code, fault)
            for rule in _rules_over(self.codes, type(item))  # type: ignore[arg-type]  # mypy: a class has no hash
            for fault in rule.faults(item, self._options(rule))
        ]

    def located(self, found: Iterable[Found], item: object) -> list[Found]:
        """The same with the places of rows said, and the fixes of the first findings of a rule as edits."""
        times: Counter[str] = Counter()
        result = []
        for code, fault in found:
            result.append(Found(code, self._located(fault, item, nth=times[code])))
            times[code] += 1
        return result

    def _options(self, rule: Rule) -> dict[str, Any]:
        given = {name: value for name, value in self.common.items() if name in rule.options}
        return {**given, **self.own.get(rule.code, {})}

    def _located(self, fault: Fault, item: object, *, nth: int) -> Fault:
        where, message, fix = fault.where, fault.message, fault.fix if nth < self.fixes else None
        if isinstance(where, int):
            assert isinstance(item, Table)  # only rules over tables speak of rows
            fix = fix and _settled(fix, item, where, fault.other)
            is_drawn = nth < self.outlines
            other = None if fault.other is None else _at(item, fault.other, is_drawn=is_drawn)
            where = replace(_at(item, where, is_drawn=is_drawn), other=other)
            message = message if other is None else f"{message} {other}"
        return Fault(where, message, fix=fix)


def _at(table: Table, row: int, *, is_drawn: bool) -> Location:
    at = table.locate(row)
    return replace(at, outline=outline_of(table, row)) if is_drawn else at


@lru_cache(maxsize=64)
def _rules_over(codes: tuple[str, ...], kind: type) -> tuple[Rule, ...]:
    return tuple(rules()[code] for code in codes if issubclass(kind, rules()[code].over))


def _settled(fix: Fix, table: Table, row: int, other: int | None) -> Fix | None:
    """A fix of an object as edits of its file, which say more than a row does; None where there are none.

    To take out the copy of another is not safe where it says what the other does not: a score, an attribute.
    """
    change, is_safe = fix.change, fix.is_safe
    if not isinstance(change, Put | Remove):
        return fix
    if is_safe and isinstance(change, Remove) and other is not None:
        is_safe = table.says(row) == table.says(other)
    edits = tuple(table.edits(row, change))
    return Fix(fix.summary, known(*edits), is_safe) if edits else None


@dataclass
class Outcome:
    """What a piece of work has found, and what a survey takes from it."""

    builder: SurveyBuilder
    found: list[Found] = field(default_factory=list)


def check_files(checks: Checks, files: Sequence[ImageFile]) -> list[tuple[list[Found], FileFacts]]:
    """The faults of image files, and what is known of each."""
    return [_checked(checks, file) for file in files]


def check_parcel(
    shared: object, make: Callable[..., Iterator[object]], rest: tuple[Any, ...], checks: Checks
) -> Outcome:
    """Everything that a parcel holds, checked and surveyed where it is. shared: its first argument."""
    outcome = checks.outcome()
    for item in make(shared, *rest):
        take(outcome, checks, item)
    return outcome


def take(outcome: Outcome, checks: Checks, item: object) -> None:
    """Check one thing, and note it for the survey."""
    if isinstance(item, ImageFile):
        found, facts = _checked(checks, item)
        outcome.builder.add_file(item, facts)
        outcome.found += found
        return
    if isinstance(item, Table):
        outcome.builder.add_table(item)
    elif isinstance(item, Record):
        outcome.builder.add_record(item)
    elif isinstance(item, MapFile):
        outcome.builder.add_map(item)
    elif isinstance(item, LabelkitError):
        item = placed(item, checks.root)
        if item.at is not None:
            outcome.builder.add_error(item.at, is_refusal=item.code == "STR108")
    outcome.found += checks.located(checks.found(item), item)


def _checked(checks: Checks, file: ImageFile) -> tuple[list[Found], FileFacts]:
    if not checks.open_images:
        return [], FileFacts(file.name, path=file.path)
    return checks.located(checks.found(file), file), file_facts(file)


def once(found: Iterable[Found]) -> list[Found]:
    """Less what is told again, word for word: an image of which two records speak is looked at for each."""
    first: dict[Hashable, Found] = {}
    for each in found:
        first.setdefault((each.code, each.fault.where, each.fault.message), each)
    return list(first.values())


def without_followers(found: Iterable[Found]) -> list[Found]:
    """Less what a finding about the whole data set says once; that one tells what was left out."""
    found = list(found)
    codes = Counter(code for code, _ in found)
    by = {old: new for new in codes for old in rules()[new].supersedes if old in codes}
    kept = []
    for code, fault in found:
        gone = sorted(old for old, new in by.items() if new == code)
        if gone:
            text = f"{sum(codes[old] for old in gone)} findings that follow from it ({', '.join(gone)})"
            fault = fault._replace(message=f"{fault.message}; {text} are left out")
        if code not in by:
            kept.append(Found(code, fault))
    return kept

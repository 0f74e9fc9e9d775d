"""The registry of rules. A rule is one small function; its docstring is what the user reads.

The type of a rule's first parameter says what it looks at: a ``Table`` of objects, a ``Record``, an
``ImageFile``, a ``MapFile``, the whole ``Survey``, an error of a reader, or a raw document, for defects that
no record can hold: any ``RawDocument``, or a format's own. ``Record | MapFile`` says that it looks at both.
A rule must not ask where a row stands, nor keep anything: rows may be looked at in other processes.
Its keyword parameters are its options, with their defaults (``[tool.labelkit.rules.GEO114] limit = 30``).

A module of this folder has the rules over one subject; other packages add modules by the entry point group
``labelkit.rules``. Codes are stable: the three letters of a family, and three digits.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_type_hints

from labelkit.changes import Fix
from labelkit.errors import UsageError
from labelkit.findings import Location

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
Fixes = Literal["none", "safe", "unsafe", "both"]

FAMILIES: dict[str, str] = {
    "STR": "structure: files that are not what they should be",
    "REF": "references: ids, names and files that do not belong together",
    "GEO": "boxes and polygons",
    "CNV": "conventions: numbers that mean something else than the format says",
    "MSK": "masks and label maps",
    "CAT": "categories",
    "LBL": "image labels",
    "LOC": "localization: one object an image",
    "IMG": "image files",
    "SPL": "splits",
    "STA": "statistics",
}


class Fault(NamedTuple):
    """What a rule found.

    where: the row of a table, or the place itself. message: what was found and, after a semicolon, expected.
    other: a second row that the message speaks of; its place is put after the message. fix: how to mend it.
    """

    where: int | Location
    message: str
    other: int | None = None
    fix: Fix | None = None


Faults = Iterator[Fault]
Check = Callable[..., Faults]


@dataclass(frozen=True)
class Rule:
    """A rule: its code, and a check that yields faults.

    over: the type that it looks at. options: its keyword parameters with their defaults. supersedes: codes
    whose findings say, value by value, what one finding of this rule says of the whole data set. fixes: of
    which kind are those that its faults can have.
    """

    code: str
    severity: Severity
    check: Check
    over: type
    options: Mapping[str, Any] = field(default_factory=dict)
    supersedes: Collection[str] = ()
    fixes: Fixes = "none"

    def faults(self, item: object, options: Mapping[str, Any]) -> Faults:
        """What it finds. Raises UsageError where a fault has a fix of a kind that is not declared."""
        for fault in self.check(item, **options):
            kind = "none" if fault.fix is None else "safe" if fault.fix.is_safe else "unsafe"
            if kind not in ("none", self.fixes) and self.fixes != "both":
                raise UsageError(
                    f"rule {self.code}", f"gives a fix that is {kind}", f"@rule(…, fixes={kind!r})"
                )
            yield fault

    @property
    def name(self) -> str:
        """Kebab case, from the function's name."""
        return self.check.__name__.strip("_").replace("_", "-")

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.documentation.splitlines()[0]

    @property
    def documentation(self) -> str:
        """What is wrong, why it matters, how to mend it, an example."""
        return inspect.cleandoc(self.check.__doc__ or "")


_CheckT = TypeVar("_CheckT", bound=Check)


def rule(
    code: str, severity: Severity = "error", *, supersedes: Collection[str] = (), fixes: Fixes = "none"
) -> Callable[[_CheckT], _CheckT]:
    """Mark a function as the check of a rule; where it finds something, ``supersedes`` find nothing."""

    def mark(check: _CheckT) -> _CheckT:
        check.rule = (code, severity, supersedes, fixes)  # type: ignore[attr-defined]
        return check

    return mark


@cache
def rules() -> dict[str, Rule]:
    """Every rule by code: those of the modules of this folder, then of installed entry points.

    Raises UsageError where a plug-in cannot be loaded, or has a code that another rule has.
    """
    found: dict[str, Rule] = {}
    for info in iter_modules(__path__):
        _collect(import_module(f"{__name__}.{info.name}"), found)
    for point in entry_points(group="labelkit.rules"):
        try:
            module = point.load()
        except Exception as error:  # whatever another package may raise
            raise UsageError(
                f"plug-in {point.value}", f"cannot be loaded ({error})", "", "mend or uninstall it"
            ) from error
        _collect(module, found)
    return dict(sorted(found.items()))


def _collect(module: ModuleType, found: dict[str, Rule]) -> None:
    for check in vars(module).values():
        if not hasattr(check, "rule") or check.__module__ != module.__name__:
            continue
        made = rule_of(check)
        if made.code in found:
            other = found[made.code].check
            raise UsageError(
                f"rule {made.code}", f"of {check.__module__}, and of {other.__module__}", "a code of its own"
            )
        found[made.code] = made


def rule_of(check: Check) -> Rule:
    """The rule that a marked function is."""
    code, severity, supersedes, fixes = check.rule  # type: ignore[attr-defined]
    first, *rest = inspect.signature(check).parameters.values()
    over = get_type_hints(check)[first.name]
    options = {item.name: item.default for item in rest}
    return Rule(code, severity, check, over, options, supersedes, fixes)


def selected(
    select: Collection[str], ignore: Collection[str], *, place: tuple[str, str] = ("--select", "--ignore")
) -> dict[str, Rule]:
    """The rules whose code starts with, or whose name is, one of ``select`` (all if empty), less ``ignore``.

    place: what names the two to the user. Raises UsageError where a word fits no rule, or no rule is left.
    """
    wanted, unwanted = matching(place[0], select), matching(place[1], ignore)
    chosen = (wanted if select else set(rules())) - unwanted
    if not chosen:
        of = f"{len(wanted)} selected" if select else f"{len(rules())}"
        found = f"no rule is left of {of} and {len(unwanted)} ignored"
        raise UsageError(" and ".join(place), found, "at least one rule")
    return {code: item for code, item in rules().items() if code in chosen}


def matching(place: str, words: Iterable[str]) -> set[str]:
    """The codes of the rules that words stand for: families or other beginnings of codes, codes, names, ALL.

    place: who says the words. Raises UsageError, with the nearest word, where one fits no rule.
    """
    found: set[str] = set()
    for word in words:
        codes = {
            code
            for code, item in rules().items()
            if word in ("ALL", item.name) or (re.fullmatch("[A-Z]+[0-9]*", word) and code.startswith(word))
        }
        if not codes and word not in FAMILIES:  # a family whose rules are all in plug-ins may have none
            raise UsageError(
                place,
                f"no rule {word!r}",
                f"a family ({', '.join(FAMILIES)}), a code or a name",
                f"did you mean {near}?" if (near := nearest(word)) else "`labelkit rules` lists them",
            )
        found |= codes
    return found


def nearest(word: str) -> str:
    """The family, code or name that a mistyped word comes nearest to, or nothing."""
    known = [*FAMILIES, *{code[:3] for code in rules()}, *rules(), *(item.name for item in rules().values())]
    for each in (word, word.upper(), word.lower().replace("_", "-")):
        if near := get_close_matches(each, sorted(known), 1):
            return near[0]
    return ""

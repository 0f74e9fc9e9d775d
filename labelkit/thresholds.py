"""Scores from which predictions count: one number, or one a class.

A file is a JSON object ``{class: number, …, "*": number}``; ``"*"`` is for every class that it does not name.
``labelkit prelabel --threshold`` reads it, ``labelkit compare --thresholds-out`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelkit.errors import UsageError, near

REST = "*"
_EXPECTED = 'a number from 0 to 1, or a JSON file {"class": number, "*": number}'
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Thresholds:
    """The least score of a prediction, by class. default: of a class that ``classes`` does not name."""

    default: float
    classes: Mapping[str, float] = field(default_factory=dict)

    def of(self, category: str) -> float:
        """The least score of a prediction of a class."""
        return self.classes.get(category, self.default)


def read_thresholds(text: str, known: Collection[str], default: float) -> Thresholds:
    """What a person said: a number, or the path of a file of thresholds.

    known: the classes there are; a file may name no other. default: for the classes of which a file without
    ``"*"`` says nothing. A text that is a number is never a path: write ``./0.5`` for a file of that name.

    Raises UsageError: neither a number nor such a file, a number outside of 0 to 1, a key twice, an unknown
    class.
    """
    try:
        return Thresholds(_checked("--threshold", float(text)))
    except ValueError:
        pass
    said = _read(Path(text))
    for name in said:
        if name != REST and name not in known:
            raise UsageError(text, f"no class {name!r}", _some_of(known), near(name, known))
    numbers = {name: _checked(f"{text}: {name!r}", value) for name, value in said.items()}
    rest = numbers.pop(REST, default)
    return Thresholds(rest, numbers)


def written(thresholds: Thresholds) -> str:
    """The text of a file of thresholds, which ``read_thresholds`` reads as the same; names in order."""
    table = {**dict(sorted(thresholds.classes.items())), REST: thresholds.default}
    return json.dumps(table, indent=2) + "\n"  # ASCII: halves of surrogate pairs come back, too


def _read(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise UsageError(str(path), f"cannot be read ({error.strerror})", _EXPECTED) from None
    except ValueError:  # a zero byte
        data = None
    if data is None:
        raise UsageError("--threshold", f"{str(path)!r} is neither a number nor a file", _EXPECTED)
    try:
        said = json.loads(data.removeprefix(_BOM), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise UsageError(str(path), f"no JSON ({error})", _EXPECTED) from None
    if not isinstance(said, _Pairs):
        raise UsageError(str(path), "no JSON object", _EXPECTED)
    table = dict(said)
    if len(table) < len(said):
        twice = next(name for name, _ in said if [key for key, _ in said].count(name) > 1)
        raise UsageError(str(path), f"{twice!r} twice", "each class once", "remove one")
    return table


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object: a dict would hide a key that stands twice."""


def _checked(place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        found = "an object" if isinstance(value, _Pairs) else json.dumps(value)
        raise UsageError(place, found, "a number from 0 to 1")
    if not 0 <= value <= 1:
        raise UsageError(place, str(value), "a number from 0 to 1")
    return float(value)


def _some_of(known: Collection[str]) -> str:
    names = sorted(known)
    return f"one of {', '.join(names[:20])}{f' and {len(names) - 20} more' if len(names) > 20 else ''}"

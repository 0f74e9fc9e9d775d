"""Reading hostile JSON: why it is refused and where, keys that stand twice, and where a value stands."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from labelkit.errors import FormatError
from labelkit.formats._files import BOM

T = TypeVar("T")
_STRANGE = re.compile(rb"[:,\[]\s*(-?(?:NaN|Infinity))")
_HUGE = 1e300


def decode_json(data: bytes, place: str, type: type[T] = Any) -> T:  # type: ignore[assignment]
    """JSON as a typed value. Raises FormatError with the offset, what was found and what was expected."""
    try:
        return msgspec.json.decode(data.removeprefix(BOM), type=type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(place, json_fault(error), "valid JSON of this format") from None


def json_fault(error: Exception) -> str:
    """What a JSON decoder found, as the found of a message."""
    if isinstance(error, RecursionError):
        return "values nested too deeply"
    text = str(error)
    return text if text.startswith("JSON") else text[:1].lower() + text[1:]


class Refusal(NamedTuple):
    """Why a text is no JSON. start: the byte at which it is none. code: of the rule that tells it."""

    start: int
    found: str
    expected: str
    advice: str = ""
    code: str = ""


def refusal_of(data: bytes | memoryview, error: Exception) -> Refusal | None:
    """Why a decoder refused a text, of the reasons that all JSON has; None for another."""
    if "truncated" in json_fault(error):
        return Refusal(len(data), "the file ends too early", "a whole JSON file")
    if strange := _STRANGE.search(data):
        found = f"{strange[1].decode()}, which JSON does not know"
        return Refusal(strange.start(1), found, "a finite number", "mend or remove that value", "STR103")
    return None


def repeated_keys(data: bytes, *, outermost: bool = False) -> list[str]:
    """The keys that stand twice in a JSON object or in those inside of it; outermost: in itself alone."""
    found: list[list[str]] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        said = dict(pairs)
        found.append(sorted(key for key in said if keys.count(key) > 1) if len(said) < len(keys) else [])
        return said

    try:
        json.loads(data, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return []
    return found[-1] if outermost and found else [key for keys in found for key in keys]


def address(data: bytes | memoryview | msgspec.Raw) -> int:
    """Where bytes lie in memory: values decoded as ``msgspec.Raw`` are found in their file by it."""
    place: int = np.frombuffer(data, dtype=np.uint8).__array_interface__["data"][0]
    return place


def is_number(value: Any) -> bool:
    """Whether a value is a number that a double can hold, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _HUGE

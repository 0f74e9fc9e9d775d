"""Options of rules and formats, as files and people write them, checked by the signatures that have them."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from labelkit.errors import UsageError, near
from labelkit.formats import formats, get_format
from labelkit.rules import Rule, matching, rules

# What is said once for all rules: a rule takes it by the parameter's name, and nobody sets it for one rule.
COMMON = ("task", "group")

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def rule_options(given: Mapping[str, Mapping[str, Any]], *, place: str) -> dict[str, dict[str, Any]]:
    """Options by the rule's code, where they are by its code or its name.

    place: what comes before the rule's name to say where an option is (``labelkit.toml: rules.``).
    Raises UsageError: no such rule, no such option, a value of another type than the option's.
    """
    options: dict[str, dict[str, Any]] = {}
    for name, values in given.items():
        rule = _rule(place, name)
        hints = own_hints(rule)
        for key, value in values.items():
            where = f"{place}{name}.{key}"
            option = _known(where, key, hints, f"an option of {rule.code} {rule.name}")
            options.setdefault(rule.code, {})[option] = checked(where, value, hints[option])
    return options


def own_hints(rule: Rule) -> dict[str, Any]:
    """The types of a rule's own options, by name."""
    hints = get_type_hints(rule.check)
    return {name: hints[name] for name in rule.options if name not in COMMON}


def format_options(
    given: Mapping[str, Mapping[str, Any]], *, place: str, folder: Path
) -> dict[str, dict[str, Any]]:
    """Options for reading, by format; paths are relative to the folder.

    Raises UsageError: no such format, no such option, a value of another type than the option's.
    """
    options: dict[str, dict[str, Any]] = {}
    for name, values in given.items():
        if name not in formats():
            raise UsageError(f"{place}{name}", "no such format", _one_of(formats()), near(name, formats()))
        hints = reading_hints(name)
        for key, value in values.items():
            where = f"{place}{name}.{key}"
            option = _known(where, key, hints, f"an option for reading {name}")
            value = checked(where, value, hints[option])
            options.setdefault(name, {})[option] = folder / value if _is_path(hints[option]) else value
    return options


def reading_hints(format: str) -> dict[str, Any]:
    """The types of a format's own options for reading, by name."""
    opens: Any = get_format(format).open
    plain = vars(opens)["__init__"] if isinstance(opens, type) else opens
    hints = get_type_hints(plain)
    return {name: hints[name] for name in plain.__kwdefaults__ or {} if name != "images_dir"}


def written_option(text: str) -> tuple[str, str, Any]:
    """A rule, its option and the value that ``GEO114.limit=30`` speaks of. Raises UsageError."""
    name, _, rest = text.partition(".")
    key, equals, said = rest.partition("=")
    if not (name and key and equals):
        raise UsageError("--option", repr(text), "RULE.OPTION=VALUE, as in GEO114.limit=30")
    hint = own_hints(_rule("--option ", name)).get(key.replace("-", "_"), str)
    if fits(said, hint):
        return name, key, said
    try:
        return name, key, json.loads(said)
    except ValueError:
        return name, key, said  # of the wrong type, as the check of it will say


def checked(place: str, value: Any, hint: Any) -> Any:
    """The value, as the type has it. Raises UsageError where it is of another type."""
    if not fits(value, hint):
        raise UsageError(place, f"{shown(value)}", expected(hint))
    return tuple(value) if isinstance(value, list) else value


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of JSON or TOML is of a type; nothing is converted, but a whole number is a number."""
    origin = get_origin(hint)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(hint))
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in get_args(hint) if each is not type(None))
    if origin is tuple:
        return isinstance(value, list) and all(fits(item, get_args(hint)[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if hint is Path:
        return isinstance(value, str | Path)
    return type(value) is hint


def expected(hint: Any) -> str:
    """A type in words."""
    origin = get_origin(hint)
    if origin is Literal:
        return _one_of(json.dumps(choice) for choice in get_args(hint))
    if origin in (Union, types.UnionType):
        return " or ".join(expected(each) for each in get_args(hint) if each is not type(None))
    if origin is tuple:
        return f"a list, each {expected(get_args(hint)[0])}"
    return _WORDS.get(hint, str(hint))


def shown(value: Any) -> str:
    """A value for a message, as JSON where it can be, and short."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _rule(place: str, name: str) -> Rule:
    codes = matching(f"{place}{name}", [name])
    if len(codes) > 1:
        raise UsageError(f"{place}{name}", f"{len(codes)} rules", "the code or the name of one")
    return rules()[codes.pop()]


def _is_path(hint: Any) -> bool:
    return hint is Path or Path in get_args(hint)


def _known(place: str, key: str, hints: Mapping[str, Any], what: str) -> str:
    option = key.replace("-", "_")
    if option in COMMON and option not in hints:
        raise UsageError(place, "not an option of one rule", "", f"say {option} once for all rules")
    if option not in hints:
        raise UsageError(place, f"not {what}", _one_of(hints) or "none, for it has none", near(option, hints))
    return option


def _one_of(words: Any) -> str:
    return ("one of " if len(words := list(words)) > 1 else "") + ", ".join(words)

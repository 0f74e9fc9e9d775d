"""Configuration: ``[tool.labelkit]`` of a pyproject.toml, or the same keys at the top of a labelkit.toml.

The nearest one from the working directory upwards counts, as far as the folder that has a ``.git``. A data
set is input from elsewhere and must not configure the tool that judges it: a file inside it is never found,
it has to be named. Paths in a file are relative to it.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)

from labelkit.errors import UsageError, near
from labelkit.formats import formats as all_formats
from labelkit.globs import compiled
from labelkit.options import format_options, rule_options, shown
from labelkit.rules import SEVERITIES, matching, selected
from labelkit.validation import TASKS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PYPROJECT = "pyproject.toml"
_OWN = "labelkit.toml"
_LIMIT = 10_000_000  # bytes; no configuration is as long, a device is


class _Source(NamedTuple):
    """What messages and relative paths need to know of a file."""

    place: str  # with a colon or the table's name after it
    folder: Path


def _source(info: ValidationInfo) -> tuple[str, _Source]:
    """The place of the key under validation, and its file."""
    source = info.context
    assert isinstance(source, _Source)
    return f"{source.place}{_kebab(info.field_name or '')}", source


def _choice(known: Collection[str]) -> AfterValidator:
    def check(value: str, info: ValidationInfo) -> str:
        if value not in known:
            expected = f"one of {', '.join(known)}"
            raise UsageError(_source(info)[0], shown(value), expected, near(value, known))
        return value

    return AfterValidator(check)


def _expression(value: str, info: ValidationInfo) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise UsageError(_source(info)[0], f"{shown(value)} is no regular expression ({error})") from None
    return value


def _words(value: list[str], info: ValidationInfo) -> list[str]:
    matching(_source(info)[0], value)
    return value


def _path(value: Any, info: ValidationInfo) -> Any:
    return _source(info)[1].folder / value if isinstance(value, str) and value else value


def _folder(value: Path, info: ValidationInfo) -> Path:
    if not value.is_dir():
        raise UsageError(_source(info)[0], f"{value} is no folder", "the folder of the images")
    return value


def _patterns(value: dict[str, list[str]], info: ValidationInfo) -> dict[str, list[str]]:
    """Each pattern, from the data set and from the file's own folder."""
    place, source = _source(info)
    found: dict[str, list[str]] = {}
    for pattern, words in value.items():
        matching(f"{place} {pattern!r}", words)
        compiled(pattern, place)
        found[pattern] = words
        if "/" in pattern and not pattern.startswith("/"):
            found[f"{glob.escape(source.folder.as_posix())}/{pattern.removeprefix('./')}"] = words
    return found


def _rule_options(value: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, dict[str, Any]]:
    return rule_options(value, place=f"{_source(info)[0]}.")


def _format_options(value: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, dict[str, Any]]:
    place, source = _source(info)
    return format_options(value, place=f"{place}.", folder=source.folder)


def _kebab(name: str) -> str:
    return name.replace("_", "-")


_Rules = Annotated[list[str], AfterValidator(_words)]
_Tables = dict[str, dict[str, Any]]


class Config(BaseModel):
    """What a file says; what it does not say is not in ``model_fields_set``."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", alias_generator=_kebab)

    select: _Rules = []
    ignore: _Rules = []
    fail_on: Annotated[str | None, _choice(SEVERITIES)] = None
    task: Annotated[str | None, _choice(TASKS)] = None
    group: Annotated[str | None, AfterValidator(_expression)] = None
    target: Annotated[str | None, _choice(all_formats())] = None
    jobs: Annotated[int | None, Field(ge=1)] = None
    format: Annotated[str | None, _choice(all_formats())] = None
    images: bool = True
    images_dir: Annotated[Path | None, AfterValidator(_folder), BeforeValidator(_path)] = None
    output_format: str | None = None
    baseline: Annotated[Path | None, BeforeValidator(_path)] = None
    per_file_ignores: Annotated[dict[str, list[str]], AfterValidator(_patterns)] = {}
    rules: Annotated[_Tables, AfterValidator(_rule_options)] = {}
    formats: Annotated[_Tables, AfterValidator(_format_options)] = {}


class Found(NamedTuple):
    """The configuration that applies, and the files that do not because the data set has them."""

    file: Path | None
    skipped: list[Path]


def find_config(start: Path, source: Path) -> Found:
    """Look for a configuration from a folder upwards; none counts that lies in the data set."""
    data = (source if source.is_dir() else source.parent).resolve()
    skipped: list[Path] = []
    start = start.resolve()
    for folder in (start, *start.parents):
        if folder.is_relative_to(data):
            with suppress(UsageError):
                skipped += [file] if (file := _file_of(folder)) else []
        elif file := _file_of(folder):
            return Found(file, skipped)
        if os.path.lexists(folder / ".git"):
            break
    return Found(None, skipped)


def read_config(file: Path) -> Config:
    """The configuration of a file.

    Raises UsageError that says where, what was found, and what was expected.
    """
    said, prefix = _table_of(file)
    if said is None:
        raise UsageError(str(file), "has no [tool.labelkit]", "that table", "or a labelkit.toml")
    place = f"{file}: {prefix}"
    try:
        config = Config.model_validate(said, context=_Source(place, file.resolve().parent))
    except ValidationError as error:
        raise _explained(place, error) from None
    selected(config.select, config.ignore, place=(f"{place}select", "ignore"))
    return config


def _file_of(folder: Path) -> Path | None:
    own = folder / _OWN
    if os.path.lexists(own):
        return own
    project = folder / _PYPROJECT
    if os.path.isfile(project) and _table_of(project)[0] is not None:  # noqa: PTH113 (no error where it is shut)
        return project
    return None


def _table_of(file: Path) -> tuple[Any, str]:
    """What a file says to labelkit (None: nothing), and the table that it stands in."""
    document = _toml(file)
    if file.name != _PYPROJECT:
        return document, ""
    tool = document.get("tool")
    return (tool.get("labelkit") if isinstance(tool, dict) else None), "tool.labelkit."


def _toml(file: Path) -> dict[str, Any]:
    advice = "mend it, or go without it by --no-config"
    try:
        with file.open("rb") as stream:
            data = stream.read(_LIMIT + 1)
    except OSError as error:
        raise UsageError(str(file), f"cannot be read ({error.strerror})", "a file of TOML", advice) from None
    if len(data) > _LIMIT:
        raise UsageError(str(file), f"longer than {_LIMIT} bytes", "a configuration", advice)
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(str(file), f"byte {error.start} is no UTF-8", "UTF-8, as TOML is", advice) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(str(file), f"is no TOML ({error})", "", advice) from None


_EXPECTED = {
    "string_type": "a text in quotes",
    "list_type": 'a list, as in ["GEO", "MSK101"]',
    "dict_type": "a table",
    "bool_type": "true or false",
    "is_instance_of": "a path in quotes",
    "model_type": "a table",
}


def _explained(place: str, error: ValidationError) -> UsageError:
    """The first problem that pydantic found, in words of the file; the others are counted."""
    problems = error.errors(include_url=False)
    first = problems[0]
    key = ".".join(str(step) for step in first["loc"])
    more = f"and {len(problems) - 1} more to mend" if len(problems) > 1 else ""
    where = f"{place}{key}".rstrip(".")
    if first["type"] != "extra_forbidden":
        expected = _EXPECTED.get(first["type"], first["msg"])
        return UsageError(where, shown(first["input"]), expected, more)
    known = [_kebab(name) for name in Config.model_fields]
    advice = [near(_kebab(key), known), more]
    if key == "tool":
        advice[0] = "in this file they stand at the top, without [tool.labelkit]"
    return UsageError(where, "unknown key", f"one of {', '.join(known)}", "; ".join(filter(None, advice)))

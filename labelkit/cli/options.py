"""Options that commands share: lists at commas, and the formats' own, read from their signatures."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import click

from labelkit.engine import ENGINES
from labelkit.formats import formats
from labelkit.storage import Remote, is_url, parsed

jobs = click.option(
    "--jobs", type=click.IntRange(min=1), default=None, show_default="all cores", help="Processes."
)


class PlaceType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.4 on, not before
    """A local path, or a URL of shared storage, which stays text. exists: whether a path must be there."""

    name = "place"

    def __init__(self, *, exists: bool = False) -> None:
        self.path = click.Path(path_type=Path, exists=exists)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if is_url(value):
            value = parsed(value)
        return str(value) if isinstance(value, Remote) else self.path.convert(value, param, ctx)


def cluster(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where work runs."""
    where = click.option(
        "--engine", type=click.Choice(ENGINES), default="processes", show_default=True,
        help="Where work runs: here, or on a Ray cluster whose nodes see the same files.",
    )  # fmt: skip
    address = click.option("--ray-address", metavar="ADDRESS", help="The cluster's, if not RAY_ADDRESS.")
    return where(address(command))


class Sectioned(click.Command):
    """A command whose help has its options in sections, and those for each format in one of their own."""

    sections: dict[str, list[str]]

    def __init__(self, *arguments: Any, sections: dict[str, list[str]], **rest: Any) -> None:
        """sections: names of parameters by title, in order; those in none, the help, come last."""
        super().__init__(*arguments, **rest)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        titles = {name: title for title, names in self.sections.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in self.sections}
        for parameter in self.get_params(ctx):
            name = parameter.name or ""
            format = name.partition("_")[0]
            title = titles.get(name) or (f"For {format}" if format in formats() else "Options")
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record:
                rows.setdefault(title, []).append(record)
        for title, records in rows.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def comma(
    choices: tuple[str, ...] | None,
) -> Callable[[click.Context, click.Parameter, Any], tuple[str, ...]]:
    """A callback that splits values at commas and, where there are choices, refuses others."""

    def split(ctx: click.Context, param: click.Parameter, value: Any) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else list(value or ())
        words = tuple(word.strip() for text in values for word in text.split(",") if word.strip())
        for word in words:
            if choices and word not in choices:
                raise click.BadParameter(f"{word!r} is not one of {', '.join(choices)}")
        return words

    return split


def format_options(*functions: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add every format's own options, read from the signatures of its ``open`` or ``create``, or of both."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, item in reversed(formats().items()):
            for option, parameter, hint in _parameters(*(getattr(item, each) for each in functions)):
                command = _option(name, option, parameter, hint)(command)
        return command

    return add


def take_format_options(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Take the formats' own options out of what a command was given: by format, those that were said."""
    options: dict[str, dict[str, Any]] = {}
    for key in list(given):
        name, _, option = key.partition("_")
        if name in formats() and (value := given.pop(key)) is not None:
            options.setdefault(name, {})[option] = value
    return options


def _parameters(*functions: Callable[..., Any]) -> Iterator[tuple[str, Parameter, Any]]:
    seen: set[str] = set()
    for function in functions:
        plain = vars(function)["__init__"] if isinstance(function, type) else function
        hints = get_type_hints(plain, include_extras=True)
        for option, parameter in signature(function).parameters.items():
            own = parameter.kind is Parameter.KEYWORD_ONLY and option != "images_dir"
            if own and option not in seen:
                seen.add(option)
                yield option, parameter, hints.get(option, str)


def _option(name: str, option: str, parameter: Parameter, hint: Any) -> Callable[..., Any]:
    """A click option; ``Annotated[type, "text"]`` in the signature gives its help."""
    flag = f"--{name}-{option.replace('_', '-')}"
    text = next((each for each in get_args(hint)[1:] if isinstance(each, str)), "")
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    else:
        text = ""
    if parameter.default is not None:
        text = f"{text} [default: {parameter.default}]"
    if hint is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", f"{name}_{option}", default=None, help=text)
    return click.option(flag, f"{name}_{option}", type=_click_type(hint), default=None, help=text)


def _click_type(hint: Any) -> Any:
    if get_origin(hint) is Literal:
        return click.Choice([str(choice) for choice in get_args(hint)])
    if get_origin(hint) in (Union, types.UnionType):
        return _click_type(next(arg for arg in get_args(hint) if arg is not type(None)))
    if hint is Path:
        return click.Path(path_type=Path, exists=True)
    return {int: click.INT, float: click.FLOAT}.get(hint, click.STRING)

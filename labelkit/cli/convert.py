"""``labelkit convert``: read, fit, write, and print the ledger."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from labelkit.derive import DERIVABLE
from labelkit.errors import DestinationError, UsageError
from labelkit.findings import Finding
from labelkit.formats import formats
from labelkit.pipeline import IMAGES, Report, convert
from labelkit.select import TYPES

_EXAMPLES = 3


def _comma(
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


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every format's own options, read from the signatures of its ``open`` and ``create``."""
    for name, item in reversed(formats().items()):
        for option, parameter, hint in _parameters(item.open, item.create):
            command = _option(name, option, parameter, hint)(command)
    return command


def _parameters(*functions: Callable[..., Any]) -> Iterator[tuple[str, Parameter, Any]]:
    seen: set[str] = set()
    for function in functions:
        hints = get_type_hints(vars(function)["__init__"] if isinstance(function, type) else function)
        for option, parameter in signature(function).parameters.items():
            own = parameter.kind is Parameter.KEYWORD_ONLY and option != "images_dir"
            if own and option not in seen:
                seen.add(option)
                yield option, parameter, hints.get(option, str)


def _option(name: str, option: str, parameter: Parameter, hint: Any) -> Callable[..., Any]:
    flag = f"--{name}-{option.replace('_', '-')}"
    text = f"[{name}] default: {parameter.default}" if parameter.default is not None else f"[{name}]"
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


@click.command(name="convert", short_help="Convert a data set.")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("destination", metavar="DST", type=click.Path(path_type=Path))
@click.option("--to", "to", required=True, help="Format of DST.")
@click.option("--from", "source_format", help="Format of SRC; detected if not said.")
@click.option("--split", "splits", multiple=True, callback=_comma(None), help="Only these splits.")
@click.option("--only", callback=_comma(TYPES), help=f"Only these label types: {', '.join(TYPES)}.")
@click.option("--classes", multiple=True, callback=_comma(None), help="Only these classes.")
@click.option(
    "--images", type=click.Choice(IMAGES), default="copy", show_default=True, help="How images come."
)
@click.option(
    "--images-dir", type=click.Path(path_type=Path, exists=True), help="Where the images of SRC lie."
)
@click.option("--map", "class_map", help="Rename classes: a shipped map, or a JSON file of old: new.")
@click.option("--derive", "derived", callback=_comma(DERIVABLE), help=f"Make: {', '.join(DERIVABLE)}.")
@click.option("--strict", is_flag=True, help="Refuse to lose what the carrier cannot bring back (exit 1).")
@click.option("--carrier/--no-carrier", default=True, show_default=True, help="Write the sidecar.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the ledger as JSON.")
@click.option("--on-error", type=click.Choice(["stop", "skip"]), default="stop", show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace DST.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@format_options
def command(
    source: Path,
    destination: Path,
    to: str,
    source_format: str | None,
    report: Path | None,
    output_format: str,
    **rest: Any,
) -> int:
    """Convert SRC to DST; DST appears whole, or not at all.

    Whatever the target cannot hold is in the ledger that is printed, and in the carrier beside DST, which
    brings it back when DST is converted again.
    """
    own = {key: rest.pop(key) for key in list(rest) if key.partition("_")[0] in formats()}
    given = {key: value for key, value in own.items() if value is not None}
    for key in given:
        if key.partition("_")[0] not in (source_format, to) and source_format:
            raise UsageError(f"--{key.replace('_', '-')}", "belongs to neither format of this conversion")
    if report and report.exists() and not rest["overwrite"]:
        raise DestinationError(str(report), "exists already", "a new name", "or say --overwrite")
    with _progress() as progress:
        done = convert(
            source,
            destination,
            to=to,
            source_format=source_format,
            read_options=_read_options(source, source_format, given),
            write_options=_own(given, to, formats()[to].create) if to in formats() else {},
            progress=progress,
            **rest,
        )
    if report:
        report.write_text(json.dumps(done.as_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if output_format == "json":
        click.echo(json.dumps(done.as_json(), indent=2, ensure_ascii=False))
    else:
        _print(done)
    return 1 if done.errors else 0


def _read_options(source: Path, source_format: str | None, given: dict[str, Any]) -> dict[str, Any]:
    from labelkit.formats import detect

    if not given or not source.exists():
        return {}
    name = source_format or next(iter(detect(source)))
    return _own(given, name, formats()[name].open) if name in formats() else {}


def _own(given: dict[str, Any], name: str, function: Callable[..., Any]) -> dict[str, Any]:
    known = signature(function).parameters
    options = {key.partition("_")[2]: value for key, value in given.items() if key.partition("_")[0] == name}
    return {key: value for key, value in options.items() if key in known}


@contextmanager
def _progress() -> Iterator[Callable[[int], None] | None]:
    """A bar on a terminal, nothing in a pipe or a file."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("converting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda count: bar.update(task, advance=count)


def _print(done: Report) -> None:
    """The ledger, as a table on a terminal and as plain lines elsewhere."""
    lines = [
        f"{done.source} ({done.source_format}) -> {done.destination} ({done.target_format}): "
        f"{done.records} records, {done.objects} objects, {done.images} images"
    ]
    for title, prefix in _SECTIONS:
        rows = [row for row in done.ledger.rows() if row[0].startswith(prefix)]
        if rows:
            lines.append(title)
        for code, name, count, examples in rows:
            fate = _FATE[examples[0].carried] if code[:4] in ("LOS1", "LOS2") else ""
            lines.append(f"  {code} {name:<22} {count:>7}{fate}")
            lines += [f"      {text}" for text in _say(examples, done.ledger.messages[code])]
    if done.ledger.uncarried:
        lines.append("Nothing will bring these back: there is no carrier.")
    if any(code.startswith("ODD") for code in done.ledger.counts):
        lines.append("`labelkit validate` finds such defects before a conversion does.")
    if done.errors:
        lines.append(f"{len(done.errors)} records were left out:")
        lines += [f"  {error}" for error in done.errors]
    click.echo("\n".join(lines))
    sys.stdout.flush()


def _say(examples: list[Finding], messages: dict[str, int]) -> Iterator[str]:
    """The first messages of a code, each with its count or, where it was said once, with its place."""
    for example in examples[:_EXAMPLES]:
        count = messages[example.message]
        where = f"{count} times, first at {example.place}" if count > example.count else example.place
        yield f"{where}: {example.message}"


_FATE = {True: "  [carried]", False: "  [lost]", None: ""}
_SECTIONS = (
    ("Assumed:", "NOTE"),
    ("Legal but odd, converted as it is:", "ODD"),
    ("Dropped:", "LOS1"),
    ("Changed:", "LOS2"),
    ("Derived, for the target's tools or as asked for:", "LOS3"),
)

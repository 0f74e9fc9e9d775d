"""``labelkit convert``: read, fit, write, and print the ledger."""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from labelkit.derive import DERIVABLE
from labelkit.errors import DestinationError
from labelkit.findings import Finding
from labelkit.formats import formats
from labelkit.images import IMAGES
from labelkit.pipeline import Report, convert
from labelkit.select import TYPES, shipped_maps

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


@click.command(name="convert", short_help="Convert a data set.")
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("destination", metavar="DST", type=click.Path(path_type=Path))
@click.option("--to", "to", required=True, help="Format of DST.")
@click.option("--from", "from_", help="Format of SRC; detected if not said.")
@click.option("--split", "splits", multiple=True, callback=_comma(None), help="Only these splits: a,b.")
@click.option("--only", callback=_comma(TYPES), help=f"Only these label types: {', '.join(TYPES)}.")
@click.option("--classes", multiple=True, callback=_comma(None), help="Only these classes: a,b.")
@click.option("--images", type=click.Choice(IMAGES), default="copy", show_default=True, help="How they come.")
@click.option("--images-dir", type=click.Path(path_type=Path, exists=True), help="Where SRC has its images.")
@click.option("--map", "class_map", help=f"Rename classes: {', '.join(shipped_maps())}, or a JSON file.")
@click.option("--derive", "derived", callback=_comma(DERIVABLE), help=f"Make: {', '.join(DERIVABLE)}.")
@click.option("--strict", is_flag=True, help="Refuse to lose what the carrier cannot bring back (exit 1).")
@click.option("--carrier/--no-carrier", default=True, show_default=True, help="Write the sidecar.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write the ledger as JSON.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="Records that cannot be read: write nothing, or leave them out (exit 1).",
)
@click.option("--overwrite", is_flag=True, help="Replace the data set at DST.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@format_options
def command(source: Path, destination: Path, report: Path | None, output_format: str, **rest: Any) -> int:
    """Convert SRC to DST; DST appears whole, or not at all.

    Whatever the target cannot hold is in the ledger that is printed, and in the carrier beside DST, which
    brings it back when DST is converted again. Options that start with a format's name are for reading or
    writing that format.
    """
    options: dict[str, dict[str, Any]] = {}
    for key in list(rest):
        name, _, option = key.partition("_")
        if name in formats() and (value := rest.pop(key)) is not None:
            options.setdefault(name, {})[option] = value
    if report:
        _check_report(report, overwrite=rest["overwrite"])
    with _progress() as progress:
        done = convert(source, destination, options=options, progress=progress, **rest)
    text = json.dumps(done.as_json(), indent=2, ensure_ascii=False)
    if report:
        report.write_text(text + "\n", "utf-8")
    _say_result(text if output_format == "json" else _ledger_text(done))
    return 1 if done.errors else 0


def _check_report(report: Path, *, overwrite: bool) -> None:
    """Find out before the work is done whether its report can be written."""
    if report.exists() and not overwrite:
        raise DestinationError(str(report), "exists already", "", "choose a new name, or say --overwrite")
    if not os.access(report if report.exists() else report.absolute().parent, os.W_OK):
        raise DestinationError(str(report), "cannot be written", "a place in a writable folder")


def _say_result(text: str) -> None:
    try:
        click.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, AttributeError) as error:  # a full disk, or no stdout at all
        raise DestinationError(
            "stdout", f"the data set is written, but its ledger cannot be printed ({error})"
        ) from None


@contextmanager
def _progress() -> Iterator[Callable[[int, int | None], None] | None]:
    """A bar on a terminal, nothing in a pipe or a file."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("converting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _ledger_text(done: Report) -> str:
    """The ledger as lines: what was assumed, what is odd, then losses by what became of the values."""
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
            lines += [f"      {text}" for text in _examples(count, examples, done.ledger.messages[code])]
    if done.ledger.uncarried:
        lines.append("Nothing will bring back what is [lost]: there is no carrier.")
    if done.errors:
        lines.append(f"{len(done.errors)} records were left out:")
        lines += [f"  {error}" for error in done.errors]
    return "\n".join(lines)


def _examples(count: int, examples: list[Finding], messages: dict[str, int]) -> Iterator[str]:
    """The first messages of a code, each with its count or, where it was said once, with its place."""
    for example in examples[:_EXAMPLES]:
        said = messages[example.message]
        count -= said
        where = f"{said} times, first at {example.place}" if said > example.count else example.place
        yield f"{where}: {example.message}"
    if count > 0:
        yield f"and {count} more (--report FILE lists the kinds)"


_FATE = {True: "  [carried]", False: "  [lost]", None: ""}
_SECTIONS = (
    ("Noted:", "NOTE"),
    ("Legal but odd, converted as it is:", "ODD"),
    ("Dropped:", "LOS1"),
    ("Changed:", "LOS2"),
    ("Derived, for the target's tools or as asked for:", "LOS3"),
)

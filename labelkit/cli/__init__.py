"""The command line: one file a command, loaded when it is called, so that help comes at once.

stdout is the result, stderr is progress and diagnostics. Exit codes: 0 done, 1 findings or a refusal or
something left out, 2 wrong usage or unreadable input or an internal error, 130 Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
import traceback
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

import labelkit
from labelkit.cli.streams import mute, replace_closed
from labelkit.errors import BadRecordsError, LabelkitError, LossError
from labelkit.outputs.words import visible

_COMMANDS = {
    "convert": "Move every label from one format to another, or say which could not.",
    "formats": "List the formats and what each carries, or detect one.",
    "validate": "Find every defect of a data set.",
    "prelabel": "Let a model label images before a human does.",
    "compare": "Tell what a reviewer did with a machine's labels.",
    "models": "List the models there are for a task.",
    "show": "Draw labels on images: PNG files, and a gallery in one HTML file.",
    "stats": "Count images, objects, labels and pixels by class and split.",
    "rules": "List the rules of validate, or explain some.",
    "schema": "Print the JSON Schema of the canonical form.",
}


# What is left of the work of a command that was stopped.
_STOPPED = {
    "convert": "; nothing was written",
    "show": "; nothing was written",
    "prelabel": "; no labels were written, what was predicted is kept: --resume goes on with it",
}


class _Lazy(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        word = args[0]
        if word not in _COMMANDS and not word.startswith("-"):
            near = get_close_matches(word.lower(), _COMMANDS, 1)
            advice = f"did you mean {near[0]}?" if near else f"one of {', '.join(_COMMANDS)}"
            raise click.UsageError(f"No such command {word!r}; {advice}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"labelkit.cli.{name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would exit with 1, or not, by how much was buffered
            mute()
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(labelkit.__version__, prog_name="labelkit")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(debug: bool) -> None:
    """Convert computer-vision annotations, and lose nothing in silence; find every defect of a data set."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: every failure is one line and a code, tracebacks are for --debug."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in arguments  # wherever it stands
    replace_closed()
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _terminated)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names can hold what no encoding has
    try:
        code = cli.main([word for word in arguments if word != "--debug"], "labelkit", standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:
        if debug and not isinstance(error, click.ClickException | SystemExit):
            traceback.print_exc()
        code = _code_of(error, next((word for word in arguments if word in _STOPPED), ""))
    sys.exit(code if isinstance(code, int) else 0)


def _terminated(number: int, frame: object) -> None:
    raise SystemExit(128 + number)  # as a Ctrl-C: everything that was begun is undone on the way out


def _code_of(error: BaseException, command: str) -> int:
    """Tell what went wrong, and give the exit code."""
    nothing = _STOPPED.get(command, "")
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return _complain(f"stopped; {error}" if str(error) else f"stopped{nothing}", 130)
    if isinstance(error, SystemExit):
        if isinstance(error.code, int) and error.code > 128:
            return _complain(f"terminated{nothing}", error.code)
        return error.code if isinstance(error.code, int) else 0
    if isinstance(error, click.ClickException):
        with suppress(OSError):
            error.show()
        return 2
    if isinstance(error, BrokenPipeError):
        mute()
        return 0
    if isinstance(error, LabelkitError):
        for each in error.errors if isinstance(error, BadRecordsError) else []:
            click.echo(f"error: {visible(str(each))}", err=True)
        return _complain(f"error: {error}", 1 if isinstance(error, LossError) else 2)
    if isinstance(error, OSError):
        return _complain(f"error: {error.filename or 'input or output'}: {error.strerror or error}", 2)
    text = f"internal error: {type(error).__name__}: {error}"
    return _complain(f"{text}; this is a bug of labelkit; --debug shows where", 2)


def _complain(text: str, code: int) -> int:
    with suppress(OSError):  # a full or closed stderr: the code still tells
        click.echo(f"labelkit: {visible(text)}", err=True)
    return code

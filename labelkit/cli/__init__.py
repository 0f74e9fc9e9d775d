"""The command line: one file a command, loaded when it is called, so that help comes at once.

stdout is the result, stderr is progress and diagnostics. Exit codes: 0 done, 1 findings or a refusal or
something left out, 2 wrong usage or unreadable input or an internal error, 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

import labelkit
from labelkit.errors import BadRecordsError, LabelkitError, LossError

_COMMANDS = {
    "convert": "Move every label from one format to another, or say which could not.",
    "formats": "List the formats and what each carries, or detect one.",
    "schema": "Print the JSON Schema of the canonical form.",
}


class _Lazy(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"labelkit.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(labelkit.__version__, prog_name="labelkit")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(debug: bool) -> None:
    """Convert, validate and pre-label computer-vision annotations, and lose nothing in silence."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: every failure is one line and a code, tracebacks are for --debug."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(arguments, prog_name="labelkit", standalone_mode=False)
        _flush()
    except click.exceptions.Abort:
        code = _complain("stopped; nothing was written", 130)
    except KeyboardInterrupt:
        code = _complain("stopped; nothing was written", 130)
    except click.ClickException as error:
        error.show()
        code = 2
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): its business. Keep the interpreter quiet at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except LabelkitError as error:
        if "--debug" in arguments:
            raise
        for each in error.errors if isinstance(error, BadRecordsError) else []:
            click.echo(f"error: {each}", err=True)
        code = _complain(f"error: {error}", 1 if isinstance(error, LossError) else 2)
    except Exception as error:
        if "--debug" in arguments:
            raise
        code = _complain(
            f"internal error: {type(error).__name__}: {error}; this is a bug, please report it with --debug",
            2,
        )
    sys.exit(code if isinstance(code, int) else 0)


def _flush() -> None:
    sys.stdout.flush()


def _complain(text: str, code: int) -> int:
    click.echo(f"labelkit: {text}", err=True)
    return code

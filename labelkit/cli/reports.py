"""Where a report goes: to stdout, or whole into a file beside which stdout has the counts alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO, cast

from labelkit.cli.streams import result
from labelkit.errors import DestinationError, UsageError
from labelkit.outputs.text import summary
from labelkit.publish import refuse_irregular, replacing
from labelkit.survey import IMAGE_SUFFIXES
from labelkit.validation import Validation

# What a data set can be made of; a report of another kind may lie in its folder.
_OF_DATA = {".json", ".jsonl", ".xml", ".txt", ".csv"} | IMAGE_SUFFIXES

Write = Callable[[Validation, TextIO], None]
Named = Callable[[str], str]


def output(module: str, name: str) -> Write:
    """A function of an output module, imported when it is asked for."""
    write: Write = getattr(import_module(f"labelkit.outputs.{module}"), name)
    return write


def refuse_target(target: Path | None, output_format: str, source: Path) -> None:
    """Refuse, before the work, where a report cannot go.

    Raises DestinationError where it cannot be a file, or would be taken for a part of the data set;
    UsageError where a page would go to a terminal.
    """
    if target is None:
        if output_format == "html" and sys.stdout.isatty():
            raise UsageError("--output-format html", "on a terminal", "-o FILE, or a pipe")
        return
    refuse_irregular(target)
    here, there = source.resolve(), target.resolve()
    if here == there:
        raise DestinationError(str(target), "is the data set itself", "another file")
    if there.suffix.lower() in _OF_DATA and here.is_dir() and there.is_relative_to(here):
        kinds = ".html, .sarif or .log"
        raise DestinationError(
            str(target), "would be taken for a part of the data set", f"a place outside it, or {kinds}"
        )


def write_report(done: Validation, write: Write, target: Path | None, named: Named = str) -> None:
    """Write a report. Raises DestinationError where it cannot be written; a file is as it was, then."""
    write_text(partial(write, done), target, named)
    if target is not None:
        with result() as stream:
            stream.write(named(summary(done)) + "\n")


def write_text(write: Callable[[TextIO], None], target: Path | None, named: Named = str) -> None:
    """Write to stdout, or whole into a file. Raises DestinationError.

    named: what is done to all text, so that it has the names that a person knows.
    """
    with result() if target is None else replacing(target) as stream:
        write(stream if named is str else cast(TextIO, _Renaming(stream, named)))


class _Renaming:
    """A stream whose text is given other names on its way; a name comes in one piece."""

    def __init__(self, stream: TextIO, named: Named) -> None:
        self.stream = stream
        self.named = named

    def write(self, text: str) -> int:
        return self.stream.write(self.named(text))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

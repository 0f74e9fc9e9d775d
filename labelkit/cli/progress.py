"""A progress bar on a terminal; nothing in a pipe or a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int, int | None], None]


@contextmanager
def progress(verb: str) -> Iterator[Advance | None]:
    """What tells how many images are done, of how many if that is known; None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    # Only now, for it takes a tenth of the time in which a command starts.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images, {task.fields[rate]}/s,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rate="?")

        def advance(done: int, total: int | None) -> None:
            seconds = time.monotonic() - began
            bar.update(task, completed=done, total=total, rate=f"{done / seconds:,.0f}" if seconds else "?")

        yield advance

"""A progress bar on a terminal; nothing in a pipe or a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int, int | None], None]


@contextmanager
def progress(verb: str) -> Iterator[Advance | None]:
    """What tells how many images are done, of how many if that is known; None where nobody looks."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images, {task.fields[rate]}/s,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    began = time.monotonic()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, rate="?")

        def advance(done: int, total: int | None) -> None:
            seconds = time.monotonic() - began
            bar.update(task, completed=done, total=total, rate=f"{done / seconds:,.0f}" if seconds else "?")

        yield advance

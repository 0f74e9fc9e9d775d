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
    from rich.progress import BarColumn, Progress, TextColumn

    began = time.monotonic()
    columns = (TextColumn(verb), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def advance(done: int, total: int | None) -> None:
            text = described(done, total, time.monotonic() - began)
            bar.update(task, completed=done, total=total, description=text)

        yield advance


def described(done: int, total: int | None, seconds: float) -> str:
    """How far it is, how fast, and where the end is known how long it will take."""
    if not (done and seconds):
        return ""
    text = f"{done:,} of {total:,} images" if total else f"{done:,} images"
    rate = done / seconds
    text += f", {rate:,.0f}/s" if rate >= 10 else f", {rate:.1f}/s"
    if total and total >= done:
        minutes, rest = divmod(round((total - done) / rate), 60)
        text += f", {minutes}:{rest:02} left"
    return text

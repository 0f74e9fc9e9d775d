"""Tables of counts for people: columns that line up on a terminal, where they are cut to its width, and in a
pipe, where no line is wrapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 500  # lines in a pipe or a file are not wrapped


class Columns(NamedTuple):
    """A table. names: the heads of columns of text. numbers: of columns of numbers, what matters first."""

    names: Sequence[str]
    numbers: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_tables(lines: Iterable[str], tables: Iterable[tuple[str, Columns]], stream: TextIO) -> None:
    """Lines, which a terminal wraps, and tables, each with its title."""
    console = Console(file=stream, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False)
    for text in lines:
        wrapped = Text(text).wrap(console, console.width) if stream.isatty() else [text]
        stream.write("".join(f"{str(line).rstrip()}\n" for line in wrapped))
    for title, columns in tables:
        table, is_cut = _fitted(columns, console)
        with console.capture() as capture:
            console.print(
                Text(f"{title}, cut to the width of the terminal" if is_cut else title, style="bold")
            )
            console.print(table)
        stream.write("\n" + "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n")


def count_of(count: int, noun: str, many: str = "") -> str:
    """A number of things in words."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def printable(name: str) -> str:
    """A name of which nothing moves the cursor."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)


def _fitted(columns: Columns, console: Console) -> tuple[Table, bool]:
    """The table without columns of nothing, and without the last ones where it is too wide."""
    first = len(columns.names)
    used = [
        k for k in range(len(columns.numbers)) if any(row[first + k] not in ("0", "") for row in columns.rows)
    ]
    table, is_cut = _table(columns, used), False
    while len(used) > 1 and _width(table, console) > console.width:
        used, is_cut = used[:-1], True
        table = _table(columns, used)
    return table, is_cut


def _width(table: Table, console: Console) -> int:
    """The columns of a terminal that a table needs, without a break in a line."""
    return Measurement.get(console, console.options.update_width(_PIPE_WIDTH), table).maximum


def _table(columns: Columns, used: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns.names:
        table.add_column(name, overflow="fold")
    for k in used:
        table.add_column(Text(printable(columns.numbers[k])), justify="right", no_wrap=True)
    for row in columns.rows:
        names = (Text(printable(name)) for name in row[: len(columns.names)])
        table.add_row(*names, *(row[len(columns.names) + k] for k in used))
    return table

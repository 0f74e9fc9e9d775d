"""What `labelkit rules` and `labelkit stats` show fits the terminal, and no word of it is broken."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys

import pytest
from test_cli import SAMPLE

from labelkit.rules import rules


def shown(*arguments: object, columns: int) -> list[str]:
    """The lines that a terminal of so many columns is sent, without their colours."""
    mine, theirs = pty.openpty()
    with os.fdopen(mine, "rb", buffering=0) as screen:
        running = subprocess.Popen(
            [sys.executable, "-m", "labelkit", *map(str, arguments)],
            stdout=theirs, stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)},
        )  # fmt: skip
        os.close(theirs)
        sent = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
            while block := screen.read(1 << 16):
                sent += block
        assert running.wait(timeout=60) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", sent.decode()).splitlines()


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_rules_are_listed_with_their_whole_names(columns: int) -> None:
    lines = shown("rules", columns=columns)
    assert max(map(len, lines)) <= columns
    words = {word for line in lines for word in line.split()}
    assert words >= {*rules(), *(item.name for item in rules().values())}
    (line,) = (line for line in lines if line.startswith("GEO102"))
    assert re.match(r"GEO102 +empty-box +error,? +--unsafe-fixes\b", line)


def test_a_page_is_wrapped_and_what_is_to_be_copied_is_not() -> None:
    narrow, wide = (shown("rules", "GEO112", columns=columns) for columns in (40, 500))
    assert max(map(len, narrow)) <= 40
    assert " ".join(narrow).split() == " ".join(wide).split()
    assert "    [tool.labelkit.rules.GEO112]" in narrow
    assert len([line for line in wide if line.startswith(("Why:", "Fix:", "Example:", "Options:"))]) == 4


def test_the_counts_of_a_data_set_are_wrapped() -> None:
    lines = shown("stats", SAMPLE / "coco", "--no-pixels", columns=100)
    assert max(map(len, lines)) <= 100
    assert "20 of 21 classes used, no pixels counted" in " ".join(lines)

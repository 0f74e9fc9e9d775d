"""What fixes would change, as a unified diff; of long lines the changed places, of images their size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import TextIO

from labelkit.changes import Edit
from labelkit.formats._files import map_bytes, relative
from labelkit.mending import Plan, edited, replaced

_LONGEST = 300  # characters of a line that a person can still compare
_LARGEST = 1 << 24  # bytes of a file that is compared line by line
_AROUND = 60  # bytes shown on both sides of a change in a long line


def write(plan: Plan, root: Path, stream: TextIO) -> None:
    """The changes of every file, in the order in which fixes came to it."""
    for file, edits in plan.edits.items():
        name = relative(file, root if root.is_dir() else root.parent)
        for line in _lines(file, name, edits):
            stream.write(line + "\n")


def _lines(file: Path, name: str, edits: Sequence[Edit]) -> Iterator[str]:
    data = map_bytes(file)
    try:
        if len(data) <= _LARGEST:
            old, new = bytes(data).decode(), b"".join(edited(file, edits)).decode()
            if max(map(len, old.splitlines() or [""])) <= _LONGEST:
                lines = unified_diff(
                    old.splitlines(), new.splitlines(), f"a/{name}", f"b/{name}", lineterm=""
                )
                yield from lines
                return
    except UnicodeDecodeError:
        size = sum(map(len, edited(file, edits)))
        yield f"--- a/{name}"
        yield f"+++ b/{name}"
        yield f"a binary file of {len(data)} bytes becomes one of {size} bytes"
        return
    yield f"--- a/{name}"
    yield f"+++ b/{name}"
    for start, stop, text in replaced(data, edits):
        before, after = _text(data[max(0, start - _AROUND) : start]), _text(data[stop : stop + _AROUND])
        yield f"@@ byte {start} @@"
        yield f"-{before}{_text(data[start:stop])}{after}"
        yield f"+{before}{_text(memoryview(text))}{after}"


def _text(data: memoryview) -> str:
    text = bytes(data[:_LONGEST]).decode("utf-8", "replace") + ("…" if len(data) > _LONGEST else "")
    return text.replace("\r", "\\r").replace("\n", "\\n")

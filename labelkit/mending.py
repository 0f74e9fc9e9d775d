"""Mending what validation found: which edits go together, what they would change, and writing them.

Nothing is mended that was not asked for. All files of a round are written, or none (``publish.rewrite``).
What is not edited keeps its bytes.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from labelkit.changes import Edit
from labelkit.errors import DestinationError
from labelkit.findings import Finding
from labelkit.formats._files import map_bytes
from labelkit.publish import rewrite
from labelkit.validation import Validation

_ROUNDS = 10  # a fix can make room for another; more than a few never happened
_SPACE = b" \t\r\n"
_COMMA_AFTER = re.compile(rb"\s*,\s*")
_COMMA_BEFORE = re.compile(rb",\s*$")
_REACH = 4096  # bytes in which a comma beside an element is looked for


class Mended(NamedTuple):
    """A finding, and what was or would be done about it."""

    finding: Finding
    summary: str
    is_safe: bool


@dataclass
class Plan:
    """Fixes that can be made together, and the edits of every file. waiting: fixes for another round."""

    fixes: list[Mended] = field(default_factory=list)
    edits: dict[Path, list[Edit]] = field(default_factory=dict)
    waiting: int = 0


def plan(validation: Validation, *, unsafe: bool) -> Plan:
    """The fixes of a validation (made with ``fixes=True``) that do not touch each other's bytes.

    unsafe: also those that change what a label means. Of two that would change the same bytes the first is
    made; the other waits. Two that say the same are both done.
    """
    made = Plan()
    taken: dict[Path, _Taken] = defaultdict(_Taken)
    for position, fix in validation.fixes.items():
        if not (fix.is_safe or unsafe):
            continue
        assert callable(fix.change)  # changes of objects are edits by now
        edits = tuple(fix.change())
        if not edits:
            continue
        if not all(taken[edit.file].has(edit) for edit in edits):  # else another finding's fix does this too
            if not all(taken[edit.file].is_free(edit) for edit in edits):
                made.waiting += 1
                continue
            for edit in edits:
                taken[edit.file].add(edit)
                made.edits.setdefault(edit.file, []).append(edit)
        made.fixes.append(Mended(validation.findings[position], fix.summary, fix.is_safe))
    return made


def mend(validated: Callable[[], Validation], *, unsafe: bool) -> tuple[Validation, list[Mended]]:
    """Validate and mend, until nothing is left that can be mended.

    validated: validates with ``fixes=True``. Returns: what is found in the end, and all that was mended.
    Raises DestinationError: a file cannot be written; the round in which it was is undone.
    """
    done: list[Mended] = []
    validation = validated()
    for _ in range(_ROUNDS):
        made = plan(validation, unsafe=unsafe)
        if not made.fixes:
            break
        apply(made, validation.source)
        done += made.fixes
        validation = validated()
    return validation, done


def apply(made: Plan, root: Path) -> None:
    """Write the edited files: all of them, or none.

    root: the data set; a file that a link leads to elsewhere is not written. Raises DestinationError.
    """
    files = {_inside(file, root): edits for file, edits in made.edits.items()}
    try:
        rewrite({file: partial(edited, file, edits) for file, edits in files.items()})
    except OSError as error:
        raise DestinationError(
            str(error.filename or root), f"cannot be written ({error.strerror})", "", "nothing was mended"
        ) from None


def edited(file: Path, edits: Sequence[Edit]) -> Iterator[bytes | memoryview]:
    """The pieces of a file with its edits made."""
    data = map_bytes(file)
    place = 0
    for start, stop, text in replaced(data, edits):
        yield data[place:start]
        yield text
        place = stop
    yield data[place:]


def replaced(data: memoryview, edits: Sequence[Edit]) -> list[tuple[int, int, bytes]]:
    """What is replaced by what: start, stop, text, in order. Elements that go take their comma with them."""
    ordered = sorted(edits, key=lambda edit: edit.start)
    spans: list[tuple[int, int, bytes]] = []
    run: list[Edit] = []
    for edit in ordered:
        if edit.text is None:
            if run and not _is_next(data, run[-1], edit):
                spans.append(_without(data, run))
                run = []
            run.append(edit)
            continue
        spans.append((edit.start, len(data) if edit.stop is None else edit.stop, edit.text))
    if run:
        spans.append(_without(data, run))
    return sorted(spans)


# --- edits -------------------------------------------------------------------------------------------------


class _Taken:
    """The edits of a file that go together: no two of the same bytes, nor at the same place."""

    def __init__(self) -> None:
        self._starts: list[int] = []  # in order
        self._edits: dict[int, Edit] = {}  # by their starts

    def has(self, edit: Edit) -> bool:
        return self._edits.get(edit.start) == edit

    def is_free(self, edit: Edit) -> bool:
        """Whether an edit goes together with all there are."""
        place = bisect_left(self._starts, edit.start)
        before = self._edits[self._starts[place - 1]].stop if place else 0
        after = self._starts[place] if place < len(self._starts) else None
        if before is None or before > edit.start or after == edit.start:
            return False
        return after is None or (edit.stop is not None and edit.stop <= after)

    def add(self, edit: Edit) -> None:
        insort(self._starts, edit.start)
        self._edits[edit.start] = edit


def _is_next(data: memoryview, element: Edit, other: Edit) -> bool:
    """Whether two elements of a JSON list stand side by side."""
    assert element.stop is not None
    between = bytes(data[element.stop : min(other.start, element.stop + _REACH)])
    return len(between) == other.start - element.stop and between.strip(_SPACE) == b","


def _without(data: memoryview, run: Sequence[Edit]) -> tuple[int, int, bytes]:
    """The bytes that go when elements that stand side by side are taken out of their list."""
    start, stop = run[0].start, run[-1].stop
    assert stop is not None
    if after := _COMMA_AFTER.match(bytes(data[stop : stop + _REACH])):
        return start, stop + after.end(), b""
    before = _COMMA_BEFORE.search(bytes(data[max(0, start - _REACH) : start]))
    return (start - len(before[0]) if before else start), stop, b""


# --- files -------------------------------------------------------------------------------------------------


def _inside(file: Path, root: Path) -> Path:
    """The file itself. Raises DestinationError: a link to it leaves the data set, or it is read-only."""
    folder = root if root.is_dir() else root.parent
    real = file.resolve()
    is_in_place = (
        real.is_relative_to(folder.resolve()) if file.is_relative_to(folder) else not file.is_symlink()
    )
    if file != root and not is_in_place:
        raise DestinationError(
            str(file), "is reached by a link that leaves the data set", "a file of it", "nothing was mended"
        )
    # Another file could take its place all the same, but who made it read-only did not mean that.
    if not os.access(real, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise DestinationError(str(file), "is read-only", "a file that may be written", "nothing was mended")
    return real

"""Mending what validation found: which edits go together, what they would change, and writing them.

Nothing is mended that was not asked for. A file is written whole beside itself and then takes its place; of
several files all are written before the first takes its place. What is not edited keeps its bytes.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from labelkit.changes import Edit
from labelkit.errors import DestinationError
from labelkit.findings import Finding
from labelkit.formats._files import map_bytes
from labelkit.validation import Validation

_NEW, _OLD = ".labelkit-new", ".labelkit-old"
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
    for position, fix in validation.fixes.items():
        if not (fix.is_safe or unsafe):
            continue
        assert callable(fix.change)  # changes of objects are edits by now
        edits = tuple(fix.change())
        if not edits:
            continue
        if all(edit in made.edits.get(edit.file, ()) for edit in edits):
            pass  # another finding's fix does this too
        elif any(_touch(edit, other) for edit in edits for other in made.edits.get(edit.file, ())):
            made.waiting += 1
            continue
        else:
            for edit in edits:
                made.edits.setdefault(edit.file, []).append(edit)
        made.fixes.append(Mended(validation.findings[position], fix.summary, fix.is_safe))
    return made


def mend(validated: Callable[[], Validation], *, unsafe: bool) -> tuple[Validation, list[Mended]]:
    """Validate and mend, until nothing is left that can be mended.

    validated: validates with ``fixes=True``. Returns: what is found in the end, and all that was mended.
    Raises DestinationError: a file cannot be written; the round in which it was is undone.
    """
    done: list[Mended] = []
    for _ in range(_ROUNDS):
        validation = validated()
        next_plan = plan(validation, unsafe=unsafe)
        if not next_plan.fixes:
            break
        apply(next_plan, validation.source)
        done += next_plan.fixes
    return validated(), done


def apply(made: Plan, root: Path) -> None:
    """Write the edited files: all of them, or none.

    root: the data set; a file that a link leads to elsewhere is not written. Raises DestinationError.
    """
    files = {_inside(file, root): edits for file, edits in made.edits.items()}
    staged: list[Path] = []
    try:
        for file, edits in files.items():
            staged.append(file.with_name(f".{file.name}{_NEW}"))
            _write(file, edits, staged[-1])
        _swap(files)
    except OSError as error:
        raise DestinationError(
            str(error.filename or root), f"cannot be written ({error.strerror})", "", "nothing was mended"
        ) from None
    finally:
        for path in staged:
            path.unlink(missing_ok=True)


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


def _touch(edit: Edit, other: Edit) -> bool:
    """Whether two edits of a file change the same bytes, or both put something at the same place."""
    if edit.start == other.start:
        return True
    first, second = sorted((edit, other), key=lambda each: each.start)
    return first.stop is None or second.start < first.stop


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


def _write(file: Path, edits: Sequence[Edit], place: Path) -> None:
    place.unlink(missing_ok=True)  # of a killed run; and never written through, should it be a link
    with place.open("xb") as stream:
        for piece in edited(file, edits):
            stream.write(piece)
        stream.flush()
        os.fsync(stream.fileno())
    shutil.copymode(file, place)


def _swap(files: Iterable[Path]) -> None:
    """Put all new files in their places; if one cannot, the old ones come back."""
    kept: list[tuple[Path, Path]] = []
    try:
        for file in files:
            old = file.with_name(f".{file.name}{_OLD}")
            old.unlink(missing_ok=True)
            _keep(file, old)
            kept.append((old, file))
            file.with_name(f".{file.name}{_NEW}").replace(file)
    except BaseException:
        for old, file in kept:
            old.replace(file)
            old.unlink(missing_ok=True)  # a rename does nothing where both are the same file yet
        raise
    for old, _ in kept:
        old.unlink()


def _keep(file: Path, old: Path) -> None:
    try:
        old.hardlink_to(file)
    except OSError:  # not every file system has links
        shutil.copy2(file, old)

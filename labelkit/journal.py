"""The journal of a run: everything that a model said, batch by batch, so that nothing is predicted twice.

``DST.labelkit-run/journal.jsonl``: the first line says what decides the model's labels (``facts``); each
further line is a batch of the plan, with all that was said at or above the keep-threshold and a word on each
image, also where nothing was found. A line is written whole and synced before the next batch goes on; the
torn end of a run that was killed is cut off when it is opened again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from labelkit.errors import DestinationError, FormatError, UsageError
from labelkit.publish import refuse_existing, refuse_irregular

VERSION = 1
FILE = "journal.jsonl"
LOG = "run.log.jsonl"
_LONGEST = 60  # characters of a value in a message


class Entry(msgspec.Struct, omit_defaults=True):
    """What became of an image.

    path: of the image in its data set. sha256: of its file's bytes. seen: width, height and EXIF orientation
    of what the model saw. record: the canonical JSON of what was
    said of it. confidence: a PNG in base64, of a semantic map's pixels in 256 steps. unknown: guesses of no
    class or without a pixel. fault: why it was not labelled. notes: what is to be told.
    """

    path: str
    sha256: str = ""
    seen: tuple[int, int, int] = (0, 0, 1)
    record: msgspec.Raw = msgspec.Raw(b"")
    confidence: str = ""
    unknown: int = 0
    fault: str = ""
    notes: tuple[str, ...] = ()


class Line(msgspec.Struct):
    """A batch of the plan, and the window in which it is."""

    batch: int
    window: int
    images: list[Entry]


class Journal:
    """An open journal.

    facts: what decides the labels. count: how many batches of the plan are in it, from the first one on.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Open the journal of a run, or begin one.

        Raises DestinationError: there is one and neither resume nor overwrite is said, or another run has it
        open. UsageError: it was made with other facts. FormatError: it is no journal.
        """
        self.folder = folder
        self.file = folder / FILE
        self.facts = facts
        if not (resume or overwrite):
            refuse_old_run(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            refuse_irregular(self.file)
            self._file = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise DestinationError(str(self.file), f"cannot be written ({error.strerror})") from None
        self._offsets: list[int] = []
        try:
            _lock(self._file, self.file)
            if resume and os.fstat(self._file).st_size:
                self._read()
            else:
                self._begin()
        except BaseException:
            self.close()
            raise

    @property
    def count(self) -> int:
        return len(self._offsets)

    def line(self, number: int) -> Line:
        """A batch that is in it."""
        with self.file.open("rb") as stream:
            stream.seek(self._offsets[number])
            return msgspec.json.decode(stream.readline(), type=Line)

    def append(self, line: Line) -> None:
        """Write a batch, whole, to the disk. Raises DestinationError where there is no room."""
        assert line.batch == self.count
        self._offsets.append(self._write(msgspec.json.encode(line)))

    def forget(self, number: int) -> None:
        """Drop a batch and all behind it."""
        os.ftruncate(self._file, self._offsets[number])
        del self._offsets[number:]

    def windows(self) -> Iterator[dict[str, Entry]]:
        """What became of the images, window by window, in the order of the data set."""
        lines = (self.line(number) for number in range(self.count))
        for _, group in groupby(lines, key=lambda line: line.window):
            yield {entry.path: entry for line in group for entry in line.images}

    def close(self) -> None:
        """Let others open it. A run that has said nothing leaves nothing."""
        os.close(self._file)
        if not self._offsets:
            for name in (FILE, LOG):
                (self.folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # there is something of somebody else's in it
                self.folder.rmdir()

    def _begin(self) -> None:
        os.ftruncate(self._file, 0)
        self._write(msgspec.json.encode({"labelkit-run": VERSION, "facts": self.facts}))

    def _write(self, text: bytes) -> int:
        """Put a line at the end, synced, or nothing; returns where it begins."""
        end = os.lseek(self._file, 0, os.SEEK_END)
        rest = memoryview(text + b"\n")
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, end)
            advice = f"{self.count} batches are kept; --resume goes on with the next"
            raise DestinationError(
                str(self.file), f"cannot be written ({error.strerror or error})", "", advice
            ) from None
        return end

    def _read(self) -> None:
        """Find the batches, and cut off what a killed run left half-written."""
        with self.file.open("rb") as stream:
            head = stream.readline()
            if not head.endswith(b"\n"):
                self._begin()
                return
            self._check(head)
            offset = len(head)
            for text in stream:
                if not _is_whole(text, self.count):
                    break
                self._offsets.append(offset)
                offset += len(text)
        os.ftruncate(self._file, offset)

    def _check(self, head: bytes) -> None:
        try:
            said = msgspec.json.decode(head, type=dict[str, Any])
            version, facts = said["labelkit-run"], dict(said["facts"])
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(
                str(self.file), f"is no journal ({error})", "", "--overwrite begins a new one"
            ) from None
        if version != VERSION:
            raise FormatError(str(self.file), f"version {version}", f"version {VERSION}")
        now = msgspec.to_builtins(self.facts)
        for name in {**facts, **now}:
            if facts.get(name) != now.get(name):
                before, after = _difference(facts.get(name), now.get(name))
                raise UsageError(
                    "--resume",
                    f"the run in {self.folder} has {name} {before}, this one {after}",
                    "the same options",
                    "--overwrite without --resume begins a new run",
                )


def refuse_old_run(folder: Path) -> None:
    """Raise DestinationError where a run was left."""
    try:
        refuse_existing(folder)
    except DestinationError:
        raise DestinationError(
            str(folder), "is left of a run", "", "--resume goes on with it, --overwrite begins a new one"
        ) from None


def _is_whole(text: bytes, number: int) -> bool:
    if not text.endswith(b"\n"):
        return False
    try:
        return msgspec.json.decode(text, type=Line).batch == number
    except ValueError:
        return False


def _difference(before: object, after: object) -> tuple[str, str]:
    """Two values as far as they differ: of tables the first entry that does, of long texts from there on."""
    if isinstance(before, dict) and isinstance(after, dict):
        key = next(key for key in {**before, **after} if before.get(key) != after.get(key))
        return f"{key} {before.get(key)}", f"{key} {after.get(key)}"
    texts = repr(before), repr(after)
    same = next((k for k, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 0)
    start = max(same - 10, 0) if max(map(len, texts)) > _LONGEST else 0
    first, second = (f"{'…' if start else ''}{text[start : start + _LONGEST]}" for text in texts)
    return first, second


def _lock(descriptor: int, file: Path) -> None:
    """Keep a second run away. The lock ends with the process, however that ends."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # on Windows
        return
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except OSError:
        raise DestinationError(
            str(file), "another run is writing it", "", "wait for it, or stop it"
        ) from None

"""Run a command to its end: how long it took, and how much memory its processes had together.

Memory is the proportional set size (PSS) of the whole tree, asked of the kernel every 30 ms: pages that
several processes share, or map from one file, count once.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

_EVERY = 0.03  # seconds


@dataclass(frozen=True)
class Measured:
    """seconds: of the wall. megabytes: the peak. code: how it exited. said: the end of what it said."""

    seconds: float
    megabytes: float
    code: int
    said: str


def measure(command: Sequence[str], env: dict[str, str]) -> Measured:
    """Run a command. Reading /proc takes a hundredth of one core."""
    start = time.monotonic()
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        peak = 0
        reader = _Tail(process)
        while process.poll() is None:
            peak = max(peak, _pss_of_tree(process.pid))
            time.sleep(_EVERY)
        seconds = time.monotonic() - start
        return Measured(seconds, peak / 1024, process.returncode, reader.text())


class _Tail:
    """What a process says, read as it comes so that no full pipe stops it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines = [*self._lines[-20:], line]

    def text(self) -> str:
        self._thread.join(5)
        return "".join(self._lines)


def _pss_of_tree(root: int) -> int:
    """Kilobytes of a process and all below it."""
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            waiting += [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except (OSError, ValueError):  # it has ended
            continue
        total += next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return total

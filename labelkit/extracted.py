"""Files that are made of what lies inside another one, such as an image in a row, for who needs a path.

They lie in a folder for temporary files, as long as the process that opened the data set; the last ones only,
so that a data set of any size can be gone through.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections import deque
from pathlib import Path
from uuid import uuid4

_SUFFIX = ".labelkit-extracted"
_KEPT = 1000  # files of a process: of more images than these nobody has the paths at one time


class Extracted:
    """A folder of such files; it pickles, and the process that made it first deletes it when it ends."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"{uuid4().hex}{_SUFFIX}"
        self._last: deque[Path] = deque()
        weakref.finalize(self, _delete, self.folder, os.getpid())

    def __getstate__(self) -> Path:
        return self.folder

    def __setstate__(self, folder: Path) -> None:
        self.folder = folder
        self._last = deque()

    def put(self, data: bytes, suffix: str) -> Path:
        """The path of a file with these bytes."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        file = self.folder / f"{uuid4().hex}{suffix}"
        file.write_bytes(data)
        self._last.append(file)
        if len(self._last) > _KEPT:
            self._last.popleft().unlink(missing_ok=True)
        return file


def is_extracted(file: Path) -> bool:
    """Whether a path is of such a file, which will be gone: no link should lead to it."""
    return file.parent.name.endswith(_SUFFIX)


def _delete(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a process that was forked
        shutil.rmtree(folder, ignore_errors=True)

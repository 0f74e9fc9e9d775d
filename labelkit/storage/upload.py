"""Publishing on shared storage, which can rename nothing: a mark says that a data set is not whole yet.

``DST.labelkit-upload`` is there from before the work begins until the last object is; a data set with such a
mark is not read. What was uploaded is removed where that fails, with the mark. Where objects of an old data
set were replaced already (``--overwrite``), they cannot come back: the mark then stays.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from labelkit.errors import DestinationError
from labelkit.storage.mirror import Mirror, is_picture
from labelkit.storage.remote import Remote, all_at_once, put, telling

_MARK = "labelkit-upload"


def mark_of(remote: Remote) -> Remote:
    """The object that says that a place is being written."""
    return remote.beside(f"{remote.name}.{_MARK}")


class Upload:
    """The way of a data set to its place. old: the keys that are there, or beside it where it is a file.

    Raises DestinationError where nothing can be written there.
    """

    def __init__(self, fs: Any, target: Remote, mirror: Mirror, old: Collection[str]) -> None:
        self.fs = fs
        self.target = target
        self.mirror = mirror
        self.old = frozenset(old)
        self._put: set[str] = set()
        with telling(mark_of(target), DestinationError, "cannot be written", "nothing was published"):
            fs.pipe_file(
                str(mark_of(target)), b"labelkit writes this data set, or was stopped while it did.\n"
            )

    def publish(self) -> None:
        """Upload what is new in the mirror, pictures first; then remove what is there no more."""
        place = self.mirror.place(self.target)
        new = [file for file in _files(place.parent) if not self.mirror.is_stand_in(file)]
        for files in ([file for file in new if is_picture(file.name)], new):
            all_at_once(self._send, [file for file in files if self._key(file) not in self._put])
        gone = [key for key in self.old if not self.mirror.place(self._at(key)).exists()]
        all_at_once(self._remove, gone)
        self._remove(mark_of(self.target).key)

    def keep(self, place: Path) -> None:
        """Upload one folder beside the target, whatever became of the rest."""
        all_at_once(self._send, _files(place))
        self._put -= {self._key(file) for file in _files(place)}

    def undo(self) -> str:
        """Remove what was uploaded. Returns what is left to say, if anything was replaced before."""
        replaced = self._put & self.old
        all_at_once(self._remove, sorted(self._put - self.old))
        if replaced:
            return f"{self.target}: {len(replaced)} of its objects were replaced; --overwrite writes it again"
        self._remove(mark_of(self.target).key)
        return ""

    def _at(self, key: str) -> Remote:
        return Remote(self.target.protocol, key)

    def _key(self, file: Path) -> str:
        return self.mirror.remote(file).key

    def _send(self, file: Path) -> None:
        self._put.add(self._key(file))  # before: what broke in the middle may be there
        put(self.fs, file, self.mirror.remote(file))

    def _remove(self, key: str) -> None:
        with telling(self._at(key), DestinationError, "cannot be removed"):
            try:
                self.fs.rm_file(str(self._at(key)))
            except FileNotFoundError:
                return


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())

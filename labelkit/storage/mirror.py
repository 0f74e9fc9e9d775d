"""A scratch folder that mirrors places on shared storage, so that readers and writers see local files.

``SCRATCH/from/s3/BUCKET/PATH`` stands for ``s3://BUCKET/PATH``. Pictures that nobody is going to open are not
fetched: a file of their name and size, without blocks on the disk, stands in for them. It is all zeros, which
is no picture, so that opening it fails, and ``brought`` is asked for the real one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from labelkit.errors import FormatError
from labelkit.storage.remote import Remote, all_at_once, fetch, filesystem, listed

_MARK = ".labelkit-scratch"
_PICTURES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2"}
)
PHOTO_FOLDERS = ("images", "JPEGImages", "leftImg8bit")  # a PNG elsewhere may be a label map


class Mirror:
    """What was brought below a folder. stand_ins: files that were not fetched, by their inode."""

    def __init__(self, scratch: Path, side: str) -> None:
        self.root = scratch / side
        self.root.mkdir()
        (self.root / _MARK).write_text(str(os.getpid()), "ascii")
        self.stand_ins: dict[Path, int] = {}

    def place(self, remote: Remote) -> Path:
        """Where something lies here."""
        return self.root / remote.protocol / remote.key

    def remote(self, place: Path) -> Remote:
        """What a file here stands for."""
        protocol, *key = place.relative_to(self.root).parts
        return Remote(protocol, "/".join(key))

    def is_stand_in(self, file: Path) -> bool:
        """Whether a file is still the one that stands in for what was not fetched."""
        return self.stand_ins.get(file) == file.stat().st_ino

    def bring(self, remote: Remote, sizes: dict[str, int], wanted: Iterable[str]) -> None:
        """Fetch the wanted keys of those that were listed; the others get a file that stands in for them.

        Raises FormatError: one cannot be read, or the disk is too small for them.
        """
        chosen = set(wanted)
        need, free = sum(sizes[key] for key in chosen), shutil.disk_usage(self.root).free
        if need > free:
            advice = "TMPDIR=FOLDER puts the scratch folder elsewhere"
            raise FormatError(str(remote), f"{need:,} bytes to fetch", f"no more than {free:,}", advice)
        fs = filesystem(remote)
        for key, size in sizes.items():
            here = Remote(remote.protocol, key)
            try:
                self.place(here).parent.mkdir(parents=True, exist_ok=True)
                if key not in chosen:
                    self._stand_in(self.place(here), size)
            except OSError as error:
                found = f"no file can stand for it ({error.strerror})"
                raise FormatError(
                    str(here), found, "names that are not a file and a folder at once"
                ) from None

        def one(key: str) -> None:
            here = Remote(remote.protocol, key)
            try:
                fetch(fs, here, self.place(here), sizes[key])
            except OSError as error:  # it is a folder, too; or the disk is full
                raise FormatError(str(here), f"cannot be kept ({error.strerror})", "a file") from None

        all_at_once(one, sorted(chosen))

    def _stand_in(self, place: Path, size: int) -> None:
        with place.open("wb") as stream:
            stream.truncate(size)
        self.stand_ins[place] = place.stat().st_ino


def is_picture(key: str) -> bool:
    """Whether a name is that of a picture: a photograph or a label map."""
    return PurePosixPath(key).suffix.lower() in _PICTURES


def is_photo(key: str, root: Remote) -> bool:
    """Whether an object is a photograph by its name, and surely no label map."""
    if not is_picture(key):
        return False
    folders = key[len(root.key) :].split("/")[:-1] if key.startswith(root.key) else key.split("/")[:-1]
    is_png = PurePosixPath(key).suffix.lower() == ".png"
    return not is_png or root.name in PHOTO_FOLDERS or not set(folders).isdisjoint(PHOTO_FOLDERS)


def brought(file: Path) -> bool:
    """Fetch the picture for which a file may stand in, when it could not be opened.

    Returns whether there is anything new at its place. Raises FormatError where it cannot be fetched.
    """
    whole = Path(os.path.abspath(file))  # noqa: PTH100 (links stay)
    root = next((folder for folder in whole.parents if _is_ours(folder)), None)
    if root is None or not whole.is_file() or not whole.stat().st_size:
        return False
    with whole.open("rb") as stream:
        if stream.read(16).strip(b"\0"):
            return False  # it is here, and broken
    protocol, *key = whole.relative_to(root).parts
    remote = Remote(protocol, "/".join(key))
    fs = filesystem(remote)
    fetch(fs, remote, whole, listed(fs, remote).get(remote.key, 0))
    return True


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a mirror of this run, made by this process or the one that started it.

    A data set that somebody gave us could say of itself that it is one, to have other files fetched.
    """
    if folder.parent.parent != Path(tempfile.gettempdir()).resolve():
        return False
    try:
        return (folder / _MARK).read_text("ascii") in (str(os.getpid()), str(os.getppid()))
    except (OSError, ValueError):
        return False

"""Reading hostile files: paths that stay in their folder, and text that is UTF-8."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path, PurePosixPath

from labelkit.errors import FormatError, RecordError
from labelkit.model import Record
from labelkit.pixels import image_size

BOM = b"\xef\xbb\xbf"
_LONGEST = 60  # characters of a value in a message
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")  # as nearly all names


def safe_path(name: str) -> str:
    """A file name from an annotation, if it stays below its folder. Raises ValueError otherwise.

    Folders are kept; backslashes are refused, for they are folders on one system and letters on another.
    """
    if _PLAIN.fullmatch(name):
        return name
    path = PurePosixPath(name)
    if not path.parts or name.endswith("/"):
        raise ValueError(f"the file name {name!r} names no file")
    if "\0" in name or "\\" in name:
        raise ValueError(f"the file name {name!r} has a backslash or a zero byte; use '/' between folders")
    if path.is_absolute() or ".." in path.parts or (len(name) > 1 and name[1] == ":"):
        raise ValueError(f"the file name {name!r} is absolute or leaves its folder")
    return str(path)


def check_names(record: Record, place: str) -> None:
    """Refuse names that could lead a writer out of its folder, wherever the record came from.

    Raises RecordError.
    """
    try:
        safe_path(record.image.path)
        for split in record.splits:
            if len(PurePosixPath(safe_path(split)).parts) > 1 or split.startswith("."):
                raise ValueError(f"the split {split!r} is no plain name")
    except ValueError as error:
        raise RecordError(place, str(error), "names that stay in their folder") from None


def relative(file: Path, root: Path) -> str:
    """A file's path below the data set, or its own where it lies elsewhere."""
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


class OutsideLinkError(ValueError):
    """A symbolic link leads out of its folder. found: that, without advice. path: the link."""

    def __init__(self, found: str, path: Path, advice: str = "") -> None:
        super().__init__(f"{found}; {advice}" if advice else found)
        self.found = found
        self.path = path


def inside(root: Path, relative: str) -> Path | None:
    """The file at a safe path below root, or None if there is none.

    Raises OutsideLinkError (a ValueError) where a symbolic link leads out of root.
    """
    path = root / relative
    if not is_file(path):
        return None
    if not path.resolve().is_relative_to(root.resolve()):
        raise OutsideLinkError(f"{relative!r} is a link that leaves its folder", path)
    return path


def image_inside(root: Path, relative: str, named: Path | None) -> Path | None:
    """The image at a safe path below root, or None if there is none.

    named: the folder of images that the user named. Links below it are followed wherever they lead, but to
    images only: whoever made them cannot have other files of the user copied.
    Raises OutsideLinkError (a ValueError) where a link leads out of any other root, ValueError: to no image.
    """
    try:
        return inside(root, relative)
    except OutsideLinkError as link:
        if named is None or not root.is_relative_to(named):
            advice = f"--images-dir {root} follows its links, --images symlink or none copies nothing"
            raise OutsideLinkError(link.found, link.path, advice) from None
        _check_image(link.path, relative)
        return link.path


def _check_image(path: Path, relative: str) -> None:
    try:
        if path.stat().st_size:  # an empty one has nothing to tell, and is told later
            image_size(path)
    except ValueError as error:
        raise ValueError(f"{relative!r} is a link that leaves its folder, and leads to {error}") from None


def brief(value: object) -> str:
    """A value as a message shows it, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def is_file(path: str | Path) -> bool:
    """Whether there is a regular file, through links.

    None is under a name that no system can have, in a folder that is shut, or where links go in a circle.
    """
    return os.path.isfile(path)  # noqa: PTH113  (Path's own raises for some of these)


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder, as ``is_file`` says it of a file."""
    return os.path.isdir(path)  # noqa: PTH112


def regular(path: Path) -> Path:
    """The path of a file, through links. Raises FormatError where it is none: a pipe has no end."""
    if not is_file(path):
        found = "is no regular file" if os.path.lexists(path) else "is not there"
        raise FormatError(str(path), found, "a file")
    return path


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises FormatError where it cannot be read."""
    try:
        return regular(path).read_bytes()
    except OSError as error:
        raise FormatError(str(path), f"cannot be read ({error.strerror})", "a readable file") from None


def map_bytes(path: Path) -> memoryview:
    """A file's bytes, in memory when they are looked at. Raises FormatError where it cannot be read."""
    try:
        with regular(path).open("rb") as stream:
            if not os.fstat(stream.fileno()).st_size:
                return memoryview(b"")
            return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise FormatError(str(path), f"cannot be read ({reason})", "a readable file") from None


def read_text(path: Path) -> str:
    """A file's text. Raises FormatError that names the byte where it is not UTF-8."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}:byte {error.start}", "not UTF-8", "UTF-8 text", code="STR111") from None

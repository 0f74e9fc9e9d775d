"""Writing that is whole or absent: everything is staged beside the destination and moved there at the end.

A crash, a full disk or Ctrl-C leaves the old data or nothing. An overwritten folder is moved aside, the new
one in, the old one deleted; a swap that was interrupted is repaired by the next start.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from labelkit.errors import DestinationError

_NEW = ".labelkit-new"
_OLD = ".labelkit-old"
_NAME = 50  # characters of a file's name that are in that of its draft: a name has 255 bytes


@contextmanager
def staged(destination: Path, *, overwrite: bool) -> Iterator[Path]:
    """An empty folder beside the destination; published when the block ends well, removed when it does not.

    Files and folders that the block leaves at ``stage / destination.name`` and beside it (a carrier of a
    single file, its images) appear beside each other at the destination, the destination itself last. Beside
    it others may have files: nothing of theirs is deleted, and another file than the new one is replaced only
    with ``overwrite``.
    Raises DestinationError where the destination exists (an empty folder does not count), where a file beside
    it is in the way, or where it is unwritable.
    """
    destination = Path(os.path.abspath(destination))  # noqa: PTH100 (resolve would follow links)
    parent = destination.parent
    _repair(destination)
    if not overwrite:
        refuse_existing(destination)
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    stage = parent / f".{destination.name}{_NEW}.{os.getpid()}"
    try:  # from before the stage is made, for a signal may come the moment after
        _make(stage)
        yield stage
        if not overwrite:
            refuse_existing(destination, when="now, made by someone else meanwhile")
        _put_beside(stage, destination, overwrite=overwrite)
        if os.path.lexists(stage / destination.name):
            _swap_in(stage / destination.name, destination)
    except OSError as error:
        raise DestinationError(
            str(destination), f"writing failed ({error.strerror or error})", "", "nothing was published"
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if not destination.exists():
            _remove_empty(made)


@contextmanager
def replacing(file: Path) -> Iterator[TextIO]:
    """A stream of UTF-8 whose text becomes the file when the block ends well; else nothing changes.

    What UTF-8 cannot say (halves of surrogate pairs, from names that are no text) is written as ``\\udc80``.
    Raises DestinationError where the file cannot be written; an OSError of the block counts as that.
    """
    refuse_irregular(file)
    new = file.with_name(f".{file.name[:_NAME]}{_NEW}.{os.getpid()}")
    try:
        with new.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            yield stream
        if file.exists():
            shutil.copymode(file, new)
        new.replace(file)
    except OSError as error:
        raise DestinationError(
            str(file), f"cannot be written ({error.strerror or error})", "", "it is as it was"
        ) from None
    finally:
        new.unlink(missing_ok=True)


def rewrite(files: Mapping[Path, Callable[[], Iterable[bytes | memoryview]]]) -> None:
    """Give files other bytes: all of them or, where that raises, none.

    files: real paths, each with what makes its bytes piece by piece; it may read the old ones. Every new file
    is whole beside the old one before the first takes its place. Raises OSError, and what a maker raises.
    """
    drafts: dict[Path, Path] = {}
    try:
        for file, pieces in files.items():
            drafts[file] = file.with_name(f".{file.name}{_NEW}")
            _write(drafts[file], pieces())
            shutil.copymode(file, drafts[file])
        _exchange(drafts)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def _write(draft: Path, pieces: Iterable[bytes | memoryview]) -> None:
    draft.unlink(missing_ok=True)  # of a killed run; and never written through, should it be a link
    with draft.open("xb") as stream:
        for piece in pieces:
            stream.write(piece)
        stream.flush()
        os.fsync(stream.fileno())


def _exchange(drafts: Mapping[Path, Path]) -> None:
    """Put all drafts in the places of their files; if one cannot, the old ones come back."""
    kept: list[tuple[Path, Path]] = []
    try:
        for file, draft in drafts.items():
            old = file.with_name(f".{file.name}{_OLD}")
            old.unlink(missing_ok=True)
            _keep(file, old)
            kept.append((old, file))
            draft.replace(file)
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


def refuse_irregular(file: Path) -> None:
    """Raise DestinationError where a file cannot be put: something else is there, or its folder is not."""
    if not file.parent.is_dir():
        raise DestinationError(str(file), f"there is no folder {str(file.parent)!r}", "", "make it first")
    if os.path.lexists(file) and (file.is_symlink() or not file.is_file()):
        raise DestinationError(str(file), "is there, and is no regular file", "a new name, or a regular file")


def _make(stage: Path) -> None:
    try:
        stage.parent.mkdir(parents=True, exist_ok=True)
        stage.mkdir()
    except OSError as error:
        raise DestinationError(str(stage.parent), f"cannot be written ({error.strerror})") from None


def refuse_existing(destination: Path, *, when: str = "already") -> None:
    """Raise DestinationError where something is at a place but an empty folder."""
    if os.path.lexists(destination) and not _is_empty_folder(destination):
        raise DestinationError(
            str(destination), f"exists {when}", "", "choose a new name, or say --overwrite"
        )


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def refuse_overlap(source: Path, destination: Path) -> None:
    """Raise DestinationError where writing the destination would touch the source."""
    here, there = source.resolve(), destination.resolve()
    if here == there:
        raise DestinationError(str(destination), "is the source itself", "another place")
    if here.is_dir() and there.is_relative_to(here):
        raise DestinationError(str(destination), "lies inside the source", "a place outside it")
    if here.is_relative_to(there):
        raise DestinationError(str(destination), "contains the source", "a place outside it")


def _put_beside(stage: Path, destination: Path, *, overwrite: bool) -> None:
    """Put all that belongs beside the destination there, file by file; nothing where one is in the way."""
    moves = {
        path: destination.parent / path.relative_to(stage)
        for top in sorted(stage.iterdir())
        if top.name != destination.name
        for path in _files(top)
    }
    wanted = {path: place for path, place in moves.items() if not _is_there(path, place)}
    for place in wanted.values():
        if os.path.lexists(place) and not (overwrite and place.is_file()):
            raise DestinationError(
                str(place), "is another file, and in the way", "", "choose a new folder, or say --overwrite"
            )
    for path, place in wanted.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)


def _files(top: Path) -> list[Path]:
    """A file, or all files of a folder; links are files."""
    if top.is_symlink() or not top.is_dir():
        return [top]
    return [path for path in sorted(top.rglob("*")) if path.is_symlink() or not path.is_dir()]


def _is_there(new: Path, place: Path) -> bool:
    """Whether a file is there already, byte for byte; also where the new one is a link to it."""
    return place.is_file() and new.is_file() and filecmp.cmp(new, place, shallow=False)


def _swap_in(new: Path, place: Path) -> None:
    """Put the new one in its place. A rename never replaces a folder that is not empty."""
    old = place.with_name(f".{place.name}{_OLD}")
    if os.path.lexists(place) and (place.is_dir() or new.is_dir()) and not _is_empty_folder(place):
        place.rename(old)
        new.rename(place)
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    else:
        new.replace(place)


def _repair(destination: Path) -> None:
    """Finish what a killed process left: put the old data back, or delete what is in the way."""
    old = destination.with_name(f".{destination.name}{_OLD}")
    if old.exists() and not destination.exists():
        old.rename(destination)
    elif old.exists():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    for stage in destination.parent.glob(f".{destination.name}{_NEW}.*"):
        if not _is_alive(stage.name.rpartition(".")[2]):
            shutil.rmtree(stage, ignore_errors=True)


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return int(pid) != os.getpid()


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())

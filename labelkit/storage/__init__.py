"""Data sets on shared storage: URLs become local files for as long as somebody works on them.

``at_hand`` is all there is to it: what it yields are local paths, for URLs those of a scratch folder (of
``TMPDIR``). Files that are no pictures are fetched before, pictures only where they are wanted; what is made
at the destination is uploaded in the end. Errors name the URL, and ``named`` puts it into any other text.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from labelkit.errors import BadRecordsError, FormatError, LabelkitError, UsageError
from labelkit.storage.mirror import PHOTO_FOLDERS, Mirror, is_photo, is_picture
from labelkit.storage.remote import Remote, filesystem, is_url, listed, parsed
from labelkit.storage.upload import Upload, mark_of

Place = Path | str


@dataclass(frozen=True)
class AtHand:
    """Local paths for what was asked for; the same where it was local.

    names: what begins the paths of the scratch folder, each with what the URL begins with.
    """

    source: Path
    images_dir: Path | None = None
    destination: Path | None = None
    names: tuple[tuple[str, str], ...] = ()

    def named(self, text: str) -> str:
        """A text with URLs where it has paths of the scratch folder; also when that is gone."""
        for local, url in self.names:
            text = text.replace(local, url)
        return text


@contextmanager
def at_hand(
    source: Place,
    *,
    images_dir: Place | None = None,
    destination: Place | None = None,
    photos: bool = True,
    overwrite: bool = False,
    kept: str = "",
) -> Iterator[AtHand]:
    """Local paths for a source, its images and a destination, each of which may be a URL.

    photos: whether image files will be opened; else only those are fetched of which nothing else says the
    size. overwrite: whether an old data set at the destination is to be replaced. kept: what follows the
    destination's name in that of a folder beside it, which is fetched before, and uploaded also on failure.
    The destination is uploaded when the block ends well, and removed again where that fails.

    Raises UsageError, FormatError and DestinationError, which name the URL.
    """
    if not any(map(is_url, (source, images_dir, destination))):
        images, target = (Path(each) if each is not None else None for each in (images_dir, destination))
        yield AtHand(Path(source), images, target)
        return
    scratch = Path(tempfile.mkdtemp(prefix="labelkit-")).resolve()
    names = _names(scratch, (source, images_dir, destination))
    try:
        here, there = Mirror(scratch, "from"), Mirror(scratch, "to")
        with _speaking(names), ExitStack() as stack:
            _refuse_overlap(source, destination)
            target = _arriving(stack, there, destination, overwrite=overwrite, kept=kept)
            found = _source(here, source, photos=photos)
            yield AtHand(found, _images(here, images_dir, photos=photos), target, names)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _speaking(names: tuple[tuple[str, str], ...]) -> Iterator[None]:
    """Errors that name the URL."""
    named = AtHand(Path(), names=names).named
    try:
        yield
    except LabelkitError as error:
        for each in [error, *(error.errors if isinstance(error, BadRecordsError) else [])]:
            for part in ("place", "found", "expected", "advice"):
                setattr(each, part, named(getattr(each, part)))
        raise
    except OSError as error:
        if isinstance(error.filename, str):
            error.filename = named(error.filename)
        raise


def _names(scratch: Path, places: tuple[Place | None, ...]) -> tuple[tuple[str, str], ...]:
    found = [_place(each) for each in places if each is not None]
    protocols = sorted({each.protocol for each in found if isinstance(each, Remote)})
    return tuple(
        (f"{scratch}/{side}/{protocol}/", f"{protocol}://")
        for side in ("from", "to")
        for protocol in protocols
    )


def _place(given: Place) -> Remote | Path:
    return parsed(given) if isinstance(given, str) and is_url(given) else Path(given)


def _source(here: Mirror, given: Place, *, photos: bool) -> Path:
    remote = _place(given)
    if isinstance(remote, Path):
        return remote
    fs = filesystem(remote)
    try:
        sizes = listed(fs, remote)
    except FormatError as error:
        if "no such" not in error.found:
            raise
        sizes = {}
    if sizes and "/" in remote.key and listed(fs, mark_of(remote)):
        found = "is being written, or was left before it was whole"
        raise FormatError(str(remote), found, "a whole data set", "--overwrite, when it is written, mends it")
    if not sizes:
        raise UsageError(str(remote), "does not exist", "a data set")
    root, is_file = remote, remote.key in sizes
    if is_file:
        root = remote.parent.parent if remote.parent.name == "annotations" else remote.parent
        sizes = {key: size for key, size in listed(fs, root).items() if _belongs(key, remote)}
    for name in PHOTO_FOLDERS:  # where readers look for images beside a folder
        if root.key != root.parent.key:
            sizes |= {key: size for key, size in listed(fs, root.beside(name)).items() if is_picture(key)}
    here.bring(remote, sizes, [key for key in sizes if photos or not is_photo(key, root)])
    return here.place(remote)


def _belongs(key: str, file: Remote) -> bool:
    """Whether an object may be read with a data set of one file: pictures, and what has its name."""
    name = PurePosixPath(key).name
    is_beside = PurePosixPath(key).parent == PurePosixPath(file.key).parent
    stem = PurePosixPath(file.name).stem
    return is_picture(key) or (is_beside and (name.startswith(f"{stem}.") or name == "labels.xml"))


def _images(here: Mirror, given: Place | None, *, photos: bool) -> Path | None:
    if given is None:
        return None
    remote = _place(given)
    if isinstance(remote, Path):
        return remote
    sizes = {key: size for key, size in listed(filesystem(remote), remote).items() if is_picture(key)}
    if not sizes:
        raise UsageError(str(remote), "has no images", "a folder of images")
    here.bring(remote, sizes, sizes if photos else ())
    return here.place(remote)


def _arriving(
    stack: ExitStack, there: Mirror, given: Place | None, *, overwrite: bool, kept: str
) -> Path | None:
    """A local place for a destination, with what lies at it now, so that it is refused as a local one."""
    remote = _place(given) if given is not None else None
    if not isinstance(remote, Remote):
        return remote
    if "/" not in remote.key:
        raise UsageError(str(remote), "is a whole bucket", "a folder in it, or a file")
    fs = filesystem(remote)
    old = listed(fs, remote)
    there.bring(remote, old, [key for key in old if overwrite and not is_picture(key)])
    if listed(fs, mark_of(remote)) and not overwrite:
        found = "is being written, or was left before it was whole"
        raise UsageError(str(remote), found, "", "--overwrite writes it again")
    if PurePosixPath(remote.name).suffix:
        beside = {key: size for key, size in _beside(fs, remote).items() if key not in old}
        there.bring(remote, beside, ())
        old |= beside
    folder = remote.beside(f"{remote.name}{kept}") if kept else None
    if folder:
        run = listed(fs, folder)
        there.bring(folder, run, run)
    there.place(remote).parent.mkdir(parents=True, exist_ok=True)
    stack.enter_context(_uploading(Upload(fs, remote, there, old), there.place(folder) if folder else None))
    return there.place(remote)


def _beside(fs: Any, file: Remote) -> dict[str, int]:
    """What lies beside a data set of one file, and may be in the way: its images, and files of its name."""
    found = listed(fs, file.beside("images"))
    for name in (f"{file.name}.labelkit.jsonl", f"{PurePosixPath(file.name).stem}.labels.xml"):
        found |= listed(fs, file.beside(name))
    return found


@contextmanager
def _uploading(upload: Upload, kept: Path | None) -> Iterator[None]:
    """Upload when the block ends well; else, and where that fails, remove everything again."""
    try:
        yield
        upload.publish()
    except BaseException as error:
        try:
            if kept is not None:
                upload.keep(kept)
        finally:
            left = upload.undo()
        if left and isinstance(error, LabelkitError):
            error.advice = left
        elif left and isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(left) from None
        raise


def _refuse_overlap(source: Place, destination: Place | None) -> None:
    """Raise UsageError where writing the destination would touch the source."""
    here, there = _place(source), _place(destination) if destination is not None else None
    if not (isinstance(here, Remote) and isinstance(there, Remote)) or here.protocol != there.protocol:
        return
    if f"{there.key}/".startswith(f"{here.key}/") or f"{here.key}/".startswith(f"{there.key}/"):
        raise UsageError(str(there), "is the source, lies in it, or contains it", "another place")


__all__ = ["AtHand", "Place", "Remote", "at_hand", "is_url", "parsed"]

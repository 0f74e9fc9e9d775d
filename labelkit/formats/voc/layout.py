"""Where a Pascal VOC data set keeps its things, and whether a folder is one.

The official layout is ``VOCdevkit/VOC2012/{Annotations,ImageSets,JPEGImages,…}``; any of its upper folders
may be named, and a bare folder of XML files will do, with the images beside them or in ``images/``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from labelkit.errors import FormatError, RecordError
from labelkit.formats import Evidence, _files

DEFAULT_FOLDER = "VOC2012"
ANNOTATIONS, SETS = "Annotations", "ImageSets"
CLASSES, OBJECTS = "SegmentationClass", "SegmentationObject"
BASE_FILE = "box-base.txt"  # written where boxes would speak for the wrong base; ours alone
NUMBERS_FILE = "objects-by-number.txt"  # ids whose boxes would speak for the wrong pixels; ours alone
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2"}
)
_MARKS = (ANNOTATIONS, SETS, CLASSES, "annotations")
_FOLDER = re.compile(r"VOC[A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Layout:
    """The folders of a data set. root: what is called VOC2012 in the official one."""

    root: Path
    annotations: Path
    images: tuple[Path, ...]

    @property
    def folder(self) -> str | None:
        """The official name of the root (VOC2007), if it has one."""
        return self.root.name if folder_name(self.root.name) else None


def folder_name(name: object) -> str | None:
    """A name that the root may be written with, or None."""
    return name if isinstance(name, str) and _FOLDER.fullmatch(name) else None


def locate(path: Path, images_dir: Path | None) -> Layout:
    """The folders of the data set at a path. Raises FormatError: none, or several years."""
    roots = _roots(path)
    if len(roots) > 1:
        names = ", ".join(root.name for root in roots)
        found, advice = f"several data sets ({names})", f"name {roots[0]}"
        raise FormatError(str(path), found, "one of them", advice, code="STR106")
    if not roots:
        expected = "Annotations/, ImageSets/ or XML files"
        raise FormatError(str(path), "no VOC data set", expected, code="STR106")
    root = roots[0]
    annotations = next((root / name for name in (ANNOTATIONS, "annotations") if (root / name).is_dir()), root)
    bare = not any((root / name).is_dir() for name in _MARKS)
    if not bare and annotations == root:
        annotations = root / ANNOTATIONS
    beside = [root / "JPEGImages", root / "images", annotations]
    if bare:
        beside += [root.parent / "JPEGImages", root.parent / "images"]
    chosen = [images_dir, *beside] if images_dir else beside
    return Layout(root, annotations, tuple(folder for folder in chosen if folder.is_dir()))


def _roots(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    if _is_root(path):
        return [path]
    for parent in (path, path / "VOCdevkit"):
        if parent.is_dir():
            with os.scandir(parent) as entries:
                names = sorted(entry.name for entry in entries if entry.name.startswith("VOC"))
            years = [parent / name for name in names if _is_root(parent / name)]
            if years:
                return years
    return [path] if _first_xml(path) else []


def _is_root(path: Path) -> bool:
    for name in _MARKS[:3]:
        if (path / name).is_dir():
            return True
    return (path / "annotations").is_dir() and _first_xml(path / "annotations") is not None


def _first_xml(folder: Path) -> Path | None:
    with os.scandir(folder) as entries:
        return next((Path(entry.path) for entry in entries if entry.name.endswith(".xml")), None)


def detect(path: Path) -> Evidence:
    """Folders of the official layout, or XML files whose root is <annotation>."""
    try:
        roots = _roots(path)
        if not roots:
            return Evidence(0, "has no Annotations/, no ImageSets/ and no XML files")
        if len(roots) > 1:
            return Evidence(2, f"has {len(roots)} VOC folders")
        root = roots[0]
        if (root / SETS).is_dir() or (root / CLASSES).is_dir():
            return Evidence(2, f"{root.name} has ImageSets/ or SegmentationClass/")
        folder = next((root / name for name in (ANNOTATIONS, "annotations") if (root / name).is_dir()), root)
        file = _first_xml(folder)
        if file is None:
            inner = next((f for f in walk(folder, ".xml")), None)
            file = folder / inner if inner else None
        if file is None:
            return Evidence(1 if folder.name == ANNOTATIONS else 0, f"{folder.name}/ has no XML files")
        if not file.is_file():
            return Evidence(0, f"{file.name} is no regular file")
        with file.open("rb") as stream:
            head = stream.read(400)
    except (OSError, FormatError) as error:
        return Evidence(0, f"cannot be read ({error})")
    if re.search(rb"<annotation[\s>]", head):  # and not <annotations>, which is CVAT's
        return Evidence(2, f"{file.name} starts with <annotation>")
    return Evidence(0, f"{file.name} is XML, but does not start with <annotation>")


def walk(folder: Path, suffix: str) -> Iterator[str]:
    """The files of that suffix below a folder, relative, with "/" between folders, in no order.

    Raises FormatError: a folder is there and cannot be looked into.
    """
    pending = [("", str(folder))]
    while pending:
        prefix, place = pending.pop()
        try:
            entries = list(os.scandir(place))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise FormatError(place, f"cannot be read ({error.strerror})", "a readable folder") from None
        for entry in entries:
            if entry.name.endswith(suffix):
                yield prefix + entry.name
            elif entry.is_dir(follow_symlinks=False):
                pending.append((f"{prefix}{entry.name}/", entry.path))


def inside(root: Path, relative: str) -> Path | None:
    """``_files.inside``, but resolving links only where there can be one: this is called for every image."""
    return _plain(root, relative) if _is_plain(root, relative) else _files.inside(root, relative)


def inside_folder(folder: Path, name: str) -> Path | None:
    """The file of that name. Raises RecordError: it is a link that leaves its folder, or it is no file."""
    try:
        file = inside(folder, name)
    except ValueError as error:
        place = str(folder / name)
        raise RecordError(place, str(error), "a file of this data set", code="STR108") from None
    if file is None and os.path.lexists(folder / name):
        raise RecordError(str(folder / name), "is no regular file", "a file")
    return file


def image_inside(root: Path, relative: str, named: Path | None) -> Path | None:
    """``_files.image_inside``, as fast."""
    return _plain(root, relative) if _is_plain(root, relative) else _files.image_inside(root, relative, named)


def _is_plain(root: Path, relative: str) -> bool:
    """Whether no link can lie between a folder and a file."""
    return "/" not in relative and not os.path.islink(os.path.join(root, relative))  # noqa: PTH114, PTH118


def _plain(root: Path, relative: str) -> Path | None:
    place = os.path.join(root, relative)  # noqa: PTH118 (four times as fast)
    return Path(place) if os.path.isfile(place) else None  # noqa: PTH113


def id_of(path: str) -> str:
    """The id of an image: its path without the suffix, folders kept."""
    suffix = PurePosixPath(path).suffix
    return path.removesuffix(suffix)

"""Where CVAT keeps things: ``annotations.xml``, and the images in ``images/`` or its folders of subsets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from labelkit.formats import Evidence
from labelkit.formats._files import image_inside, is_file
from labelkit.formats.cvat.image import NO_SUBSET
from labelkit.model import Record

FILE = "annotations.xml"
IMAGES = "images"
SUFFIX = ".xml"

_HEAD = 4000  # bytes in which the outermost element must start
_ROOT = re.compile(rb"<annotations[\s/>]")


def file_of(path: Path) -> Path:
    """The XML file of a data set: the path itself, or the one in the folder."""
    return path / FILE if path.is_dir() else path


def detect(path: Path) -> Evidence:
    """An XML file whose outermost element is ``<annotations>``."""
    file = file_of(path)
    if not is_file(file):
        return Evidence(0, f"has no {FILE}" if path.is_dir() else "is no file")
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        return Evidence(0, f"{file.name} cannot be read ({error.strerror})")
    if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return Evidence(0, f"{file.name} is no XML")
    if not _ROOT.search(head):
        return Evidence(0, f"{file.name} is XML, but does not start with <annotations>")
    return Evidence(2, f"{file.name} starts with <annotations>")


def image_place(record: Record) -> str:
    """Where an image belongs, below the data set: in the folder of its subset, once."""
    path, subset = record.image.path, record.splits[:1]
    return "/".join((IMAGES, *(name for name in subset if not path.startswith(f"{name}/")), path))


def image_file(path: Path, images_dir: Path | None, record: Record) -> Path | None:
    """Where an image lies. Raises OutsideLinkError (see ``image_inside``)."""
    for folder in _folders(path if path.is_dir() else path.parent, images_dir, record):
        if found := image_inside(folder, record.image.path, images_dir):
            return found
    return None


def _folders(root: Path, images_dir: Path | None, record: Record) -> Iterator[Path]:
    homes = [images_dir] if images_dir else [root / IMAGES, root]
    for home in homes:
        for subset in (*record.splits[:1], NO_SUBSET) if home != root else ():
            if _is_plain(subset) and (home / subset).is_dir():
                yield home / subset
        yield home


def _is_plain(subset: str) -> bool:
    """Whether a subset is the name of a folder and leads nowhere else."""
    return not subset.startswith(".") and not set(subset) & set("/\\\0")

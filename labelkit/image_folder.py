"""Images without labels: a folder, a glob, or one file, as a data set that can be read and nothing more."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from labelkit.dataset import Dataset
from labelkit.errors import RecordError, UsageError
from labelkit.findings import Finding, Tell
from labelkit.formats import Evidence, Format, Part, Target, detect
from labelkit.formats._files import image_inside, safe_path
from labelkit.model import Header, Image, Record
from labelkit.survey import IMAGE_SUFFIXES

NAME = "images"
_PART = 500


class ImageReader:
    """The images below a folder, each a record that says nothing but its path.

    Sizes are not stated, for nobody has said them. paths: relative to the folder.
    """

    header = Header()
    notes: Sequence[Finding] = ()

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.root = root
        self.paths = paths

    def parts(self) -> list[Part]:
        starts = range(0, len(self.paths), _PART)
        return [Part(start, start, min(_PART, len(self.paths) - start)) for start in starts]

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        for path in self.paths[part.start : part.start + part.count]:
            try:
                path.encode()  # names of files are bytes, which need not be text
                yield Record(image=Image(path=safe_path(path)))
            except UnicodeEncodeError:
                yield RecordError(str(self.root / path), "the file name is not UTF-8", "", "rename it")
            except ValueError as error:
                yield RecordError(str(self.root / path), str(error))

    def image_file(self, record: Record) -> Path | None:
        return image_inside(self.root, record.image.path, self.root)


def open_images(source: str | Path, *, without: Sequence[Path] = ()) -> Dataset:
    """The images of a folder and those below it, of a glob, or one image; in the order of their paths.

    Paths are relative to the folder, or to the last folder of a glob that has no star in it. Hidden files and
    folders are left out, as a glob leaves them out. without: folders whose images are not meant (the output's
    own). Raises UsageError where there is none.
    """
    text = str(source)
    path = Path(source)
    if path.is_dir():
        root, names = path, _below(path)
    elif path.is_file():
        root, names = path.parent, iter([path.name])
    else:
        root = _fixed(text)
        found = glob.iglob(text, recursive=True)  # noqa: PTH207 (Path has none that takes "../*" whole)
        names = (str(PurePath(name).relative_to(root)) for name in found if os.path.isfile(name))  # noqa: PTH113
    found_names = {PurePath(name).as_posix() for name in names if _is_image(name)}
    paths = sorted(name for name in found_names if not _is_below(root / name, without))
    if not paths:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise UsageError(text, "has no images" if path.exists() else "matches no images", kinds)
    return Dataset(path, FORMAT, ImageReader(root, paths), Header(), ())


def is_images(source: str | Path) -> bool:
    """Whether a source is no data set of a format: a glob, an image, a folder with images and no labels."""
    path = Path(source)
    if not path.exists():
        return glob.has_magic(str(source))
    if path.is_file():
        return _is_image(path.name)
    strongest = next(iter(detect(path).values())).strength
    return strongest == 0 and any(_is_image(name) for name in _below(path))


def _below(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(folder).relative_to(root)
        yield from (str(inside / name) for name in files if not name.startswith("."))


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    place = Path(os.path.abspath(path))  # noqa: PTH100 (links stay)
    return any(place.is_relative_to(folder) for folder in folders)


def _is_image(name: str) -> bool:
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def _fixed(pattern: str) -> Path:
    """The folders of a glob up to the first that has a star in it."""
    parts = PurePath(pattern).parts[:-1]
    fixed = next((k for k, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:fixed])


def _open(path: Path, *, images_dir: Path | None = None) -> ImageReader:
    reader: Any = open_images(path).reader
    found: ImageReader = reader
    return found


def _create(root: Path, header: Header) -> Any:
    raise UsageError("--to images", "images hold no labels", "a format of labels")


def _adjust(record: Record, target: Target, ordinal: int, tell: Tell) -> Record:
    return record


def _adjust_header(header: Header, options: Mapping[str, Any], tell: Tell) -> Header:
    return header


def _detect(path: Path) -> Evidence:
    return Evidence(1, "has images") if is_images(path) else Evidence(0, "has no images")


# Not in the registry, for it holds no labels: a source of records like any other, and the target of none.
FORMAT = Format(
    name=NAME,
    title="images without labels",
    carries=frozenset({"order"}),
    detect=_detect,
    open=_open,
    create=_create,
    adjust=_adjust,
    adjust_header=_adjust_header,
)

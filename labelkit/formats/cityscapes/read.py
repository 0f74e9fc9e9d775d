"""Reading Cityscapes: which folder, which frames in it, and where their images are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from labelkit.errors import FormatError, LabelkitError, RecordError, UsageError
from labelkit.findings import Finding
from labelkit.formats import Part
from labelkit.formats._files import inside
from labelkit.formats.cityscapes.frame import Frame, FrameReader
from labelkit.formats.cityscapes.scene import Rule
from labelkit.formats.cityscapes.table import ALL_FILES, CATEGORIES, IMAGES, SUFFIX, TYPES
from labelkit.model import Header, Record

Truth = Literal["png", "polygons"]
TypeOption = Literal["auto", "gtFine", "gtCoarse"]
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_PART = 50
_FILE = re.compile(rf"(?P<core>.+)_(?P<type>{'|'.join(TYPES)})_(?P<kind>{'|'.join(ALL_FILES)})\.(?:json|png)")


class CityscapesReader:
    """An open data set: one of its annotation folders (gtFine or gtCoarse)."""

    header = Header(categories=CATEGORIES)

    def __init__(
        self,
        path: Path,
        images_dir: Path | None,
        type: TypeOption,
        truth: Truth,
        raster: Rule,
    ) -> None:
        for name, value, allowed in (
            ("type", type, TypeOption), ("truth", truth, Truth), ("raster", raster, Rule)
        ):  # fmt: skip
            if value not in get_args(allowed):
                raise UsageError(
                    f"--cityscapes-{name}", repr(value), f"one of {', '.join(get_args(allowed))}"
                )
        self.path = path
        self.images_dir = images_dir
        self.asked = type
        self.truth: Truth = truth
        self.raster: Rule = raster
        self.folder, self.type, self._assumed = _annotation_folder(path, type)

    def __reduce__(self) -> tuple[Any, ...]:
        return CityscapesReader, (self.path, self.images_dir, self.asked, self.truth, self.raster)

    @cached_property
    def notes(self) -> Sequence[Finding]:
        """Which type was chosen, and how many files are none of this format's."""
        _, unread = self._files
        if not unread:
            return self._assumed
        text = f"{len(unread)} files are not understood and left out, such as {unread[0]}"
        return [*self._assumed, Finding("NOTE01", str(self.folder), text, count=len(unread))]

    @cached_property
    def _files(self) -> tuple[list[Frame], list[str]]:
        return _frames(self.folder, self.type)

    @property
    def frames(self) -> list[Frame]:
        """Every frame that has a file, sorted. Raises FormatError where there is none."""
        frames, _ = self._files
        if not frames:
            raise FormatError(
                str(self.folder),
                "no annotation files",
                f"<split>/<city>/<city>_<sequence>_<frame>_{self.type}_polygons.json or its PNGs",
            )
        return frames

    def parts(self) -> Sequence[Part]:
        """Fifty frames at a time."""
        frames = self.frames
        pieces = [tuple(frames[i : i + _PART]) for i in range(0, len(frames), _PART)]
        return [Part(piece, number * _PART, len(piece)) for number, piece in enumerate(pieces)]

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        """The frames of a part, each after the findings about it."""
        for frame in part.key:
            yield from self._read_frame(frame)

    def _read_frame(self, frame: Frame) -> Iterator[Record | RecordError | Finding]:
        found: list[Finding] = []
        try:
            yield FrameReader(self, frame, found).record()
        except LabelkitError as error:
            yield RecordError(error.place, error.found, error.expected, error.advice)
        except (ValidationError, ValueError, OSError) as error:
            yield RecordError(f"{frame.split}/{frame.city}/{frame.core}", _first_line(error))
        yield from found

    def image_file(self, record: Record) -> Path | None:
        """The image: in images_dir, in leftImg8bit beside the annotations, or among them."""
        path = Path(record.image.path)
        wanted = [path.suffix, *_IMAGE_SUFFIXES]
        for root in self.image_roots:
            for suffix in dict.fromkeys(wanted):
                try:
                    if (file := inside(root, path.with_suffix(suffix).as_posix())) is not None:
                        return file
                except ValueError as error:
                    raise RecordError(record.image.path, str(error)) from None
        return None

    @cached_property
    def image_roots(self) -> list[Path]:
        """Folders that may hold ``<split>/<city>/…_leftImg8bit.png``."""
        base = self.images_dir
        roots = [base / IMAGES, base] if base else [self.folder.parent / IMAGES, self.folder]
        return [root for root in roots if root.is_dir()]


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _annotation_folder(path: Path, wanted: TypeOption) -> tuple[Path, str, list[Finding]]:
    """The folder to read, its type, and what was assumed. Raises FormatError where there is none."""
    if not path.is_dir():
        raise FormatError(str(path), "no such folder", "a Cityscapes folder")
    here = [name for name in TYPES if (path / name).is_dir()]
    if not here:
        name = path.name if path.name in TYPES else type_by_files(path)
        if name is None or wanted not in ("auto", name):
            raise FormatError(str(path), f"no {' and no '.join(TYPES)} folder", "a Cityscapes folder")
        return path, name, []
    if wanted != "auto":
        if wanted not in here:
            raise FormatError(str(path), f"no {wanted} folder", f"--cityscapes-type {here[0]}")
        return path / wanted, wanted, []
    notes = []
    if len(here) > 1:
        text = f"both {' and '.join(here)} are there; {here[0]} is read (see --cityscapes-type)"
        notes.append(Finding("NOTE01", str(path), text))
    return path / here[0], here[0], notes


def type_by_files(path: Path) -> str | None:
    for file in path.glob("*/*/*_gt*_*"):
        if match := _FILE.fullmatch(file.name):
            return match["type"]
    return None


def _frames(folder: Path, kind: str) -> tuple[list[Frame], list[str]]:
    """The frames below a folder, sorted, and the files that belong to none (images apart)."""
    found: dict[tuple[str, str, str], set[str]] = {}
    unread = [file.name for file in folder.iterdir() if file.is_file()]
    for file in folder.glob("*/*/*"):
        match = _FILE.fullmatch(file.name)
        if match and match["type"] == kind and file.suffix == SUFFIX[match["kind"]]:
            key = (file.parent.parent.name, file.parent.name, match["core"])
            found.setdefault(key, set()).add(match["kind"])
        elif f"_{IMAGES}." not in file.name:
            unread.append(file.relative_to(folder).as_posix())
    frames = [
        Frame(*key, tuple(name for name in ALL_FILES if name in kinds))
        for key, kinds in sorted(found.items())
    ]
    return frames, sorted(name for name in unread if not name.rpartition("/")[2].startswith("."))

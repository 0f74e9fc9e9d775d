"""Where things lie: the folder of annotations, the frames in it and their files, and their images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from labelkit.errors import FormatError
from labelkit.findings import Finding
from labelkit.formats._files import image_inside
from labelkit.formats.cityscapes.table import ALL_FILES, IMAGES, SUFFIX, TYPES

TypeOption = Literal["auto", "gtFine", "gtCoarse"]
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_FILE = re.compile(rf"(?P<core>.+)_(?P<type>{'|'.join(TYPES)})_(?P<kind>{'|'.join(ALL_FILES)})\.(?:json|png)")


class Frame(NamedTuple):
    """The files of one image. core: ``<city>_<sequence>_<frame>``; kinds: which files there are."""

    split: str
    city: str
    core: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Folder:
    """A folder of annotations.

    type: gtFine or gtCoarse. image_roots: what may hold its images. images_dir: the folder of images that the
    user named, whose links are followed.
    """

    path: Path
    type: str
    image_roots: tuple[Path, ...]
    images_dir: Path | None

    def image(self, name: str) -> Path | None:
        """The image: in images_dir, in leftImg8bit beside the annotations, or among them."""
        path = Path(name)
        wanted = [path.suffix, *_IMAGE_SUFFIXES]
        for root in self.image_roots:
            for suffix in dict.fromkeys(wanted):
                relative = path.with_suffix(suffix).as_posix()
                if (file := image_inside(root, relative, self.images_dir)) is not None:
                    return file
        return None


def open_folder(path: Path, wanted: TypeOption, images_dir: Path | None) -> tuple[Folder, list[Finding]]:
    """The folder to read, and what was assumed. Raises FormatError where there is none."""
    folder, name, assumed = _annotation_folder(path, wanted)
    # ``<split>/<city>/…_leftImg8bit.png`` lies below each of these
    roots = [images_dir / IMAGES, images_dir] if images_dir else [folder.parent / IMAGES, folder]
    return Folder(folder, name, tuple(root for root in roots if root.is_dir()), images_dir), assumed


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
    """The type that the names of a folder's files say; None where no file has such a name."""
    for file in path.glob("*/*/*_gt*_*"):
        if match := _FILE.fullmatch(file.name):
            return match["type"]
    return None


def frames_of(folder: Path, kind: str) -> tuple[list[Frame], list[str]]:
    """The frames below a folder, sorted, and the files that belong to none (images apart)."""
    found: dict[tuple[str, str, str], set[str]] = {}
    outside = [*folder.iterdir(), *folder.glob("*/*")]  # of the folder of a city
    unread = [file.relative_to(folder).as_posix() for file in outside if file.is_file()]
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

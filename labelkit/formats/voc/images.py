"""The images of a VOC data set: where they lie, and which suffixes an id has."""

from __future__ import annotations

import os
from pathlib import Path

from labelkit.formats._files import is_file
from labelkit.formats.voc.layout import IMAGE_SUFFIXES, image_inside


class ImageFolders:
    """The folders that may have images, in the order in which they are looked at; each is listed once.

    named: the one that the user named, of which links are followed wherever they lead.
    """

    def __init__(self, folders: tuple[Path, ...], named: Path | None) -> None:
        self._folders = folders
        self._named = named
        self._listings: dict[str, dict[str, list[str]]] = {}

    def file(self, path: str) -> Path | None:
        """Where an image lies.

        Raises OutsideLinkError (a ValueError) where a link leads out of any folder but the named one.
        """
        files = (image_inside(folder, path, self._named) for folder in self._folders)
        return next((file for file in files if file is not None), None)

    def seen(self, path: str) -> Path | None:
        """Where an image lies, to see whether it is there and its size: any link is followed for that."""
        files = (folder / path for folder in self._folders)
        return next((file for file in files if is_file(file)), None)

    def is_name(self, id_: str) -> bool:
        """Whether what a list says is the name of an image that is there, and not its name without suffix."""
        return Path(id_).suffix.lower() in IMAGE_SUFFIXES and self.seen(id_) is not None

    def suffixes(self, id_: str) -> list[str]:
        """The suffixes of the images of that id."""
        below, _, stem = id_.rpartition("/")
        found: list[str] = []
        for folder in self._folders:
            place = str(folder / below)
            if place not in self._listings:
                self._listings[place] = _listing(place)
            found += [suffix for suffix in self._listings[place].get(stem, []) if suffix not in found]
        return found


def _listing(folder: str) -> dict[str, list[str]]:
    """The images in a folder: stem → suffixes."""
    found: dict[str, list[str]] = {}
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (names are all that is wanted)
    except OSError:
        return found
    for name in names:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        if suffix.lower() in IMAGE_SUFFIXES:
            found.setdefault(stem, []).append(suffix)
    return found

"""Where the images and PNGs of a data set lie: the folders in which common tools put them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from glob import escape
from pathlib import Path
from typing import Any

from labelkit.formats._files import image_inside, inside, is_folder
from labelkit.formats.coco.native import Document

_YEARS = "20[0-9][0-9]"  # COCO's own folders are train2017 and the like


def root_of(path: Path) -> Path:
    """The folder of a data set that is named by its folder or by one of its documents."""
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "annotations" else path.parent


class Places:
    """The folders of one data set.

    path: what the user named. images_dir: what the user said of images: it is looked in alone. gt: the
    document that results were predicted for. documents: the JSON files, beside which images may lie.
    """

    def __init__(
        self, path: Path, images_dir: Path | None, gt: Path | None, documents: Iterable[Path]
    ) -> None:
        self.root = root_of(path)
        self.images_dir = images_dir
        self._roots = [images_dir] if images_dir else [self.root, *([gt.parent] if gt else [])]
        self._beside: list[Path] = []
        if not images_dir:
            self._beside = list(dict.fromkeys(document.parent for document in documents))
            if path.is_file():
                self._beside.append(self.root.parent / "images")
        self._folders: dict[str | None, list[tuple[Path, str]]] = {}
        self._listings: dict[tuple[str, str], frozenset[str]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_listings": {}}  # each process lists what it looks into

    def find(self, path: str, splits: Sequence[str | None], prefix: str | None = None) -> Path | None:
        """Where an image lies. Raises ValueError where a link leads out of its folder."""
        names = [path]
        if prefix is not None and path.startswith(f"{prefix}/"):
            names = [path[len(prefix) + 1 :], path]
        for name in names:
            for split in splits:
                for folder, text in self._of_split(split):
                    if self._lists(text, name) and (found := image_inside(folder, name, self.images_dir)):
                        return found
        return None

    def _lists(self, folder: str, name: str) -> bool:
        """Whether a folder has an entry of that name. It is listed once, not asked for each image.

        Where a file system takes other letters for the same name, the annotation must still say the file's.
        """
        below, _, last = name.rpartition("/")
        place = folder, below
        if place not in self._listings:
            try:
                with os.scandir(f"{folder}/{below}") as entries:
                    self._listings[place] = frozenset(entry.name for entry in entries)
            except OSError:
                self._listings[place] = frozenset()
        return last in self._listings[place]

    def _of_split(self, split: str | None) -> list[tuple[Path, str]]:
        if split not in self._folders:
            folders = dict.fromkeys(folder for folder in self._possible(split) if is_folder(folder))
            self._folders[split] = [(folder, str(folder)) for folder in folders]
        return self._folders[split]

    def _possible(self, split: str | None) -> Iterator[Path]:
        for root in self._roots:
            for base in (root, root / "images"):
                if split is not None:
                    yield base / split
                    yield from sorted(base.glob(f"{escape(split)}{_YEARS}"))
            yield from (root / "images", root)
        yield from self._beside

    def png(self, file: Path, document: Document, name: str) -> Path | None:
        """Where the PNG of a panoptic annotation of a document lies."""
        beside = file.parent
        folders = [beside / file.stem, beside, self.root / file.stem, self.root]
        if document.split is not None:
            folders += [beside / f"panoptic_{document.split}", self.root / f"panoptic_{document.split}"]
        if self.images_dir:
            folders.append(self.images_dir)
        return next((found for folder in folders if (found := inside(folder, name))), None)

"""What a whole data set shows at a glance: every image, box, class and label, without the masks.

Rules over the whole set, ``labelkit stats`` and reports look at it. ``surveying`` makes it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from labelkit.model import Header, ImageLabel
from labelkit.table import Floats, ImageRow, Names, Table

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"})


@dataclass(frozen=True)
class FileFacts:
    """What is known of an image's file. None: not looked at, or unreadable.

    path: where it lies. mode: Pillow's. digest: one for equal bytes. fingerprint, thumbnail: as ``ImageFile``
    has them.
    """

    name: str
    width: int | None = None
    height: int | None = None
    orientation: int = 1
    mode: str | None = None
    digest: str | None = None
    fingerprint: int | None = None
    thumbnail: bytes | None = None
    path: Path | None = None


@dataclass(frozen=True, eq=False)
class Shown:
    """What the label maps of a data set show: a row for each class of each image.

    image: (M,) positions in the survey's images. category: (M,) names. pixels: (M,) how many.
    """

    image: NDArray[np.int64]
    category: Names
    pixels: NDArray[np.int64]


@dataclass(frozen=True)
class MapFacts:
    """What is known of a label map's PNG.

    void: the value of pixels to be ignored, where its values are classes. has_void: whether it has such
    pixels. has_border: whether it has pixels of a class and of the background, between which they could be.
    """

    name: str
    image: str
    void: int | None = None
    has_void: bool = False
    has_border: bool = False


@dataclass(frozen=True, eq=False)
class Survey:
    """A whole data set.

    root: where it lies. format: its name. header: its categories. table: every object, without masks; one
    that several documents describe stands there once. pixels: (N,) of each object's mask, NaN where there is
    none or nobody counted. labels: the image labels by image path, where there are any. shown: the classes
    that label maps show. files: what is known of the image files, by image path; an image that is missing on
    disk is not there. strangers: image files in the data set's image folders that no annotation names. maps:
    what is known of the PNGs of label maps.

    Paths of images: mapped: those that have a label map. confirmed: of which the files say that somebody
    looked at them, whether or not anything was found. refused: whose file is there and may not be read.
    broken: of which something is said that cannot be read.
    """

    root: Path
    format: str
    header: Header
    table: Table
    pixels: Floats
    labels: Mapping[str, Sequence[ImageLabel]]
    shown: Shown
    files: Mapping[str, FileFacts]
    strangers: Sequence[str] = ()
    maps: Sequence[MapFacts] = ()
    mapped: frozenset[str] = frozenset()
    confirmed: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()

    @cached_property
    def painted(self) -> Mapping[str, int]:
        """The classes that label maps show, with the number of images that show each."""
        counts = np.bincount(self.shown.category.codes, minlength=len(self.shown.category.names))
        return {str(name): n for name, n in zip(self.shown.category.names, counts.tolist(), strict=True)}

    @cached_property
    def examples(self) -> Mapping[str, int]:
        """How many examples each category has: objects, images with its label, or images that show it.

        Categories of the header come first, in their order; where several kinds tell of a class, the most.
        """
        column = self.table.coded
        objects = np.bincount(column.codes, minlength=len(column.names))
        counts = {category.name: 0 for category in self.header.categories}
        labelled = Counter(
            label.category for labels in self.labels.values() for label in labels if label.state == "present"
        )
        kinds = (zip(column.names, objects.tolist(), strict=True), labelled.items(), self.painted.items())
        for name, count in chain(*kinds):
            if name is not None:
                counts[name] = max(count, counts.get(name, 0))
        return counts

    @cached_property
    def _splits(self) -> dict[str, frozenset[str]]:
        return {row.path: frozenset(row.splits) for row in self.images}

    def splits_of(self, path: str) -> frozenset[str]:
        """The splits of an image."""
        return self._splits.get(path, frozenset())

    def share_split(self, a: str, b: str) -> bool:
        """Whether two images may meet in one split; without splits everything meets."""
        first, second = self.splits_of(a), self.splits_of(b)
        return not first or not second or bool(first & second)

    @cached_property
    def misplaced(self) -> Mapping[str, str]:
        """Images that are missing where their split has its images, and lie in another split's folder.

        Image path → the file, which is one of the strangers.
        """
        if not self.strangers:
            return {}
        splits = {split for row in self.images for split in row.splits}
        lying: dict[str, list[str]] = defaultdict(list)
        for name in self.strangers:
            lying[PurePosixPath(name).name].append(name)
        found = {}
        for row in self.images:
            if row.path in self.files:
                continue
            for name in lying.get(PurePosixPath(row.path).name, ()):
                if (splits - set(row.splits)).intersection(PurePosixPath(name).parent.parts):
                    found[row.path] = name
        return found

    @property
    def images(self) -> Sequence[ImageRow]:
        """Every image, in the order of the files."""
        return self.table.images

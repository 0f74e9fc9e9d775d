"""What a whole data set shows at a glance: every image, box, class and label, without the masks.

Rules over the whole set and ``labelkit stats`` look at it. It is built while the parts go by.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from labelkit.findings import Location
from labelkit.image_files import ImageFile
from labelkit.model import Header, ImageLabel, Record
from labelkit.pixels import shown_classes
from labelkit.table import ImageRow, Table, no_pixels

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"})


@dataclass(frozen=True)
class FileFacts:
    """What is known of an image's file, and where it lies. None: not looked at, or unreadable."""

    name: str
    width: int | None = None
    height: int | None = None
    orientation: int = 1
    digest: str | None = None
    fingerprint: int | None = None
    path: Path | None = None


def file_facts(file: ImageFile) -> FileFacts:
    """What the bytes of an image file say; None for what cannot be read."""
    try:
        header, digest = file.header, file.digest
    except (ValueError, OSError):
        return FileFacts(file.name, path=file.path)
    try:
        fingerprint = file.fingerprint
    except ValueError:
        fingerprint = None
    return FileFacts(
        file.name, header.width, header.height, header.orientation, digest, fingerprint, file.path
    )


@dataclass(frozen=True, eq=False)
class Survey:
    """A whole data set.

    root: where it lies. format: its name. header: its categories. table: every object, without masks.
    labels: the image labels by image path, where there are any. painted: the classes that label maps show,
    with the number of images that show each. mapped: the images that have a label map.
    files: what is known of the image files, by image path; an image that is missing on disk is not there.
    strangers: image files in the data set's image folders that no annotation names.
    """

    root: Path
    format: str
    header: Header
    table: Table
    labels: Mapping[str, Sequence[ImageLabel]]
    painted: Mapping[str, int]
    mapped: frozenset[str]
    files: Mapping[str, FileFacts]
    strangers: Sequence[str] = ()

    @cached_property
    def _splits(self) -> dict[str, frozenset[str]]:
        return {row.path: frozenset(row.splits) for row in self.images}

    def splits_of(self, path: str) -> frozenset[str]:
        """The splits of an image."""
        return self._splits.get(path, frozenset())

    @property
    def images(self) -> Sequence[ImageRow]:
        """Every image, in the order of the files."""
        return self.table.images


@dataclass
class SurveyBuilder:
    """Collects what a survey needs from tables and records as they go by."""

    images: dict[str, ImageRow] = field(default_factory=dict)
    labels: dict[str, list[ImageLabel]] = field(default_factory=dict)
    painted: dict[str, int] = field(default_factory=dict)
    mapped: set[str] = field(default_factory=set)
    files: dict[str, FileFacts] = field(default_factory=dict)
    _tables: list[Table] = field(default_factory=list)
    _folders: dict[Path, set[str]] = field(default_factory=dict)

    def add_table(self, table: Table) -> None:
        """Keep a table's columns, but not its masks."""
        for row in table.images:
            self.add_image(row)
        self._tables.append(table.without_masks())

    def add_image(self, row: ImageRow) -> None:
        """Note an image; of one that several documents describe, the first that knows its size."""
        known = self.images.get(row.path)
        if known is None:
            self.images[row.path] = row
            return
        splits = tuple(dict.fromkeys((*known.splits, *row.splits)))
        size = known if known.width else row
        self.images[row.path] = ImageRow(row.path, size.width, size.height, splits)

    def add_record(self, record: Record) -> None:
        """Note a record's labels and the classes that its maps show; a broken map is a rule's business."""
        image = record.image
        self.add_image(ImageRow(image.path, image.width, image.height, record.splits))
        if record.labels:
            self.labels.setdefault(image.path, []).extend(record.labels)
        for item in record.maps.values():
            if item.kind != "semantic":
                continue
            self.mapped.add(image.path)
            try:
                for name in sorted(shown_classes(item)):
                    self.painted[name] = self.painted.get(name, 0) + 1
            except ValueError:
                continue

    def add_file(self, file: ImageFile, *, is_open: bool) -> None:
        """Note an image file; is_open: with what its bytes say."""
        facts = file_facts(file) if is_open else FileFacts(file.name, path=file.path)
        self.files[file.row.path] = facts
        self._folders.setdefault(file.path.parent, set()).add(file.path.name)

    def _strangers(self, root: Path) -> Iterator[str]:
        """Images that lie beside listed ones, and that nobody lists."""
        for folder, listed in self._folders.items():
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
                suffix = PurePosixPath(entry.name).suffix.lower()
                if suffix in IMAGE_SUFFIXES and entry.name not in listed and entry.is_file():
                    path = Path(entry.path)
                    yield path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def finish(self, root: Path, format: str, header: Header) -> Survey:
        """The survey of all that was added."""
        return Survey(
            root,
            format,
            header,
            self._joined(),
            self.labels,
            self.painted,
            frozenset(self.mapped),
            self.files,
            list(self._strangers(root)),
        )

    def _joined(self) -> Table:
        rows = list(self.images.values())
        place = {path: k for k, path in enumerate(self.images)}
        owner = [place[table.images[int(k)].path] for table in self._tables for k in table.image]
        order = np.argsort(np.array(owner, dtype=np.int64), kind="stable")
        image = np.array(owner, dtype=np.int64)[order]
        first = np.searchsorted(image, image)  # the first row of each row's image
        category = [name for table in self._tables for name in table.category]

        def locate(row: int) -> Location:
            path = rows[int(image[row])].path
            x, y, w, h = (float(number) for number in box[row])
            return Location(
                path, image=path, object=row - int(first[row]) + 1, box=None if x != x else (x, y, w, h)
            )

        box = np.concatenate([np.zeros((0, 4)), *(table.box for table in self._tables)])[order]
        return Table(
            images=rows,
            image=image,
            category=[category[k] for k in order],
            box=box,
            area=np.concatenate([np.zeros(0), *(table.area for table in self._tables)])[order],
            crowd=np.concatenate([np.zeros(0, bool), *(table.crowd for table in self._tables)])[order],
            masks=(),
            runs=no_pixels,
            locate=locate,
        )

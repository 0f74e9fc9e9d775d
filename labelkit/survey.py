"""What a whole data set shows at a glance: every image, box, class and label, without the masks.

Rules over the whole set and ``labelkit stats`` look at it. It is built while the parts go by.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.findings import Location
from labelkit.formats._files import is_file
from labelkit.image_files import ImageFile
from labelkit.map_files import MapFile
from labelkit.model import Header, ImageLabel, Record
from labelkit.pixels import class_pixels
from labelkit.table import Floats, ImageRow, Names, Table, no_pixels

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


def file_facts(file: ImageFile) -> FileFacts:
    """What the bytes of an image file say; None for what cannot be read."""
    try:
        header, digest = file.header, file.digest
    except (ValueError, OSError):
        return FileFacts(file.name, path=file.path)
    facts = FileFacts(
        file.name, header.width, header.height, header.orientation, header.mode, digest, path=file.path
    )
    try:
        return replace(facts, fingerprint=file.fingerprint, thumbnail=file.thumbnail)
    except ValueError:
        return facts


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


def map_facts(file: MapFile) -> MapFacts:
    """What the pixels of a map say; of one that cannot be read, nothing."""
    void = file.void if file.values is not None else None
    labels = file.labels if void is not None else None
    if labels is None:
        return MapFacts(file.name, file.row.path)
    background, ignored = labels == 0, labels == void
    has_border = bool(background.any() and not (background | ignored).all())
    return MapFacts(file.name, file.row.path, void, bool(ignored.any()), has_border)


@dataclass(frozen=True, eq=False)
class Survey:
    """A whole data set.

    root: where it lies. format: its name. header: its categories. table: every object, without masks; one
    that several documents describe stands there once. pixels: (N,) of each object's mask, NaN where there is
    none or nobody counted. labels: the image labels by image path, where there are any. shown: the classes
    that label maps show. mapped: the images that have a label map. files: what is known of the image files,
    by image path; an image that is missing on disk is not there. strangers: image files in the data set's
    image folders that no annotation names. confirmed: images of which the files say that somebody looked at
    them, whether or not anything was found. maps: what is known of the PNGs
    of label maps. refused: images whose file is there and may not be read.
    broken: images of which something is said that cannot be read.
    """

    root: Path
    format: str
    header: Header
    table: Table
    pixels: Floats
    labels: Mapping[str, Sequence[ImageLabel]]
    shown: Shown
    mapped: frozenset[str]
    files: Mapping[str, FileFacts]
    strangers: Sequence[str] = ()
    confirmed: frozenset[str] = frozenset()
    maps: Sequence[MapFacts] = ()
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


@dataclass
class SurveyBuilder:
    """Collects what a survey needs from tables and records as they go by.

    is_confirmed: whether a record's file says that somebody looked at its image.
    """

    is_confirmed: Callable[[Record], bool]
    images: dict[str, ImageRow] = field(default_factory=dict)
    labels: dict[str, list[ImageLabel]] = field(default_factory=dict)
    mapped: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    files: dict[str, FileFacts] = field(default_factory=dict)
    _columns: list[_Columns] = field(default_factory=list)
    _shown: list[tuple[str, str, int]] = field(default_factory=list)
    maps: list[MapFacts] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    _folders: dict[Path, set[str]] = field(default_factory=dict)
    _in_tables: set[str] = field(default_factory=set)

    def add_table(self, table: Table, pixels: Floats | None = None) -> None:
        """Keep a table's columns, but not its masks. pixels: (N,) of each mask, where they were counted."""
        again = {row.path for row in table.images if row.path in self._in_tables}
        for row in table.images:
            self.add_image(row)
            self._in_tables.add(row.path)
        counted = np.full(len(table), np.nan) if pixels is None else pixels
        self._columns.append(_Columns(table.without_masks(), counted, again))

    def add_image(self, row: ImageRow) -> None:
        """Note an image; of one that several documents describe, the first that knows its size."""
        known = self.images.get(row.path)
        if known is None:
            self.images[row.path] = row
        elif known != row:
            splits = tuple(dict.fromkeys((*known.splits, *row.splits)))
            size = known if known.width else row
            self.images[row.path] = ImageRow(row.path, size.width, size.height, splits)

    def add_record(self, record: Record, *, is_decoded: bool = True) -> None:
        """Note a record's labels and, if maps are to be decoded, the classes that they show.

        A broken map is a rule's business.
        """
        image = record.image
        self.add_image(ImageRow(image.path, image.width, image.height, record.splits))
        if record.labels:
            self.labels.setdefault(image.path, []).extend(record.labels)
        if self.is_confirmed(record):
            self.confirmed.add(image.path)
        seen: dict[str, int] = {}
        for item in record.maps.values():
            if item.kind != "semantic":
                continue
            self.mapped.add(image.path)
            try:
                for name, pixels in class_pixels(item).items() if is_decoded else ():
                    seen[name] = max(pixels, seen.get(name, 0))
            except ValueError:
                continue
        self._shown += [(image.path, name, pixels) for name, pixels in sorted(seen.items())]

    def add_file(self, file: ImageFile, facts: FileFacts) -> None:
        """Note an image file and what is known of it."""
        self.files[file.row.path] = facts
        self._folders.setdefault(file.path.parent, set()).add(file.path.name)

    def add_map(self, file: MapFile) -> None:
        """Note a label map's PNG."""
        self.maps.append(map_facts(file))

    def add_error(self, at: Location, *, is_refusal: bool) -> None:
        """Note that what is said of an image cannot be read, or that its file is there and may not be."""
        if at.image is None:
            return
        if is_refusal:
            self.refused[at.image] = at.file
        else:
            self.broken.add(at.image)

    def add(self, other: SurveyBuilder) -> None:
        """Note what another builder has collected."""
        for row in other.images.values():
            self.add_image(row)
        for path, labels in other.labels.items():
            self.labels.setdefault(path, []).extend(labels)
        self.mapped |= other.mapped
        self.confirmed |= other.confirmed
        self.files |= other.files
        self.maps += other.maps
        self.refused |= other.refused
        self.broken |= other.broken
        self._columns += other._columns
        self._shown += other._shown
        self._in_tables |= other._in_tables
        for folder, names in other._folders.items():
            self._folders.setdefault(folder, set()).update(names)

    def _strangers(self, root: Path) -> Iterator[str]:
        """Images that lie beside listed ones, and that nobody lists; PNGs of label maps are none."""
        maps = {item.name for item in self.maps}
        for folder, listed in self._folders.items():
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:  # one whose files can be read, and not be listed
                continue
            for entry in entries:
                suffix = PurePosixPath(entry.name).suffix.lower()
                is_image = suffix in IMAGE_SUFFIXES and is_file(entry.path)
                if is_image and entry.name not in listed:
                    path = Path(entry.path)
                    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
                    if name not in self.refused.values() and name not in maps:
                        yield name

    def finish(self, root: Path, format: str, header: Header) -> Survey:
        """The survey of all that was added."""
        places = {path: position for position, path in enumerate(self.images)}
        table, pixels = _joined(list(self.images.values()), places, self._columns)
        shown = Shown(
            np.array([places[path] for path, _, _ in self._shown], dtype=np.int64),
            Names.of(name for _, name, _ in self._shown),
            np.array([pixels for _, _, pixels in self._shown], dtype=np.int64),
        )
        return Survey(
            root,
            format,
            header,
            table,
            pixels,
            self.labels,
            shown,
            frozenset(self.mapped),
            self.files,
            list(self._strangers(root)),
            frozenset(self.confirmed),
            self.maps,
            frozenset(self.refused),
            frozenset(self.broken),
        )


class _Columns(NamedTuple):
    """What is kept of a table. again: its images that an earlier table described too."""

    table: Table
    pixels: Floats
    again: set[str]


def _joined(
    images: Sequence[ImageRow], places: Mapping[str, int], parts: Sequence[_Columns]
) -> tuple[Table, Floats]:
    """All tables as one, image by image, and the pixels of its rows."""
    names: dict[str | None, int] = {}
    owners, codes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for part in parts:
        own = np.array([places[row.path] for row in part.table.images], dtype=np.int64)
        column = part.table.coded
        new = np.array([names.setdefault(name, len(names)) for name in column.names], dtype=np.int64)
        owners.append(own[part.table.image])
        codes.append(new[column.codes])
    owner, code = np.concatenate(owners), np.concatenate(codes)
    box = np.concatenate([np.zeros((0, 4)), *(part.table.box for part in parts)])
    area = np.concatenate([np.zeros(0), *(part.table.area for part in parts)])
    crowd = np.concatenate([np.zeros(0, bool), *(part.table.crowd for part in parts)])
    pixels = np.concatenate([np.zeros(0), *(part.pixels for part in parts)])
    order = np.argsort(owner, kind="stable")
    twice = _told_before(parts, places, owner, np.column_stack([owner, code, box, area, crowd]))
    order = order[~twice[order]]
    extents = [part.table.extent for part in parts if part.table.extent is not None]
    table = Table(
        images=images,
        image=owner[order],
        category=Names(list(names), code[order]),
        box=box[order],
        area=area[order],
        crowd=crowd[order],
        extent=np.concatenate([np.zeros((0, 4)), *extents])[order],
        masks=(),
        runs=no_pixels,
        locate=_locate_in(images, owner[order], box[order]),
    )
    return table, pixels[order]


def _told_before(
    parts: Sequence[_Columns], places: Mapping[str, int], owner: NDArray[np.int64], keys: Floats
) -> NDArray[np.bool_]:
    """(N,) Rows that say again what a row of an earlier table said: keys (N, 8) are equal, and have a box.

    COCO's keypoints repeat the instances.
    """
    twice = np.zeros(len(owner), dtype=bool)
    again = [places[path] for part in parts for path in part.again]
    if not again:
        return twice
    rows = np.flatnonzero(np.isin(owner, again) & ~np.isnan(keys[:, 2]))
    source = np.repeat(np.arange(len(parts)), [len(part.table) for part in parts])[rows]
    _, group = np.unique(np.nan_to_num(keys[rows]), axis=0, return_inverse=True)
    group = group.reshape(-1)
    first = np.full(group.max(initial=-1) + 1, len(parts))
    np.minimum.at(first, group, source)
    twice[rows] = source > first[group]
    return twice


def _locate_in(
    images: Sequence[ImageRow], image: NDArray[np.int64], box: Floats
) -> Callable[[int], Location]:
    first = np.searchsorted(image, image)  # the first row of each row's image

    def locate(row: int) -> Location:
        path = images[int(image[row])].path
        x, y, w, h = (float(number) for number in box[row])
        return Location(
            path, image=path, object=row - int(first[row]) + 1, box=None if x != x else (x, y, w, h)
        )

    return locate

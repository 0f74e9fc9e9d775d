"""Making a survey: what it keeps of tables, records and files is noted while the data set goes by.

A builder travels between processes, and builders are joined in the order of the data.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.findings import Location
from labelkit.formats._files import is_file, relative
from labelkit.image_files import ImageFile
from labelkit.map_files import MapFile
from labelkit.model import Header, ImageLabel, Record
from labelkit.pixels import class_pixels
from labelkit.survey import IMAGE_SUFFIXES, FileFacts, MapFacts, Shown, Survey
from labelkit.table import Floats, ImageRow, Names, Table, image_row, no_pixels


@dataclass
class SurveyBuilder:
    """Collects what a survey needs from tables and records as they go by.

    is_confirmed: whether a record's file says that somebody looked at its image. refused: the file of each
    image that may not be read. What else is collected is described at ``Survey``.
    """

    is_confirmed: Callable[[Record], bool]
    images: dict[str, ImageRow] = field(default_factory=dict)
    labels: dict[str, list[ImageLabel]] = field(default_factory=dict)
    mapped: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    files: dict[str, FileFacts] = field(default_factory=dict)
    maps: list[MapFacts] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    _columns: list[_Columns] = field(default_factory=list)
    _shown: list[tuple[str, str, int]] = field(default_factory=list)
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
        self.add_image(image_row(record))
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
        known = {item.name for item in self.maps}.union(self.refused.values())
        for folder, listed in self._folders.items():
            for entry in _entries(folder):
                suffix = PurePosixPath(entry.name).suffix.lower()
                if suffix in IMAGE_SUFFIXES and entry.name not in listed and is_file(entry.path):
                    name = relative(Path(entry.path), root)
                    if name not in known:
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
            root=root,
            format=format,
            header=header,
            table=table,
            pixels=pixels,
            labels=self.labels,
            shown=shown,
            files=self.files,
            strangers=list(self._strangers(root)),
            maps=self.maps,
            mapped=frozenset(self.mapped),
            confirmed=frozenset(self.confirmed),
            refused=frozenset(self.refused),
            broken=frozenset(self.broken),
        )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; nothing where it may not be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


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


# --- files -------------------------------------------------------------------------------------------------


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


def map_facts(file: MapFile) -> MapFacts:
    """What the pixels of a map say; of one that cannot be read, nothing."""
    void = file.void if file.values is not None else None
    labels = file.labels if void is not None else None
    if labels is None:
        return MapFacts(file.name, file.row.path)
    background, ignored = labels == 0, labels == void
    has_border = bool(background.any() and not (background | ignored).all())
    return MapFacts(file.name, file.row.path, void, bool(ignored.any()), has_border)

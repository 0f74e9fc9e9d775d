"""Reading shards: a part is a row group, of which the bytes of images are read only if someone wants one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from labelkit.canonical import fault
from labelkit.errors import FormatError, RecordError
from labelkit.extracted import Extracted
from labelkit.findings import Finding
from labelkit.formats import Parcel, Part, total_of
from labelkit.formats._files import image_inside, inside, safe_path
from labelkit.formats._inspect import part_items
from labelkit.formats._lines import unknown_categories
from labelkit.formats.parquet.columns import Rows
from labelkit.formats.parquet.manifest import NAME, Shard, read_header, read_manifest, sha256
from labelkit.model import Header, Record

_BROKEN = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError)


class ParquetReader:
    """An open folder of shards."""

    def __init__(self, path: Path, images_dir: Path | None, extracted: Extracted | None = None) -> None:
        self.path = path
        self.images_dir = images_dir
        self.notes: Sequence[Finding] = ()
        self.manifest = read_manifest(path)
        self.header: Header = read_header(self.manifest, path)
        self.extracted = extracted or Extracted()
        self._images = _Images(self)
        self._open: tuple[int, Any] = (-1, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.images_dir, self.extracted)

    @cached_property
    def names(self) -> frozenset[str]:
        """The classes of the header."""
        return frozenset(category.name for category in self.header.categories)

    @cached_property
    def rows(self) -> Rows:
        return Rows(self.header)

    def parts(self) -> list[Part]:
        """A part a row group; what they are is in the manifest, and no shard is opened."""
        parts, start = [], 0
        for shard in range(len(self.manifest.shards)):
            for group, count in enumerate(self.manifest.shards[shard].groups):
                parts.append(Part((shard, group), start, count))
                start += count
        return parts

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        """The records of a row group; one error where it cannot be read at all."""
        shard, group = part.key
        columns = [name for name in self.rows.schema.names if name != "image"]
        place = self._place(shard, group)
        try:
            rows = self.rows.decode(self._table(shard, group, ["image.path", *columns]))
        except _BROKEN as error:
            yield _no_records(place, error)
            return
        self._images.begin((shard, group), [row["image"]["path"] for row in rows])
        for number, row in enumerate(rows, 1):
            yield self._record(row, f"{place}, row {number}")

    def _record(self, row: dict[str, Any], place: str) -> Record | RecordError:
        try:
            record = Record.model_validate(row)
            safe_path(record.image.path)
            for what, category in unknown_categories(record, self.names):
                raise ValueError(f"{what}: category {category!r} is not in the header")
        except ValidationError as error:
            return RecordError(place, fault(error), "a record (schemas/record.schema.json)")
        except ValueError as error:
            return RecordError(place, str(error), "a record (schemas/record.schema.json)")
        return record

    def image_file(self, record: Record) -> Path | None:
        """The image beside the shards, or a copy of the one in the row, which is there for a while."""
        folders = [self.images_dir] if self.images_dir else [self.path / "images"]
        for folder in folders:
            if found := image_inside(folder, record.image.path, self.images_dir):
                return found
        if not self.manifest.head.embedded or self.images_dir:
            return None
        data = self._images.find(record.image.path)
        return None if data is None else self.extracted.put(data, PurePosixPath(record.image.path).suffix)

    def paths(self, shard: int, group: int) -> list[str]:
        """The images of a row group. Raises RecordError where it cannot be read."""
        return self._image_column(shard, group, "path")

    def files(self, shard: int, group: int) -> list[bytes | None]:
        """The image files of a row group. Raises RecordError where it cannot be read."""
        return self._image_column(shard, group, "bytes")

    def _image_column(self, shard: int, group: int, name: str) -> list[Any]:
        try:
            images = self._table(shard, group, [f"image.{name}"]).column("image").combine_chunks()
            values: list[Any] = images.field(name).to_pylist()
        except _BROKEN as error:
            raise _no_records(self._place(shard, group), error) from None
        return values

    def _place(self, shard: int, group: int) -> str:
        return f"{self.path / self.manifest.shards[shard].file}, row group {group}"

    def _table(self, shard: int, group: int, columns: list[str]) -> Any:
        """Columns of a row group, in our types also where another program wrote them."""
        listed = self.manifest.shards[shard]
        table = self._file(shard).read_row_group(group, columns=columns)
        if len(table) != listed.groups[group]:
            raise ValueError(f"{len(table)} rows, and {listed.groups[group]} in {NAME}")
        ours = pa.schema([self._type(field) for field in table.schema])
        return table if table.schema.equals(ours) else table.cast(ours)

    def _type(self, field: Any) -> Any:
        """A field with our type; of the image, of which only a part is read, with the parts that are."""
        ours = self.rows.schema.field(field.name)
        if field.name != "image":
            return ours
        return pa.field("image", pa.struct([ours.type.field(each.name) for each in field.type]))

    def _file(self, shard: int) -> Any:
        if self._open[0] != shard:
            name = self.manifest.shards[shard].file
            file = inside(self.path, name)
            if file is None:
                raise FileNotFoundError(f"{NAME} lists {name}, which is not there")
            self._open = shard, pq.ParquetFile(file, memory_map=True)
        return self._open[1]


class _Images:
    """Where the images of the rows are: those of the row group that is read are known."""

    def __init__(self, reader: ParquetReader) -> None:
        self.reader = reader
        self._group: tuple[int, int] = (-1, -1)
        self._rows: dict[str, int] = {}
        self._files: list[bytes | None] | None = None

    def begin(self, group: tuple[int, int], paths: Sequence[str]) -> None:
        """A row group is read now, which has these images."""
        self._group, self._files = group, None
        self._rows = {path: row for row, path in enumerate(paths)}

    def find(self, path: str) -> bytes | None:
        """The file of an image, or None. Raises RecordError where a shard cannot be read."""
        if path not in self._rows:
            self._search(path)
        if path not in self._rows:
            return None
        if self._files is None:
            self._files = self.reader.files(*self._group)
        return self._files[self._rows[path]]

    def _search(self, path: str) -> None:
        """Go to the row group of an image that is asked for out of order, if there is one."""
        for part in self.reader.parts():
            paths = self.reader.paths(*part.key)
            if path in paths:
                self.begin(part.key, paths)
                return


def _no_records(place: str, error: Exception) -> RecordError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return RecordError(place, f"no rows that can be read ({reason})", "rows as labelkit writes them")


def inspect(path: Path, images_dir: Path | None = None) -> Iterator[object]:
    """All that a folder of shards is made of; what differs from its hash is told before it is read."""
    try:
        reader = ParquetReader(path, images_dir)
    except FormatError as error:
        yield error
        return
    parts = reader.parts()
    yield from total_of(parts)
    yield reader.header
    for shard in reader.manifest.shards:
        yield Parcel(_check_hash, (reader, shard))
    for part in parts:
        yield Parcel(part_items, (reader, part, path))


def _check_hash(reader: ParquetReader, shard: Shard) -> Iterator[RecordError]:
    place, file = f"{reader.path / shard.file}", inside(reader.path, shard.file)
    if file is None:
        yield RecordError(place, "is not there", f"the shard that {NAME} lists")
        return
    found = sha256(file)
    if found != shard.sha256:
        yield RecordError(
            place, f"SHA-256 {found[:12]}…", f"{shard.sha256[:12]}…, as in {NAME}", "the shard was changed"
        )

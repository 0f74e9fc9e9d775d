"""Writing shards: every part as a piece of Arrow, and all pieces joined to row groups and shards."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labelkit.formats.parquet.columns import Rows
from labelkit.formats.parquet.manifest import Shard, sha256, write_manifest
from labelkit.model import Header, Layers, Png, Record

PART = 1000  # rows of a row group, which is a part when it is read
GROUP_BYTES = 16_000_000  # of a row group, so that reading one image of it reads no more
_SIZE = "_size"


class ParquetWriter:
    """Writes a piece a part. embeds: whether images go into their rows. shard_bytes: before compression."""

    def __init__(self, root: Path, header: Header, *, embeds: bool, shard_bytes: int) -> None:
        self.root = root
        self.header = header
        self.embeds = embeds
        self.shard_bytes = shard_bytes
        self.pieces = root / ".pieces"

    def image_path(self, record: Record) -> str | None:
        return f"images/{record.image.path}"

    def write(self, part: int, records: Iterable[Record]) -> None:
        rows = Rows(self.header)
        self.pieces.mkdir(parents=True, exist_ok=True)
        schema = rows.schema.append(pa.field(_SIZE, pa.int64()))
        with (
            pa.OSFile(str(self.pieces / f"{part:08}.arrow"), "wb") as sink,
            pa.ipc.new_file(sink, schema) as to,
        ):
            for batch in self._batches(records):
                made = rows.encode([record for record, _, _ in batch], [file for _, file, _ in batch])
                sizes = pa.array([size for _, _, size in batch], pa.int64())
                to.write_batch(made.append_column(_SIZE, sizes))

    def _batches(self, records: Iterable[Record]) -> Iterator[list[tuple[Record, bytes | None, int]]]:
        """Records, each with its image file and its size; no more at one time than a row group has."""
        batch: list[tuple[Record, bytes | None, int]] = []
        total = 0
        for record in records:
            file = self._taken_in(record) if self.embeds else None
            size = _size(record) + len(file or b"")
            batch.append((record, file, size))
            total += size
            if len(batch) >= PART or total >= GROUP_BYTES:
                yield batch
                batch, total = [], 0
        if batch:
            yield batch

    def _taken_in(self, record: Record) -> bytes | None:
        """The bytes of an image that was brought to its place, where it does not stay."""
        place = self.root / f"images/{record.image.path}"
        with suppress(FileNotFoundError):
            data = place.read_bytes()
            place.unlink()
            return data
        return None

    def finish(self) -> None:
        if self.embeds:
            shutil.rmtree(self.root / "images", ignore_errors=True)  # empty folders are left
        (self.root / "data").mkdir()
        shards = _Shards(self.root, Rows(self.header).schema, self.shard_bytes)
        for piece in sorted(self.pieces.iterdir()) if self.pieces.is_dir() else ():
            with pa.memory_map(str(piece)) as source, pa.ipc.open_file(source) as batches:
                for number in range(batches.num_record_batches):
                    shards.add(batches.get_batch(number))
        written = shards.finish()
        write_manifest(self.root, self.header, written, embedded=self.embeds)
        shutil.rmtree(self.pieces, ignore_errors=True)


def _size(record: Record) -> int:
    """About how many bytes a record takes before compression; shards are cut by it, and by nothing else."""
    sources = [item.source for item in record.maps.values()]
    maps = sum(Path(each.path).stat().st_size for each in sources if isinstance(each, Png))
    masks = [item.mask for item in record.objects if item.kind == "instance"]
    masks += [layer.mask for each in sources if isinstance(each, Layers) for layer in each.layers]
    return 100 * (1 + len(record.objects)) + maps + sum(len(mask.text) for mask in masks)


class _Shards:
    """Row groups and shards of batches, cut after rows; equal rows give equal files, however they come."""

    def __init__(self, root: Path, schema: Any, limit: int) -> None:
        self.root = root
        self.schema = schema
        self.limit = limit
        self.shards: list[Shard] = []
        self._group: list[Any] = []
        self._rows = self._bytes = self._objects = self._written = 0
        self._groups: list[int] = []
        self._file: Path | None = None
        self._writer: Any = None

    def add(self, batch: Any) -> None:
        sizes = batch.column(batch.schema.get_field_index(_SIZE)).to_numpy()
        start = 0
        while start < len(sizes):
            count = self._room(sizes[start:])
            self._group.append(batch.slice(start, count).drop_columns([_SIZE]))
            self._rows += count
            self._bytes += int(sizes[start : start + count].sum())
            start += count
            if self._rows >= PART or self._bytes >= GROUP_BYTES:
                self._end_group()

    def _room(self, sizes: Any) -> int:
        """How many more rows the row group takes: at least one, and the one that fills it."""
        full = int(np.searchsorted(np.cumsum(sizes), GROUP_BYTES - self._bytes)) + 1
        return min(full, PART - self._rows, len(sizes))

    def _end_group(self) -> None:
        if not self._group:
            return
        if self._writer is None:
            self._file = self.root / "data" / f"{len(self.shards):05}.parquet"
            self._writer = pq.ParquetWriter(
                self._file, self.schema, compression="zstd", write_page_index=True, store_schema=True
            )
        table = pa.Table.from_batches(self._group, self.schema).combine_chunks()
        self._writer.write_table(table, row_group_size=len(table))
        self._groups.append(len(table))
        self._objects += _length(table.column("objects"))
        self._written += self._bytes
        self._group, self._rows, self._bytes = [], 0, 0
        if self._written >= self.limit:
            self._end_shard()

    def _end_shard(self) -> None:
        if self._writer is None or self._file is None:
            return
        self._writer.close()
        name, size = self._file.relative_to(self.root).as_posix(), self._file.stat().st_size
        self.shards.append(
            Shard(name, sum(self._groups), self._objects, self._groups, size, sha256(self._file))
        )
        self._writer, self._groups, self._objects, self._written = None, [], 0, 0

    def finish(self) -> list[Shard]:
        """End what was begun. Gives all shards, in order."""
        self._end_group()
        self._end_shard()
        return self.shards


def _length(objects: Any) -> int:
    """How many objects the rows have together."""
    return sum(int(chunk.field("category").value_lengths().to_numpy().sum()) for chunk in objects.chunks)

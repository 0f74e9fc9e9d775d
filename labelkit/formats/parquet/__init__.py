"""Parquet shards: labelkit's own store for many images, one row an image. It carries everything.

A data set is a folder: ``shards.jsonl`` (the header, and each shard's counts and hash), ``data/*.parquet``,
and ``images/`` where the images are not in the rows. columns.py says what a row holds. Nothing here is
needed to read the shards: they are plain Parquet. Needs the extra ``parquet`` (pyarrow), once it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from labelkit.errors import FormatError, UsageError
from labelkit.findings import Tell
from labelkit.formats import FEATURES, Evidence, Format, Reader, Target, Writer
from labelkit.formats._files import is_file
from labelkit.formats.parquet.manifest import NAME, read_manifest
from labelkit.model import Header, Record, SemanticMap

_INT64 = range(-(1 << 63), 1 << 63)


def detect(path: Path) -> Evidence:
    """A folder whose ``shards.jsonl`` lists shards."""
    if not path.is_dir() or not is_file(path / NAME):
        return Evidence(0, f"has no {NAME}" if path.is_dir() else "is no folder")
    try:
        manifest = read_manifest(path)
    except FormatError as error:
        return Evidence(1, f"{NAME} is there, but {error.found}")
    return Evidence(2, f"{NAME} lists {len(manifest.shards)} shards")


def open_parquet(path: Path, *, images_dir: Path | None = None) -> Reader:
    """Open a folder of shards."""
    _need_pyarrow()
    from labelkit.formats.parquet.read import ParquetReader

    return ParquetReader(path, images_dir)


def create(
    root: Path,
    header: Header,
    *,
    images: Annotated[
        Literal["reference", "embed"], "Whether images lie in a folder beside the shards, or in the rows."
    ] = "reference",
    shard_mb: Annotated[int, "Begin another shard after so many megabytes, before compression."] = 512,
) -> Writer:
    """A writer into an empty folder."""
    _need_pyarrow()
    from labelkit.formats.parquet.write import ParquetWriter

    if shard_mb < 1:
        raise UsageError("--parquet-shard-mb", str(shard_mb), "at least 1")
    return ParquetWriter(root, header, embeds=images == "embed", shard_bytes=shard_mb * 1_000_000)


def inspect_parquet(path: Path, *, images_dir: Path | None = None) -> Iterator[object]:
    """All that a folder of shards is made of."""
    _need_pyarrow()
    from labelkit.formats.parquet.read import inspect

    return inspect(path, images_dir)


def _need_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "parquet", f"needs pyarrow ({error})", "", 'pip install "labelkit-vision[parquet]"'
        ) from None


def _adjust(record: Record, target: Target, ordinal: int, tell: Tell) -> Record:
    """The record itself. Raises ValueError where a number of a map is none that Parquet has."""
    for name, item in record.maps.items():
        numbers = [] if item.ignore is None else [item.ignore]
        numbers += item.classes if isinstance(item, SemanticMap) else []
        for number in numbers:
            if number not in _INT64:
                raise ValueError(f"maps.{name}: the value {number} has more than 64 bits")
    return record


def _adjust_header(header: Header, options: Mapping[str, Any], tell: Tell) -> Header:
    return header


FORMAT = Format(
    name="parquet",
    title="Parquet shards: one row an image, for many images",
    carries=frozenset(FEATURES),
    detect=detect,
    open=open_parquet,
    create=create,
    adjust=_adjust,
    adjust_header=_adjust_header,
    inspect=inspect_parquet,
)

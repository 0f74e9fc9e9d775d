"""``shards.jsonl``: what a folder of shards says once in the first line, and a line for each shard."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
from pydantic import ValidationError

from labelkit.canonical import fault
from labelkit.errors import FormatError
from labelkit.formats._files import read_bytes, safe_path
from labelkit.formats._json import json_fault
from labelkit.model import Header

NAME = "shards.jsonl"
VERSION = 1
_BLOCK = 1 << 20
T = TypeVar("T")


class Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rows.

    file: below the folder. groups: the rows of each of its row groups. bytes, sha256: of the whole file.
    """

    file: str
    records: int
    objects: int
    groups: list[int]
    bytes: int
    sha256: str


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line. embedded: whether rows may hold image files. header: as its own schema says."""

    labelkit_parquet: int
    records: int
    objects: int
    embedded: bool
    header: msgspec.Raw


class Manifest(NamedTuple):
    """The first line, and the shards in the order of their rows."""

    head: Head
    shards: list[Shard]


def read_manifest(root: Path) -> Manifest:
    """The manifest of a folder. Raises FormatError where there is none that can be trusted."""
    file = root / NAME
    lines = read_bytes(file).splitlines() or [b""]
    head = _line(file, 1, lines[0], Head, '{"labelkit_parquet": 1, …}')
    shards = [_line(file, number, line, Shard, "a shard") for number, line in enumerate(lines[1:], 2)]
    if head.labelkit_parquet != VERSION:
        raise FormatError(f"{file}:1", f"version {head.labelkit_parquet}", f"version {VERSION}")
    for shard in shards:
        _check(shard, file)
    if sum(shard.records for shard in shards) != head.records:
        found = f"shards of {sum(shard.records for shard in shards)} records"
        raise FormatError(str(file), found, f"{head.records}, as the first line says")
    return Manifest(head, shards)


def _line(file: Path, number: int, line: bytes, type: type[T], expected: str) -> T:
    try:
        return msgspec.json.decode(line, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = f"no list of shards ({json_fault(error)})"
        raise FormatError(f"{file}:{number}", found, expected) from None


def _check(shard: Shard, file: Path) -> None:
    try:
        safe_path(shard.file)
    except ValueError as error:
        raise FormatError(str(file), str(error), "a shard below the folder") from None
    if sum(shard.groups) != shard.records or min(shard.groups, default=0) < 0:
        found = f"{shard.file} has {shard.records} records in groups of {sum(shard.groups)}"
        raise FormatError(str(file), found, "the same number")


def read_header(manifest: Manifest, root: Path) -> Header:
    """The header of the data set. Raises FormatError where it is none, or names a class twice."""
    place = str(root / NAME)
    try:
        header = Header.model_validate_json(bytes(manifest.head.header))
    except ValidationError as error:
        raise FormatError(place, fault(error), "a header") from None
    names: set[str] = set()
    for category in header.categories:
        if category.name in names:
            raise FormatError(place, f"category {category.name!r} twice", "names once each", code="CAT101")
        names.add(category.name)
    return header


def write_manifest(root: Path, header: Header, shards: list[Shard], *, embedded: bool) -> None:
    text = header.model_dump_json(exclude_none=True).encode()
    records, objects = sum(each.records for each in shards), sum(each.objects for each in shards)
    head = Head(VERSION, records, objects, embedded, msgspec.Raw(text))
    with (root / NAME).open("wb") as stream:
        for line in (head, *shards):
            stream.write(msgspec.json.encode(line) + b"\n")


def sha256(file: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()

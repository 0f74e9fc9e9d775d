"""``labelkit.json``: what a folder of shards says once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from pydantic import ValidationError

from labelkit.canonical import fault
from labelkit.errors import FormatError
from labelkit.formats._files import read_bytes, safe_path
from labelkit.formats._json import json_fault
from labelkit.model import Header

NAME = "labelkit.json"
VERSION = 1
_BLOCK = 1 << 20


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


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """header: JSON as ``schemas/header.schema.json`` says. embedded: whether rows may hold image files."""

    labelkit_parquet: int
    header: msgspec.Raw
    records: int
    objects: int
    embedded: bool
    shards: list[Shard]


def read_manifest(root: Path) -> Manifest:
    """The manifest of a folder. Raises FormatError where there is none that can be trusted."""
    file = root / NAME
    try:
        manifest = msgspec.json.decode(read_bytes(file), type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(
            str(file), f"no list of shards ({json_fault(error)})", '{"labelkit_parquet": 1, …}'
        ) from None
    if manifest.labelkit_parquet != VERSION:
        raise FormatError(str(file), f"version {manifest.labelkit_parquet}", f"version {VERSION}")
    for shard in manifest.shards:
        _check(shard, file)
    return manifest


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
        header = Header.model_validate_json(bytes(manifest.header))
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
    manifest = Manifest(VERSION, msgspec.Raw(text), records, objects, embedded, shards)
    (root / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def sha256(file: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()

"""All that a data set is made of, in the order of its files: what rules look at, and what is counted.

A format may say itself what it is made of (``Format.inspect``): its raw documents, tables of objects, records
and errors. Else its records are read, and are tables too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labelkit.dataset import open_dataset, own_options
from labelkit.errors import FormatError, UsageError
from labelkit.formats import Format, Parcel, total_of
from labelkit.formats._inspect import part_items


def inspect(
    path: Path, format: Format, images_dir: Path | None, options: Mapping[str, Any]
) -> Iterator[object]:
    """All that a data set is made of: items, and parcels of items that another process can open.

    options: the format's own for reading. A data set that cannot be read is an error among the items.
    """
    if format.inspect is not None:
        try:
            yield from format.inspect(path, images_dir=images_dir, **options)
        except OSError as error:  # of a folder that cannot be looked into; files are told one by one
            yield FormatError(
                str(error.filename or path), f"cannot be read ({error.strerror})", "a readable folder"
            )
        return
    try:
        dataset = open_dataset(path, format=format.name, images_dir=images_dir, carrier=False, **options)
    except FormatError as error:
        yield error
        return
    parts = dataset.reader.parts()
    yield from total_of(parts)
    yield dataset.header
    for part in parts:
        yield Parcel(part_items, (dataset.reader, part, path))


def opened(items: Iterable[object]) -> Iterator[object]:
    """The items with their parcels opened, in order."""
    for item in items:
        if isinstance(item, Parcel):
            yield from opened(item.make(*item.arguments))
        else:
            yield item


def check_options(format: Format, options: Mapping[str, Any]) -> None:
    """Raise UsageError where a format has no such option for reading."""
    known = own_options(format.open)
    for name in options:
        if name not in known:
            raise UsageError(f"--{format.name}-{name}", "unknown", ", ".join(known))

"""The canonical JSON of records: what jsonl files, carriers and expected files are written in."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from labelkit.model import Png, Record
from labelkit.pixels import as_layers


def encode_record(record: Record) -> bytes:
    """A record as one line of JSON, without the newline; maps that lie in files become layers.

    Raises ValueError where such a file cannot be read.
    """
    maps = {
        name: item.model_copy(update={"source": as_layers(item)}) if isinstance(item.source, Png) else item
        for name, item in record.maps.items()
    }
    return record.model_copy(update={"maps": maps}).model_dump_json(exclude_none=True).encode()


def decode_record(line: bytes) -> Record:
    """The record of a line.

    Raises pydantic.ValidationError (a ValueError) where it is none, and ValueError where a map points to a
    file: the canonical form has layers only, so that no record can make us read a file of its choice.
    """
    record = Record.model_validate_json(line)
    for name, item in record.maps.items():
        if isinstance(item.source, Png):
            raise ValueError(f"maps.{name}.source: a file, found {item.source.path!r}; layers were expected")
    return record


def fault(error: ValidationError) -> str:
    """The first fault that pydantic found, as one line: where, and what."""
    first = error.errors(include_url=False, include_input=True)[0]
    place = ".".join(str(step) for step in first["loc"])
    text = fault_text(first)
    return f"{place}: {text}" if place else text


def fault_text(detail: ErrorDetails) -> str:
    """What pydantic found, without the place."""
    found = repr(detail["input"])
    return f"{detail['msg'].lower()}, found {found if len(found) < 60 else found[:57] + '…'}"

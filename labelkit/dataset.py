"""Opening a data set: which format it is, its header, its records as its carrier restores them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from labelkit.carrier import Carrier, carrier_path
from labelkit.errors import RecordError, UsageError
from labelkit.findings import Finding
from labelkit.formats import Evidence, Format, Part, Reader, detect, get_format
from labelkit.model import Header, Record
from labelkit.pixels import shown_classes

Reading = tuple[Record, Record | RecordError] | tuple[None, RecordError | Finding]


@dataclass(frozen=True)
class Dataset:
    """An open data set: a header, and records to iterate, lazily and again.

    Records come as their carrier restores them. Iterating raises the first RecordError it meets;
    ``items`` yields errors and findings in the place of records instead.
    """

    path: Path
    format: Format
    reader: Reader
    header: Header
    notes: Sequence[Finding]
    carrier: Carrier | None = None

    def __iter__(self) -> Iterator[Record]:
        for part in self.reader.parts():
            for item in self.items(part):
                if isinstance(item, RecordError):
                    raise item
                if isinstance(item, Record):
                    yield item

    def items(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        """One part's records, with errors and findings in their places."""
        for _, item in self.readings(part):
            yield item

    def readings(self, part: Part) -> Iterator[Reading]:
        """One part's records as the files say them, each with what the carrier makes of it.

        Only the first knows where the image lies: the carrier brings the source's path back.
        """
        for item in self.reader.read(part):
            if isinstance(item, Record):
                yield item, self._restored(item)
            else:
                yield None, item

    def image_file(self, read: Record) -> Path | None:
        """Where the image of a record (as it was read) lies, or None.

        Raises ValueError or RecordError where a link leaves its folder.
        """
        return self.reader.image_file(read)

    def _restored(self, record: Record) -> Record | RecordError:
        if self.carrier is None:
            return record
        try:
            return self.carrier.restore(record)
        except ValueError as error:
            return RecordError(
                f"{self.carrier.path}:{record.image.path}",
                str(error),
                "a carrier as labelkit wrote it",
                "delete the carrier to convert without it",
            )


def open_dataset(
    path: str | Path,
    *,
    format: str | None = None,
    images_dir: str | Path | None = None,
    carrier: bool = True,
    **options: Any,
) -> Dataset:
    """Open a data set; the format is detected unless it is named.

    options: the format's own reading options (``base="0"`` for VOC). carrier: whether to read the sidecar.
    Raises UsageError: no format fits, or an option is unknown. FormatError: the whole set is unreadable.
    """
    path = Path(path)
    chosen = source_format(path, format)
    known = own_options(chosen.open)
    for name in options:
        if name not in known:
            raise UsageError(f"option {name!r}", f"unknown to {chosen.name}", f"one of {', '.join(known)}")
    reader = chosen.open(path, images_dir=Path(images_dir) if images_dir else None, **options)
    notes = list(reader.notes)
    sidecar = _open_carrier(path, notes) if carrier else None
    header = reader.header
    if sidecar:
        header = sidecar.header(header, partial(_used_categories, reader, sidecar))
    return Dataset(path, chosen, reader, header, notes, sidecar)


def source_format(path: Path, name: str | None = None, *, option: str = "--from") -> Format:
    """The format of that name, or else the one that a path speaks for.

    option: with which a person names it.

    Raises UsageError: there is nothing at the path, no format fits, or several do.
    """
    if not path.exists():
        raise UsageError(str(path), "does not exist", "a data set")
    if name:
        return get_format(name)
    evidence = detect(path)
    strongest = next(iter(evidence.values())).strength
    best = [key for key, item in evidence.items() if item.strength == strongest]
    if strongest == 0:
        raise UsageError(str(path), "is none of the formats", _reasons(evidence), _hint(path, option))
    if len(best) > 1:
        reasons = "; ".join(f"{key}: {evidence[key].reason}" for key in best)
        raise UsageError(str(path), f"could be {' or '.join(best)}", reasons, f"say which with {option}")
    return get_format(best[0])


def _reasons(evidence: Mapping[str, Evidence]) -> str:
    return "a data set (" + "; ".join(f"{name}: {item.reason}" for name, item in evidence.items()) + ")"


def _hint(path: Path, option: str) -> str:
    """Where near a path there is a data set, if there is one."""
    near = [path.parent, path.parent.parent]
    with suppress(OSError):  # it is shut
        near += sorted(item for item in path.iterdir() if item.is_dir())[:50]
    for place in near:
        for name, item in detect(place).items():
            if item.strength == 2:
                return f"{place} looks like {name}"
    return f"name the format with {option}"


def own_options(function: Callable[..., Any]) -> list[str]:
    """The names of a format's own options: the keyword parameters of its ``open`` or ``create``."""
    parameters = signature(function).parameters.values()
    return [item.name for item in parameters if item.kind is item.KEYWORD_ONLY and item.name != "images_dir"]


def _open_carrier(path: Path, notes: list[Finding]) -> Carrier | None:
    file = carrier_path(path)
    if not file.is_file():
        return None
    try:
        return Carrier(file)
    except ValueError as error:
        notes.append(Finding("ODD012", str(file), f"{error}; converting without it"))
        return None


def _used_categories(reader: Reader, sidecar: Carrier) -> set[str]:
    """The categories that records use once they are restored; a broken one is told when it is converted."""
    used: set[str] = set()
    for part in reader.parts():
        for record in reader.read(part):
            if not isinstance(record, Record):
                continue
            try:
                record = sidecar.restore(record)
                used.update(name for item in record.maps.values() for name in shown_classes(item))
            except ValueError:
                continue
            used.update(label.category for label in record.labels)
            used.update(item.category for item in record.objects)
    return used

"""The carrier: one sidecar beside a converted data set that brings back what the target has no field for.

``<folder>/labelkit.jsonl`` (for a single file ``<file>.labelkit.jsonl``). Its first line holds the source's
header and what the target showed of it; each further line holds a source record, and what the target showed
of it. On the way back three states are compared, per value: what was shown then, what is shown now, and what
the source said. **A source value returns only where what is shown is unchanged**; so wherever a human moved,
relabelled, deleted or added something, the human wins. Delete the sidecar and nothing breaks.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from labelkit.canonical import decode_record, encode_record
from labelkit.loss import Fitted
from labelkit.merge_maps import Difference, differences
from labelkit.model import Category, Header, Record, SemanticMap
from labelkit.restore import Carried, Shown, merge, show, stem
from labelkit.visible import visible_header

VERSION = 1
_Values = Mapping[str, Any]


def carrier_path(target: Path) -> Path:
    """Where the carrier of a data set lies: in its folder, or beside its single file."""
    return target / "labelkit.jsonl" if target.is_dir() else target.with_name(f"{target.name}.labelkit.jsonl")


class CarrierWriter:
    """Writes the carrier of a data set piece by piece; ``finish`` joins the pieces, or writes nothing."""

    def __init__(self, path: Path, source: Header, shown: Header) -> None:
        self.path = path
        self.pieces = path.with_name(f".{path.name}.pieces")
        self.source = source
        self.shown = shown

    def lines(self, source: Record, fitted: Fitted) -> list[bytes]:
        """What is kept of a record: its source in one line, if it lost something on its way to the target."""
        return [_line(source, fitted)] if fitted.findings else []

    def write(self, part: int, lines: Iterable[bytes]) -> None:
        """Keep the lines of a part."""
        self.pieces.mkdir(parents=True, exist_ok=True)
        with (self.pieces / f"{part:08}").open("wb") as stream:
            stream.writelines(lines)

    def finish(self, order: Sequence[str] = ()) -> None:
        """Join the pieces. A data set that lost nothing gets no carrier.

        order: the paths of the source's images, where the target does not keep their order.
        """
        shown = visible_header(self.shown)
        pieces = sorted(self.pieces.iterdir()) if self.pieces.exists() else []
        lost_header = shown != visible_header(self.source) or self.source.raw != self.shown.raw
        if lost_header or order or any(piece.stat().st_size for piece in pieces):
            with self.path.open("wb") as stream:
                head = {
                    "labelkit-carrier": VERSION,
                    "header": msgspec.Raw(self.source.model_dump_json(exclude_none=True).encode()),
                    "shown": shown,
                    **({"order": order} if order else {}),
                }
                stream.write(msgspec.json.encode(head) + b"\n")
                for piece in pieces:
                    with piece.open("rb") as source:
                        shutil.copyfileobj(source, stream)
        shutil.rmtree(self.pieces, ignore_errors=True)


def _line(source: Record, fitted: Fitted) -> bytes:
    shown = show(fitted.record)
    entry = {
        "path": fitted.record.image.path,
        "guard": _guard(shown),
        "source": msgspec.Raw(encode_record(source)),
        "shown": shown,
        "origins": fitted.origins,
    }
    if maps := _differences(source, fitted.record):
        entry["maps"] = maps
    return msgspec.json.encode(entry) + b"\n"


def _differences(source: Record, fitted: Record) -> dict[str, list[Difference]]:
    """Where each map of the target shows something else than the source's: an edit is seen pixel by pixel."""
    found: dict[str, list[Difference]] = {}
    for name, item in fitted.maps.items():
        own = source.maps.get(name)
        if isinstance(item, SemanticMap) and isinstance(own, SemanticMap) and own is not item:
            found[name] = differences(own, item)
    return {name: rows for name, rows in found.items() if rows}


def _guard(shown: Shown) -> str:
    return blake2b(msgspec.json.encode(shown, order="deterministic"), digest_size=9).hexdigest()


# --- reading -----------------------------------------------------------------------------------------------


class _Head(msgspec.Struct):
    header: msgspec.Raw
    shown: dict[str, dict[str, Any]]
    version: int = msgspec.field(name="labelkit-carrier")
    order: list[str] = []


class _Key(msgspec.Struct):
    path: str
    guard: str


class _Entry(Carried, kw_only=True):
    source: msgspec.Raw


class Carrier:
    """An open carrier. It pickles small; its index is built once a process.

    places: the place of each of the source's images in its data set, by path, where the target lost it.

    Raises ValueError where the file is no carrier of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as stream:
                head = msgspec.json.decode(stream.readline(), type=_Head)
            _ = self._index
        except RecursionError:
            raise ValueError("a carrier with values nested too deeply") from None
        if head.version != VERSION:
            raise ValueError(f"a carrier of version {head.version}, this labelkit reads version {VERSION}")
        self.source = Header.model_validate_json(bytes(head.header))
        self.shown = head.shown
        self.places = {path: place for place, path in enumerate(head.order)}
        self._found: set[int] = set()

    def __reduce__(self) -> tuple[type[Carrier], tuple[Path]]:
        return Carrier, (self.path,)

    @cached_property
    def _index(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        """The offset of every entry by path, and the offsets by what else may find it."""
        paths: dict[str, int] = {}
        hints: dict[str, list[int]] = defaultdict(list)
        with self.path.open("rb") as stream:
            offset = len(stream.readline())
            for line in stream:
                key = msgspec.json.decode(line, type=_Key)
                paths[key.path] = offset
                hints[stem(key.path)].append(offset)
                hints[key.guard].append(offset)
                offset += len(line)
        return paths, dict(hints)

    def _find(self, record: Record, shown: Shown) -> int | None:
        """The entry of a record: by path, by path without suffix (a format may not know it), by guard.

        The guard finds a renamed image, if only one entry showed exactly what the record shows.
        """
        paths, hints = self._index
        if record.image.path in paths:
            return paths[record.image.path]
        for hint in (stem(record.image.path), _guard(shown) if record.objects or record.maps else ""):
            if len(hints.get(hint, [])) == 1:
                return hints[hint][0]
        return None

    def take_found(self) -> set[int]:
        """The offsets of the entries from which records were restored, here and since this was last asked."""
        found, self._found = self._found, set()
        return found

    def unused(self, found: Collection[int]) -> list[str]:
        """The paths of the entries that are not among those found, in order."""
        paths, _ = self._index
        return [path for path, offset in paths.items() if offset not in found]

    def header(self, header: Header, used: Callable[[], set[str]]) -> Header:
        """The source's header, as far as the present one still says what was shown.

        used: names the categories that the records use now. It is called only where the target showed
        categories that the source had not (a closed table), for those return only if someone used them.
        """
        now = visible_header(header)
        by_name = {category.name: category for category in header.categories}
        source_names = {category.name for category in self.source.categories}
        categories = []
        for category in self.source.categories:
            if category.name not in self.shown or category.name not in now:
                keep = category if category.name not in self.shown else None
            else:
                then, text = self.shown[category.name], now[category.name]
                keep = _merge_category(category, then, by_name[category.name], text)
            if keep is not None:
                categories.append(keep)
        derived = [name for name in now if name in self.shown and name not in source_names]
        wanted = used() if derived else set()
        categories += [
            by_name[name]
            for name in now
            if name not in source_names and (name not in self.shown or name in wanted)
        ]
        return Header(categories=tuple(categories), raw={**header.raw, **self.source.raw})

    def restore(self, record: Record) -> Record:
        """The source record, wherever the present record still shows what was shown then.

        Raises ValueError where the entry is malformed or a mask cannot be decoded.
        """
        shown = show(record)
        offset = self._find(record, shown)
        if offset is None:
            return record
        self._found.add(offset)
        try:
            with self.path.open("rb") as stream:
                stream.seek(offset)
                entry = msgspec.json.decode(stream.readline(), type=_Entry)
            return merge(decode_record(bytes(entry.source)), entry, record, shown)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"a malformed entry ({error})") from None


def _merge_category(source: Category, then: _Values, now: Category, text: _Values) -> Category:
    """The source's category with every value that is shown differently now."""
    changed = {name: getattr(now, name) for name, value in text.items() if value != then.get(name)}
    return source.model_copy(update={**changed, "raw": {**now.raw, **source.raw}}) if changed else source

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
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec
import numpy as np

from labelkit.canonical import decode_record, encode_record
from labelkit.geometry import rle
from labelkit.geometry.boxes import box_iou
from labelkit.loss import Fitted
from labelkit.merge_maps import Difference, differences, merge_map, without_cells
from labelkit.model import (
    Category,
    Cell,
    Header,
    Image,
    ImageLabel,
    InstanceMap,
    Object,
    PixelMap,
    Record,
    SemanticMap,
)
from labelkit.pixels import mask_runs, rle_mask
from labelkit.visible import FIELDS, map_digest, visible, visible_header

VERSION = 1
_IOU = 0.5
_Shown = dict[str, Any]
_Said = TypeVar("_Said", ImageLabel, PixelMap)


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

    def write(self, part: int, pairs: Iterable[tuple[Record, Fitted]]) -> None:
        """Keep the source of every record that lost something on its way to the target."""
        self.pieces.mkdir(parents=True, exist_ok=True)
        with (self.pieces / f"{part:08}").open("wb") as stream:
            for source, fitted in pairs:
                if fitted.findings:
                    stream.write(_line(source, fitted))

    def finish(self) -> None:
        """Join the pieces. A data set that lost nothing gets no carrier."""
        shown = visible_header(self.shown)
        pieces = sorted(self.pieces.iterdir()) if self.pieces.exists() else []
        lost_header = shown != visible_header(self.source) or self.source.raw != self.shown.raw
        if lost_header or any(piece.stat().st_size for piece in pieces):
            with self.path.open("wb") as stream:
                head = {
                    "labelkit-carrier": VERSION,
                    "header": msgspec.Raw(self.source.model_dump_json(exclude_none=True).encode()),
                    "shown": shown,
                }
                stream.write(msgspec.json.encode(head) + b"\n")
                for piece in pieces:
                    with piece.open("rb") as source:
                        shutil.copyfileobj(source, stream)
        shutil.rmtree(self.pieces, ignore_errors=True)


def _line(source: Record, fitted: Fitted) -> bytes:
    shown = _shown(fitted.record)
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


def _shown(record: Record) -> _Shown:
    """What the record shows, with the extent of every mask that has no box (to align by)."""
    shown = visible(record)
    for item, text in zip(record.objects, shown["objects"], strict=True):
        if item.box is None:
            text["extent"] = _extent(record, item)
    return shown


def _extent(record: Record, item: Object) -> list[int]:
    runs = mask_runs(record, item.mask)  # type: ignore[union-attr]
    height = record.image.height
    return [int(v) for v in rle.extent(runs, height)] if height else [0, 0, 0, 0]


def _guard(shown: _Shown) -> str:
    return blake2b(msgspec.json.encode(shown, order="deterministic"), digest_size=9).hexdigest()


def _stem(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))


# --- reading -----------------------------------------------------------------------------------------------


class _Head(msgspec.Struct):
    header: msgspec.Raw
    shown: dict[str, dict[str, Any]]
    version: int = msgspec.field(name="labelkit-carrier")


class _Key(msgspec.Struct):
    path: str
    guard: str


# What a carrier that someone has edited can raise: its "shown" and "origins" are anything that JSON can say.
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


class _Entry(msgspec.Struct):
    path: str
    source: msgspec.Raw
    shown: dict[str, Any]
    origins: list[int | None]
    maps: dict[str, list[Difference]] = {}


class Carrier:
    """An open carrier. It pickles small; its index is built once a process.

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
                hints[_stem(key.path)].append(offset)
                hints[key.guard].append(offset)
                offset += len(line)
        return paths, dict(hints)

    def _find(self, record: Record, shown: _Shown) -> int | None:
        """The entry of a record: by path, by path without suffix (a format may not know it), by guard.

        The guard finds a renamed image, if only one entry showed exactly what the record shows.
        """
        paths, hints = self._index
        if record.image.path in paths:
            return paths[record.image.path]
        for hint in (_stem(record.image.path), _guard(shown) if record.objects or record.maps else ""):
            if len(hints.get(hint, [])) == 1:
                return hints[hint][0]
        return None

    def unused(self) -> list[str]:
        """The paths of the entries that no record of this process was restored from, in order."""
        paths, _ = self._index
        return [path for path, offset in paths.items() if offset not in self._found]

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
        shown = _shown(record)
        offset = self._find(record, shown)
        if offset is None:
            return record
        self._found.add(offset)
        try:
            with self.path.open("rb") as stream:
                stream.seek(offset)
                entry = msgspec.json.decode(stream.readline(), type=_Entry)
            source = decode_record(bytes(entry.source))
            _check_origins(entry, source)
            renamed = _stem(entry.path) != _stem(record.image.path)
            return _merge(source, entry, record, shown, keep_path=renamed)
        except _MALFORMED as error:
            raise ValueError(f"a malformed entry ({type(error).__name__}: {error})") from None


def _merge_category(source: Category, then: _Shown, now: Category, text: _Shown) -> Category:
    """The source's category with every value that is shown differently now."""
    changed = {name: getattr(now, name) for name, value in text.items() if value != then.get(name)}
    return source.model_copy(update={**changed, "raw": {**now.raw, **source.raw}}) if changed else source


def _check_origins(entry: _Entry, source: Record) -> None:
    """Raise ValueError where the origins are not one for each shown object, each an object of the source."""
    known = [origin for origin in entry.origins if origin is not None]
    if any(not 0 <= origin < len(source.objects) for origin in known):
        raise ValueError(f"origins {entry.origins} of {len(source.objects)} objects")
    if len(entry.origins) != len(entry.shown["objects"]) or len(set(known)) < len(known):
        raise ValueError(f"origins {entry.origins} for {len(entry.shown['objects'])} shown objects")


def _merge(source: Record, entry: _Entry, now: Record, shown_now: _Shown, *, keep_path: bool) -> Record:
    then = entry.shown
    size = source.image if shown_now["size"] == then["size"] else now.image
    path = now.image.path if keep_path else source.image.path
    objects = _merge_objects(source, entry, now, shown_now)
    return Record(
        image=Image(path=path, width=size.width, height=size.height),
        splits=source.splits if shown_now["splits"] == then["splits"] else now.splits,
        labels=_merge_labels(source, then, now, shown_now),
        objects=objects,
        maps=_without_lost_cells(source, objects, _merge_maps(source, entry, now, shown_now)),
        raw={**now.raw, **source.raw},
    )


def _merge_labels(source: Record, then: _Shown, now: Record, shown: _Shown) -> tuple[ImageLabel, ...]:
    if shown["labels"] == then["labels"]:
        own = {label.category: label for label in now.labels}
        return tuple(_with_raw(label, own.get(label.category)) for label in source.labels)
    was_shown = {label["category"]: label for label in then["labels"]}
    by_name = {label.category: label for label in source.labels}
    merged = []
    for label, text in zip(now.labels, shown["labels"], strict=True):
        known = by_name.get(label.category)
        merged.append(_merge_label(known, was_shown.get(label.category), label, text) if known else label)
    present = {label.category for label in merged}
    hidden = [
        label for label in source.labels if label.category not in was_shown and label.category not in present
    ]
    return (*merged, *hidden)


def _merge_label(source: ImageLabel, then: _Shown | None, now: ImageLabel, text: _Shown) -> ImageLabel:
    """The source's label of a class with what is shown differently now; a score belongs to a state."""
    if then == text:
        return _with_raw(source, now)
    if then is None or then["score"] == text["score"]:
        score = source.score if now.state == source.state and now.score is None else now.score
    else:
        score = now.score
    return _with_raw(source, now).model_copy(update={"state": now.state, "score": score})


def _with_raw(source: _Said, now: _Said | None) -> _Said:
    """The source's value, with what the present format said of it: its next writing gives the same ids."""
    if now is None or not now.raw:
        return source
    return source.model_copy(update={"raw": {**now.raw, **source.raw}})


def _merge_maps(source: Record, entry: _Entry, now: Record, shown: _Shown) -> dict[str, PixelMap]:
    then = entry.shown["maps"]
    if shown["maps"] == then:
        return {name: _with_raw(item, now.maps.get(name)) for name, item in source.maps.items()}
    maps = {
        name: item
        for name, item in source.maps.items()
        if isinstance(item, InstanceMap) or (name not in then and name in _referred(source))
    }
    for name, item in now.maps.items():
        if not isinstance(item, SemanticMap):
            continue
        own = source.maps.get(name)
        if then.get(name) == shown["maps"][name]:
            if own is not None:
                maps[name] = _with_raw(own, item)
        elif name in then and isinstance(own, SemanticMap):
            maps[name] = _merged_map(own, entry, name, item)
        else:
            maps[name] = item
    return maps


def _merged_map(source: SemanticMap, entry: _Entry, name: str, now: SemanticMap) -> SemanticMap:
    """The source's map with the pixels that are shown differently now; the present one if that is unknown."""
    known = name in entry.maps or map_digest(source) == entry.shown["maps"][name]
    return merge_map(source, entry.maps.get(name, []), now) if known else now


def _without_lost_cells(
    source: Record, objects: tuple[Object, ...], maps: dict[str, PixelMap]
) -> dict[str, PixelMap]:
    """The maps without the pixels of objects that no longer own them."""
    lost = _cells(source.objects) - _cells(objects)
    cut = {}
    for name, item in maps.items():
        values = {cell.value for cell in lost if cell.map == name}
        cut[name] = without_cells(item, values) if values and isinstance(item, InstanceMap) else item
    return cut


def _cells(objects: tuple[Object, ...]) -> set[Cell]:
    shapes = (item.mask.shape for item in objects if item.kind == "instance")
    return {shape for shape in shapes if isinstance(shape, Cell)}


def _referred(record: Record) -> set[str]:
    """The maps that masks of the record point into."""
    return {cell.map for cell in _cells(record.objects)}


# --- objects -----------------------------------------------------------------------------------------------


def _merge_objects(source: Record, entry: _Entry, now: Record, shown: _Shown) -> tuple[Object, ...]:
    then = entry.shown["objects"]
    pairs = align(then, shown["objects"])
    merged: list[tuple[int | None, Object]] = []
    for position, (item, text) in enumerate(zip(now.objects, shown["objects"], strict=True)):
        old = pairs.get(position)
        if old is not None and _has_slipped(then, shown["objects"], old, text):
            text = then[old]
        if old is None:
            merged.append((None, _freed(now, item)))
        elif (origin := entry.origins[old]) is not None:
            merged.append((origin, _merge_object(source.objects[origin], then[old], now, item, text)))
        elif text != then[old]:
            merged.append((None, _freed(now, item)))
    were_shown = {origin for origin in entry.origins if origin is not None}
    hidden = [(k, item) for k, item in enumerate(source.objects) if k not in were_shown]
    kept_order = [pairs[k] for k in sorted(pairs)]
    return _ordered(merged, hidden, keep=kept_order == sorted(kept_order))


def _has_slipped(then: list[_Shown], now: list[_Shown], old: int, text: _Shown) -> bool:
    """Whether an object shows another's pixels only because one before it is gone.

    Tools that know boxes delete an object from the annotation and leave the pixels, which are numbered.
    """
    if len(now) >= len(then) or text.get("mask") == then[old].get("mask"):
        return False
    others = {item.get("mask") for item in then} - {None}
    return text.get("mask") in others and _outside_pixels(text) == _outside_pixels(then[old])


def _ordered(
    merged: list[tuple[int | None, Object]], hidden: list[tuple[int, Object]], *, keep: bool
) -> tuple[Object, ...]:
    """The source's order where nobody changed the order, and what was added behind it."""
    if not keep:
        return (*(item for _, item in merged), *(item for _, item in hidden))
    known = [(origin, item) for origin, item in merged if origin is not None] + hidden
    added = [item for origin, item in merged if origin is None]
    return (*(item for _, item in sorted(known, key=lambda pair: pair[0])), *added)


def _merge_object(source: Object, then: _Shown, now: Record, item: Object, text: _Shown) -> Object:
    """The source's object with every value that is shown differently now."""
    fields: dict[str, Any] = {
        name: getattr(source, name) if text.get(name) == then.get(name) else getattr(item, name)
        for name in FIELDS
    }
    fields["category"] = source.category if text["category"] == then["category"] else item.category
    same_box = text.get("box") == then.get("box")
    same_mask = text.get("mask") == then.get("mask")
    # A value that was not shown stands behind the one that was: a moved box takes its hidden pixels away.
    mask_returns = same_mask and ("mask" in then or same_box)
    box_returns = same_box and ("box" in then or same_mask)
    parts_return = text.get("parts") == then.get("parts") and ("parts" in then or (same_box and same_mask))
    fields["parts"] = source.parts if parts_return else item.parts
    fields["box"] = source.box if box_returns else item.box
    same_provenance = text.get("provenance") == then.get("provenance")
    fields["provenance"] = source.provenance if same_provenance else item.provenance
    fields["raw"] = {**item.raw, **source.raw}
    if source.kind == "instance" and mask_returns:
        return source.model_copy(update=fields)
    if item.kind == "instance" and not mask_returns:
        return _freed(now, item).model_copy(update=fields)
    if source.kind == "box" and fields["box"] is not None:
        return source.model_copy(update=fields)
    return _freed(now, item).model_copy(update={key: fields[key] for key in fields if key != "box"})


def _freed(record: Record, item: Object) -> Object:
    """The object with a mask of its own: cells point into maps that the merged record may not have."""
    if item.kind == "box" or not isinstance(item.mask.shape, Cell):
        return item
    runs = mask_runs(record, item.mask)
    height, width = record.image.height, record.image.width
    if height is None or width is None:
        raise ValueError("the size of the image is not known, so that a cell has no pixels")
    return item.model_copy(update={"mask": rle_mask(runs, height, width)})


def align(then: list[_Shown], now: list[_Shown]) -> dict[int, int]:
    """Which present object is which earlier one: position now → position then.

    By equality, then by uid, then by all but the pixels or by the pixels, where only one of each has them (a
    box may have moved far, a class have changed), then by class and IoU of at least 0.5, then by IoU alone.
    """
    pairs: dict[int, int] = {}
    _pair_equal(pairs, [_key(item) for item in then], [_key(item) for item in now])
    _pair_equal(pairs, [item.get("uid") for item in then], [item.get("uid") for item in now])
    _pair_equal(pairs, [_outside_pixels(i) for i in then], [_outside_pixels(i) for i in now], unique=True)
    for with_class in (True, False):
        keys = [[_pixels_key(item, with_class=with_class) for item in items] for items in (then, now)]
        _pair_equal(pairs, *keys, unique=True)
    for with_class in (True, False):
        _pair_by_overlap(pairs, then, now, with_class=with_class)
    return pairs


def _key(item: Mapping[str, Any]) -> str:
    return msgspec.json.encode(item, order="deterministic").decode()


def _outside_pixels(item: _Shown) -> str | None:
    """All that an object with a box shows but its pixels."""
    return _key({name: item[name] for name in item if name != "mask"}) if "box" in item else None


def _pixels_key(item: _Shown, *, with_class: bool) -> tuple[str, ...] | None:
    if "mask" not in item:
        return None
    return (item["category"], item["mask"]) if with_class else (item["mask"],)


def _pair_equal(pairs: dict[int, int], then: list[Any], now: list[Any], *, unique: bool = False) -> None:
    """Pair what has an equal key, in order; with unique only where one of each has it."""
    free: dict[Any, list[int]] = defaultdict(list)
    taken = set(pairs.values())
    for position, key in enumerate(then):
        if key is not None and position not in taken:
            free[key].append(position)
    new: dict[Any, list[int]] = defaultdict(list)
    for position, key in enumerate(now):
        if position not in pairs and key in free:
            new[key].append(position)
    for key, positions in new.items():
        if not unique or len(positions) == len(free[key]) == 1:
            pairs.update(zip(positions, free[key], strict=False))


def _pair_by_overlap(
    pairs: dict[int, int], then: list[_Shown], now: list[_Shown], *, with_class: bool
) -> None:
    taken = set(pairs.values())
    old = [k for k in range(len(then)) if k not in taken]
    new = [k for k in range(len(now)) if k not in pairs]
    if not old or not new:
        return
    iou = box_iou(_boxes([now[k] for k in new]), _boxes([then[k] for k in old]))
    if with_class:
        categories = np.array([then[k]["category"] for k in old])
        iou[np.array([now[k]["category"] for k in new])[:, None] != categories[None, :]] = 0
    for flat in np.argsort(-iou, axis=None, kind="stable"):
        row, column = divmod(int(flat), len(old))
        if iou[row, column] < _IOU:
            return
        if new[row] not in pairs and old[column] not in taken:
            pairs[new[row]] = old[column]
            taken.add(old[column])


def _boxes(items: list[_Shown]) -> np.ndarray[Any, np.dtype[np.float64]]:
    boxes = [item["box"] if "box" in item else item.get("extent", (0, 0, 0, 0)) for item in items]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)

"""Loss: fitting records to a format before anything is written, and the ledger of what that cost.

``fit_header`` once, then ``fit`` for each record, give the nearest that the target can hold and a finding
for every value that was dropped, changed or derived. The format's own ``adjust`` decides about values; what
a format's ``carries`` does not list is dropped here, the same way for every format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from labelkit.findings import CODES, Finding, Tell
from labelkit.formats import Format, Target, formats
from labelkit.model import Category, Header, ImageLabel, PixelMap, Record, SemanticMap

_ORIGIN = "#"  # the key in raw under which an object's position travels through a format's adjust
_EXAMPLES = 20
_TOLD = 3

_OBJECT_FIELDS = (
    "crowd",
    "difficult",
    "truncated",
    "occluded",
    "pose",
    "score",
    "attributes",
    "parts",
    "uid",
    "provenance",
)
_LABEL_FIELDS = ("score", "provenance")
_CATEGORY_FIELDS = ("supercategory", "thing", "colour")


@dataclass(frozen=True)
class Fitted:
    """A record as the target can hold it.

    origins: for each of its objects the position in the source record, or None if it was derived.
    """

    record: Record
    findings: list[Finding]
    origins: tuple[int | None, ...]


def fit_header(
    header: Header, format: Format, options: Mapping[str, Any] | None = None
) -> tuple[Target, list[Finding]]:
    """The target for a data set with that header, and what the header lost on the way."""
    findings: list[Finding] = []
    tell = _teller(findings)
    options = dict(options or {})
    fitted = format.adjust_header(header, options, tell)
    categories = tuple(_fit_category(category, format, tell) for category in fitted.categories)
    if "raw" not in format.carries:
        foreign = sorted(name for name in fitted.raw if name != format.name)
        if foreign:
            tell(
                "LOS108", "header", f"{' and '.join(foreign)} said more of the data set than labelkit models"
            )
        fitted = fitted.model_copy(update={"raw": _own(fitted.raw, format)})
    fitted = fitted.model_copy(update={"categories": categories})
    return Target(format, fitted, options), findings


def fit(record: Record, target: Target, ordinal: int = 0) -> Fitted:
    """The nearest record that the target can hold, and a finding for every value that it cannot.

    ordinal: the record's place in its data set (Cityscapes numbers files by it).
    Raises ValueError where a mask or a map cannot be decoded.
    """
    findings: list[Finding] = []
    tell = _teller(findings)
    with _marked(record) as marked:
        fitted = target.format.adjust(marked, target, ordinal, tell)
        origins = tuple(item.raw.get(_ORIGIN) for item in fitted.objects)
    return Fitted(_drop_uncarried(fitted, record, origins, target.format, tell), findings, origins)


@contextmanager
def _marked(record: Record) -> Iterator[Record]:
    """The record with the position of every object in its raw, from where formats copy it along.

    The marks are put into the record itself and taken out again, for copies of all objects would cost more
    than all else that is done here.
    """
    raws = [item.raw for item in record.objects]
    if len({id(raw) for raw in raws}) < len(raws):  # a raw that two objects share can say one position only
        record = record.model_copy(
            update={
                "objects": tuple(item.model_copy(update={"raw": {**item.raw}}) for item in record.objects)
            }
        )
        raws = [item.raw for item in record.objects]
    try:
        for position, raw in enumerate(raws):
            raw[_ORIGIN] = position
        yield record
    finally:
        for raw in raws:
            raw.pop(_ORIGIN, None)


def _drop_uncarried(
    fitted: Record, source: Record, origins: Sequence[int | None], format: Format, tell: Tell
) -> Record:
    place = source.image.path
    missing = _missing_fields(format.carries)
    keep_raw = "raw" in format.carries
    foreign: dict[str, int] = {}
    objects = []
    for position, (item, origin) in enumerate(zip(fitted.objects, origins, strict=True)):
        update: dict[str, Any] = {name: None for name in missing if getattr(item, name) is not None}
        number = (position if origin is None else origin) + 1  # as the source counts, not as the target does
        for name in update:
            code = "LOS115" if getattr(item, name) is False else "LOS105"
            tell(code, f"{place}:object {number}", f"{name} has no place in {format.name}")
        raw = item.raw
        if _ORIGIN in raw:  # a copy that the format made
            raw = {key: value for key, value in raw.items() if key != _ORIGIN}
        if not keep_raw and raw:
            _count_foreign(raw, format, foreign)
            raw = _own(raw, format)
        if raw is not item.raw:
            update["raw"] = raw
        objects.append(item.model_copy(update=update) if update else item)
    labels = tuple(_fit_labels(fitted.labels, format, place, tell))
    maps = _fit_maps(fitted, source, format, tell)
    update = {"objects": tuple(objects), "labels": labels, "maps": maps}
    if not keep_raw:
        for said in (fitted, *fitted.maps.values(), *labels):
            _count_foreign(said.raw, format, foreign)
        update["raw"] = _own(fitted.raw, format)
        update["labels"] = tuple(
            item.model_copy(update={"raw": _own(item.raw, format)}) if item.raw else item for item in labels
        )
        for (name, kind), count in sorted(_extras(source, format).items()):
            tell("LOS116", place, f"{kind} of {name} have no place in {format.name}", count=count)
    for name, count in sorted(foreign.items()):
        tell("LOS108", place, f"{name} said more than labelkit models (ids, unknown keys)", count=count)
    if fitted.splits and "splits" not in format.carries:
        tell("LOS110", place, f"splits {', '.join(fitted.splits)} have no place in {format.name}")
        update["splits"] = ()
    return fitted.model_copy(update=update)


@lru_cache(maxsize=16)
def _missing_fields(carries: frozenset[str]) -> tuple[str, ...]:
    """The fields of objects that a format has no place for."""
    return tuple(name for name in _OBJECT_FIELDS if f"objects.{name}" not in carries)


def _extras(record: Record, format: Format) -> dict[tuple[str, str], int]:
    """How often other formats said a kind of label that the model has no type for, by format and kind."""
    counts: dict[tuple[str, str], int] = {}
    known = formats()
    for raw in (record.raw, *(item.raw for item in record.objects)):
        for name, value in raw.items():
            if name != format.name and name in known:
                for kind in known[name].extras(value):
                    counts[name, kind] = counts.get((name, kind), 0) + 1
    return counts


def _fit_labels(labels: Iterable[ImageLabel], format: Format, place: str, tell: Tell) -> Iterator[ImageLabel]:
    for label in labels:
        if "labels" not in format.carries:
            tell("LOS102", place, f"label {label.category!r} has no place in {format.name}")
        elif label.state != "present" and "labels.state" not in format.carries:
            tell("LOS102", place, f"{label.state} label {label.category!r} has no place in {format.name}")
        else:
            missing = [name for name in _LABEL_FIELDS if f"labels.{name}" not in format.carries]
            lost = [name for name in missing if getattr(label, name) is not None]
            for name in lost:
                text = f"the {name} of label {label.category!r} has no place in {format.name}"
                tell("LOS105", place, text)
            yield label.model_copy(update=dict.fromkeys(lost)) if lost else label


def _fit_maps(fitted: Record, source: Record, format: Format, tell: Tell) -> dict[str, PixelMap]:
    """The maps without what has no place: who made them, and what other formats said of them.

    Formats make new maps of those they are given; who made one is looked up in the source.
    """
    makers = {
        name: item.provenance
        for name, item in source.maps.items()
        if isinstance(item, SemanticMap) and item.provenance
    }
    is_kept = "semantic.provenance" in format.carries
    for name in makers if not is_kept else ():
        tell("LOS105", f"{source.image.path}:map {name}", f"provenance has no place in {format.name}")
    maps: dict[str, PixelMap] = {}
    for name, item in fitted.maps.items():
        update: dict[str, Any] = {}
        if isinstance(item, SemanticMap):
            update["provenance"] = makers.get(name) if is_kept else None
        if item.raw and "raw" not in format.carries:
            update["raw"] = _own(item.raw, format)
        maps[name] = item.model_copy(update=update) if update else item
    return maps


def _fit_category(category: Category, format: Format, tell: Tell) -> Category:
    update: dict[str, Any] = {}
    for name in _CATEGORY_FIELDS:
        if getattr(category, name) is not None and f"categories.{name}" not in format.carries:
            tell("LOS111", f"category {category.name!r}", f"{name} has no place in {format.name}")
            update[name] = None
    if "raw" not in format.carries:
        update["raw"] = _own(category.raw, format)
    return category.model_copy(update=update)


def _own(raw: Mapping[str, Any], format: Format) -> dict[str, Any]:
    return {format.name: raw[format.name]} if format.name in raw else {}


def _count_foreign(raw: Mapping[str, Any], format: Format, counts: dict[str, int]) -> None:
    for name in raw:
        if name not in (format.name, _ORIGIN):
            counts[name] = counts.get(name, 0) + 1


def _teller(findings: list[Finding]) -> Tell:
    def tell(code: str, place: str, message: str, *, count: int = 1) -> None:
        findings.append(Finding(code, place, message, count=count))

    return tell


# --- the ledger --------------------------------------------------------------------------------------------


@dataclass
class Ledger:
    """Counts of findings by code, with a few examples of each: what a conversion tells its user.

    An example is the first finding with its message; ``messages`` counts how often each was said. kinds: of
    how many messages of a code there are examples.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Finding]] = field(default_factory=dict)
    messages: dict[str, dict[str, int]] = field(default_factory=dict)
    uncarried: int = 0
    kinds: int = _EXAMPLES

    def add(self, finding: Finding, *, carried: bool = False) -> None:
        """Count a finding. carried: whether a carrier will bring its value back."""
        code, message, count = finding.code, finding.message, finding.count
        is_loss = code.startswith("LOS")
        if is_loss and not carried and not code.startswith("LOS3"):
            self.uncarried += count
        if code not in self.counts:
            self.counts[code], self.examples[code], self.messages[code] = 0, [], {}
        self.counts[code] += count
        messages = self.messages[code]
        if message in messages:
            messages[message] += count
        elif len(messages) < self.kinds:
            self.examples[code].append(replace(finding, carried=carried) if is_loss else finding)
            messages[message] = count

    def merge(self, other: Ledger) -> None:
        """Add another ledger, of what came after; it has an example of every message."""
        self.uncarried += other.uncarried
        for code, count in other.counts.items():
            self.counts[code] = self.counts.get(code, 0) + count
            examples = self.examples.setdefault(code, [])
            messages = self.messages.setdefault(code, {})
            for example in other.examples[code]:
                said = other.messages[code][example.message]
                if example.message in messages:
                    messages[example.message] += said
                elif len(examples) < self.kinds:
                    examples.append(example)
                    messages[example.message] = said

    def rows(self) -> list[tuple[str, str, int, list[Finding]]]:
        """Code, name, count and examples, by code."""
        return [
            (code, CODES[code][0], self.counts[code], self.examples[code]) for code in sorted(self.counts)
        ]

    def told(self, code: str, whole: str) -> Iterator[str]:
        """The first messages of a code, each with its count or, where it was said once, with its place.

        whole: the option that gives more of them.
        """
        left = self.counts[code]
        for example in self.examples[code][:_TOLD]:
            said = self.messages[code][example.message]
            left -= said
            where = f"{said} times, first at {example.place}" if said > example.count else example.place
            yield f"{where}: {example.message}"
        if left > 0:
            yield f"and {left} more ({whole} lists the kinds)"

    def as_json(self) -> list[dict[str, Any]]:
        """The ledger as JSON values, by code."""
        return [
            {
                "code": code,
                "name": name,
                "meaning": CODES[code][1],
                "count": count,
                "carried": examples[0].carried,
                "examples": [
                    {
                        "place": item.place,
                        "message": item.message,
                        "count": self.messages[code][item.message],
                    }
                    for item in examples
                ],
            }
            for code, name, count, examples in self.rows()
        ]

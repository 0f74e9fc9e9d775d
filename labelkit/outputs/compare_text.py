"""A comparison for people: what became of predictions by class and by score, on a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TextIO

from labelkit.comparing import Comparison
from labelkit.comparing.comparison import Maps
from labelkit.comparing.counts import Bin, Counts, Table
from labelkit.comparing.precision import Threshold
from labelkit.elide import elided
from labelkit.merge_maps import Said
from labelkit.outputs.tables import Columns, count_of, printable, write_tables

_MOST = 10  # rows of pairs of classes
_ALL = "(all)"


def write(comparison: Comparison, stream: TextIO) -> None:
    """A few lines, then all tables that have something to say."""
    tables = ((title, _short(columns)) for title, columns in _tables(comparison))
    write_tables(map(printable, _lines(comparison)), tables, stream)


def summary(comparison: Comparison) -> str:
    """The images in a few words."""
    words = [f"{count_of(comparison.images, 'image')} reviewed"]
    if comparison.not_reviewed.images:
        there = count_of(comparison.not_reviewed.weight, "prediction")
        words.append(f"{comparison.not_reviewed.images:,} not reviewed ({there}, not counted)")
    if comparison.only_reviewed.images:
        there = count_of(comparison.only_reviewed.weight, "label")
        words.append(f"{comparison.only_reviewed.images:,} only there after it ({there}, not counted)")
    if comparison.errors:
        words.append(f"{count_of(len(comparison.errors), 'error')} on the way (not counted)")
    before, after = comparison.formats
    paths = f"{comparison.prelabels} ({before}) -> {comparison.reviewed} ({after})"
    return printable(f"{paths}: {', '.join(words)}")


def _lines(comparison: Comparison) -> Iterator[str]:
    yield summary(comparison)
    if comparison.strangers:
        mine, theirs = comparison.strangers
        yield f"no image is in both: {mine!r} is only before the review, {theirs!r} only after it"
    for what, counts in (("object", comparison.objects.total), ("image label", comparison.labels.total)):
        if counts != Counts():
            yield _became(what, counts)
    if comparison.maps != Maps():
        yield f"semantic maps: {_maps(comparison)}"
    if _has_no_prediction(comparison):
        yield "nothing before the review has a provenance, from its format or a carrier: no machine made it"
    for code, name, count, _ in comparison.ledger.rows():
        yield f"{code} {name} ({count:,})"
        yield from (f"  {said}" for said in comparison.ledger.told(code, "--output-format json"))


def _has_no_prediction(comparison: Comparison) -> bool:
    """Whether images were reviewed in which humans had made all that was there."""
    maps, counts = comparison.maps, comparison.objects.total + comparison.labels.total
    return comparison.images > 0 and not (counts.predicted or maps.accepted or maps.changed or maps.deleted)


def _became(what: str, counts: Counts) -> str:
    """What became of predictions, in a few words."""
    relabelled = f"{counts.relabelled:,} relabelled"
    if counts.relabelled_moved:
        relabelled += f" ({counts.relabelled_moved:,} of them moved too)"
    words = [
        f"{counts.accepted:,} accepted",
        *([f"{counts.moved:,} moved"] if what == "object" else []),
        *([f"{counts.restated:,} in another state"] if counts.restated else []),
        relabelled,
        f"{counts.deleted:,} deleted",
    ]
    text = f"{count_of(counts.predicted, f'predicted {what}')}: {', '.join(words)}; {counts.added:,} added"
    if counts.human:
        humans = (
            f"{counts.unchanged:,} unchanged, {counts.changed:,} changed, {counts.human_deleted:,} deleted"
        )
        text += f"; {counts.human:,} of humans: {humans}"
    return text


def _maps(comparison: Comparison) -> str:
    maps, pixels = comparison.maps, comparison.agreement
    predicted = maps.accepted + maps.changed + maps.deleted
    text = f"{predicted:,} predicted: {maps.accepted:,} accepted, {maps.changed:,} changed, "
    text += f"{maps.deleted:,} deleted; {maps.added:,} added"
    human = maps.unchanged_human + maps.changed_human + maps.deleted_human
    if human:
        text += f"; {human:,} of humans: {maps.unchanged_human:,} unchanged, {maps.changed_human:,} changed, "
        text += f"{maps.deleted_human:,} deleted"
    if pixels.total:
        share = 100 * pixels.changed / pixels.total
        text += f"; {pixels.changed:,} of {pixels.total:,} pixels changed ({share:.2g} %), "
        text += f"{pixels.labelled:,} got a class that had none, mean IoU {_share(pixels.mean_iou)}"
    return text


def _tables(comparison: Comparison) -> Iterator[tuple[str, Columns]]:
    for title, table in (("objects", comparison.objects), ("image labels", comparison.labels)):
        if any(each.predicted or each.added for each in table.classes.values()):
            yield f"predicted {title}", _classes(table)
        if table.bins:
            yield f"predicted {title} by score", _bins(table.all_bins())
        if any(each.human for each in table.classes.values()):
            yield f"{title} that humans had made before", _humans(table)
    if comparison.relabelled:
        pairs = [(was, now, count) for _, was, now, count in comparison.relabelled]
        yield _first("relabelled", pairs), _pairs(pairs, "predictions")
    if comparison.agreement.pixels:
        yield "pixels of predicted semantic maps", _pixels(comparison)
        if changed := _changed(comparison):
            yield _first("pixels that changed", changed), _pairs(changed, "pixels")
    for wanted in dict.fromkeys(comparison.settings.precisions):
        yield _thresholds(comparison, wanted)


def _short(columns: Columns) -> Columns:
    """A table whose names leave room for its numbers on a narrow terminal."""
    first = len(columns.names)
    return columns._replace(rows=[[*map(elided, row[:first]), *row[first:]] for row in columns.rows])


def _with_total(rows: list[tuple[str, Counts]]) -> list[tuple[str, Counts]]:
    return [*rows, (_ALL, sum((counts for _, counts in rows), Counts()))] if len(rows) > 1 else rows


def _classes(table: Table) -> Columns:
    """Classes with most predictions first."""
    columns = [
        *("predicted", "accepted", "moved", "relabelled", "deleted", "added", "precision", "IoU"),
        *("other state", "gained", "moved too"),
    ]
    rows = [(name, each) for name, each in table.classes.items() if each != _only_human(each)]
    rows.sort(key=lambda row: (-row[1].predicted, -row[1].added))
    return Columns(["class"], columns, [_class(name, each) for name, each in _with_total(rows)])


def _only_human(counts: Counts) -> Counts:
    """Nothing but what humans had made before."""
    return replace(
        Counts(), human=counts.human, unchanged=counts.unchanged,
        changed=counts.changed, human_deleted=counts.human_deleted,
    )  # fmt: skip


def _class(name: str, counts: Counts) -> list[str]:
    numbers = (
        counts.predicted,
        counts.accepted,
        counts.moved,
        counts.relabelled,
        counts.deleted,
        counts.added,
    )
    rest = (counts.restated, counts.gained, counts.relabelled_moved)
    return [
        name,
        *(f"{number:,}" for number in numbers),
        _share(counts.precision),
        _share(counts.mean_iou),
        *(f"{number:,}" for number in rest),
    ]


def _bins(bins: Sequence[Bin]) -> Columns:
    columns = ("predicted", "accepted", "moved", "relabelled", "deleted", "precision", "other state")
    rows = _with_total([(_span(each), each.counts) for each in bins])
    return Columns(["score"], columns, [_bin(*row) for row in rows])


def _bin(name: str, counts: Counts) -> list[str]:
    numbers = (counts.predicted, counts.accepted, counts.moved, counts.relabelled, counts.deleted)
    return [name, *(f"{each:,}" for each in numbers), _share(counts.precision), f"{counts.restated:,}"]


def _span(bin: Bin) -> str:
    if bin.low is None:
        return "none" if bin.high is None else "below 0"
    return "above 1" if bin.high is None else f"{bin.low:g} to {bin.high:g}"


def _humans(table: Table) -> Columns:
    rows = _with_total([(name, each) for name, each in table.classes.items() if each.human])
    columns = ("before", "unchanged", "changed", "deleted")
    numbers = [(each.human, each.unchanged, each.changed, each.human_deleted) for _, each in rows]
    texts = [[name, *(f"{number:,}" for number in row)] for (name, _), row in zip(rows, numbers, strict=True)]
    return Columns(["class"], columns, texts)


def _first(title: str, rows: Sequence[object]) -> str:
    return f"{title} (the first {_MOST} of {len(rows):,} pairs)" if len(rows) > _MOST else title


def _pairs(rows: Sequence[tuple[Said, Said, int]], what: str) -> Columns:
    texts = [[_said(was), _said(now), f"{count:,}"] for was, now, count in rows[:_MOST]]
    return Columns(["was", "is"], [what], texts)


def _said(said: Said) -> str:
    return "(nothing)" if said is None else said or "(to be ignored)"


def _pixels(comparison: Comparison) -> Columns:
    agreement = comparison.agreement
    rows = [
        [name, *(f"{number:,}" for number in agreement.of(name)), _share(agreement.iou(name))]
        for name in agreement.classes()
    ]
    return Columns(["class"], ["before", "after", "in both", "IoU"], rows)


def _changed(comparison: Comparison) -> list[tuple[Said, Said, int]]:
    """Which pixels changed: most first."""
    rows = [(was, now, count) for (was, now), count in comparison.agreement.pixels.items() if was != now]
    return sorted(rows, key=lambda row: (-row[2], _said(row[0]), _said(row[1])))


def _thresholds(comparison: Comparison, wanted: float) -> tuple[str, Columns]:
    """The thresholds for a precision: of all, and of classes with enough predictions."""
    pooled, *each = [item for item in comparison.thresholds if item.wanted == wanted]
    own = [item for item in each if comparison.has_own(item)]
    title = f"scores that give a precision of {wanted:g}"
    if few := len(each) - len(own):
        least = comparison.settings.min_predictions
        title += f" ({count_of(few, 'class', 'classes')} with fewer than {least:,} predictions left out)"
    columns = ("from score", "precision", "recall", "kept", "scored")
    return title, Columns(["class"], columns, [_threshold(item) for item in [*own, pooled]])


def _threshold(item: Threshold) -> list[str]:
    name = _ALL if item.category is None else item.category
    score = "none" if item.score is None else repr(item.score)
    numbers = (_share(item.precision), _share(item.recall), f"{item.kept:,}", f"{item.predictions:,}")
    return [name, score, *numbers]


def _share(number: float | None) -> str:
    return "" if number is None else f"{number:.3f}"

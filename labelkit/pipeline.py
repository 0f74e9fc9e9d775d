"""Converting: read, check, fit and write, as functions of the rest."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labelkit.carrier import CarrierWriter, carrier_path
from labelkit.conversion import Conversion, Converted, Edit, Plan, is_order_at_risk, refuse_taken
from labelkit.dataset import Dataset, open_dataset, own_options, source_format
from labelkit.derive import DERIVABLE
from labelkit.engine import Engine
from labelkit.engine import engine as started_engine
from labelkit.errors import (
    BadRecordsError,
    DestinationError,
    LabelkitError,
    LossError,
    RecordError,
    UsageError,
)
from labelkit.findings import Finding
from labelkit.formats import Format, Writer, detect, get_format
from labelkit.images import IMAGES
from labelkit.loss import Ledger, fit_header
from labelkit.model import Header
from labelkit.publish import refuse_existing, refuse_overlap, staged
from labelkit.select import TYPES, Selection, load_class_map, rename_header

Options = Mapping[str, Mapping[str, Any]]
Progress = Callable[[int, int | None], None]
Words = str | Collection[str]
_EVERYTHING = Selection((), (), ())


# --- converting --------------------------------------------------------------------------------------------


@dataclass
class Report:
    """What a conversion did. errors are the records it left out (``on_error="skip"``)."""

    source: Path
    destination: Path
    source_format: str
    target_format: str
    records: int = 0
    objects: int = 0
    images: int = 0
    splits: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=Ledger)
    errors: list[RecordError] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values, as ``--report`` writes it."""
        return {
            "source": {"path": str(self.source), "format": self.source_format},
            "destination": {"path": str(self.destination), "format": self.target_format},
            "records": self.records,
            "objects": self.objects,
            "images": self.images,
            "ledger": self.ledger.as_json(),
            "left_out": [str(error) for error in self.errors],
        }


def convert(
    source: str | Path,
    destination: str | Path,
    *,
    to: str,
    from_: str | None = None,
    splits: Words = (),
    only: Words = (),
    classes: Words = (),
    images: str = "copy",
    images_dir: str | Path | None = None,
    class_map: str | Mapping[str, str] | None = None,
    derived: Words = (),
    edit: Edit | None = None,
    strict: bool = False,
    carrier: bool = True,
    on_error: str = "stop",
    overwrite: bool = False,
    jobs: int | None = 1,
    engine: str = "processes",
    ray_address: str | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Report:
    """Convert a data set; the destination appears whole, or not at all.

    to, from_: format names; the source's is detected if not said. splits, only (of labels, boxes, semantic,
    instances), classes: what is wanted, everything if not said. images: copy, hardlink, symlink, none, or
    convert (to PNG, where the target demands it). class_map: a shipped map's name, a JSON file, or a table
    of old and new names. derived: label types to make. edit: called with each record before it is fitted,
    returns it changed, or None to leave it out. options: the formats' own, by format
    (``{"voc": {"base": "0"}}``). jobs: how many processes share the work, None: all cores; the output is
    the same with any number. A script that asks for several must guard its start with
    ``if __name__ == "__main__"``. engine: ``processes``, or ``ray``: a cluster (at ray_address, or where
    RAY_ADDRESS says, or one begun here) whose nodes see the same files at the same paths.
    progress: called with how many records are done, and of how many.

    Raises BadRecordsError (with every problem found) unless on_error is "skip", LossError where ``strict``
    forbids what would be lost, DestinationError, FormatError, UsageError.
    """
    if not str(source) or not str(destination):
        raise UsageError("convert", "an empty path", "a source and a destination")
    _word("images", images, IMAGES)
    _word("on_error", on_error, ("stop", "skip"))
    source = Path(source)
    target, origin = get_format(to), source_format(source, from_)
    reading, writing = options_of(origin, target, options or {})
    check_destination(source, destination, overwrite=overwrite)
    dataset = open_dataset(source, format=origin.name, images_dir=images_dir, **reading)
    selection = Selection(words_of(splits), words_of(only, "only", TYPES), words_of(classes))
    return write_dataset(
        dataset,
        destination,
        to=to,
        selection=selection,
        images=images,
        class_map=_class_map(class_map, dataset.header),
        derived=words_of(derived, "derived", DERIVABLE),
        edit=edit,
        strict=strict,
        carrier=carrier,
        on_error=on_error,
        overwrite=overwrite,
        jobs=jobs,
        engine=engine,
        ray_address=ray_address,
        options=writing,
        progress=progress,
    )


def check_destination(source: Path, destination: str | Path, *, overwrite: bool) -> None:
    """Find out before any work is done whether a data set may be written there.

    Raises DestinationError: it would touch the source, or something is in the way that is not to be replaced.
    """
    place = Path(os.path.abspath(destination))  # noqa: PTH100 (links stay)
    refuse_overlap(source, place)
    if overwrite:
        _refuse_strangers(place)
    else:
        refuse_existing(place)


def write_dataset(
    dataset: Dataset,
    destination: str | Path,
    *,
    to: str,
    selection: Selection = _EVERYTHING,
    images: str = "copy",
    class_map: Mapping[str, str] | None = None,
    derived: tuple[str, ...] = (),
    edit: Edit | None = None,
    strict: bool = False,
    carrier: bool = True,
    on_error: str = "stop",
    overwrite: bool = False,
    jobs: int | None = 1,
    engine: str = "processes",
    ray_address: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write an open data set in a format, whole or not at all: what ``convert`` does once it has a source.

    options: the target's own. Everything else, and what is raised, is as ``convert`` has it.
    """
    _check_sendable(edit, is_here=jobs == 1 and engine == "processes")
    given, target, table = Path(destination), get_format(to), class_map or {}
    place = Path(os.path.abspath(given))  # noqa: PTH100 (links stay)
    header = selection.header(dataset.header)
    fitted, header_findings = fit_header(rename_header(header, table), target, options)
    asked = replace(fitted, asked=frozenset(derived))
    keep_going = on_error == "skip"
    plan = Plan(dataset, header, asked, selection, table, derived, edit, images, carrier, keep_going)
    report = Report(dataset.path, given, dataset.format.name, target.name)
    for finding in (*dataset.notes, *header_findings):
        report.ledger.add(finding, carried=carrier)
    with staged(place, overwrite=overwrite) as stage:
        workers = started_engine(jobs, engine, ray_address)
        try:
            _write_all(plan, stage / place.name, report, progress, workers)
        except LabelkitError as error:  # what is said of the stage is meant of the destination
            error.place = error.place.replace(str(stage), str(place.parent))
            raise
        if report.errors and on_error != "skip":
            raise BadRecordsError(str(dataset.path), report.errors)
        if selection.splits and not report.records:
            raise UsageError("splits", f"no image is in {' or '.join(selection.splits)}", _seen(report))
        if strict and report.ledger.uncarried:
            raise LossError(
                str(dataset.path),
                f"{report.ledger.uncarried} values would be lost: {_lost(report.ledger)}",
                "a conversion without loss",
                "nothing was written",
            )
    return report


def _check_sendable(edit: Edit | None, *, is_here: bool) -> None:
    if edit is None or is_here:
        return
    try:
        pickle.dumps(edit)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        expected = "a function that stands in a module"
        raise UsageError(
            "edit", f"no other process can be given it ({error})", expected, "or jobs=1"
        ) from None


def _word(name: str, value: str, known: Collection[str]) -> str:
    if value not in known:
        raise UsageError(name, repr(value), f"one of {', '.join(known)}")
    return value


def words_of(value: Words, name: str = "", known: Collection[str] = ()) -> tuple[str, ...]:
    """One word or several, as several. Raises UsageError where one is none of those that are known."""
    words = (value,) if isinstance(value, str) else tuple(value)
    return tuple(_word(name, word, known) for word in words) if known else words


def options_of(origin: Format, target: Format, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options for reading and for writing. Raises UsageError where one would do nothing."""
    reading, writing = own_options(origin.open), own_options(target.create)
    for format, given in options.items():
        for name in given:
            used = (format == origin.name and name in reading) or (format == target.name and name in writing)
            if not used:
                raise UsageError(
                    f"--{format}-{name.replace('_', '-')}",
                    f"does nothing from {origin.name} to {target.name}",
                    "an option of the formats of this conversion",
                )
    read = {name: value for name, value in options.get(origin.name, {}).items() if name in reading}
    written = {name: value for name, value in options.get(target.name, {}).items() if name in writing}
    return read, written


def _class_map(given: str | Mapping[str, str] | None, header: Header) -> Mapping[str, str]:
    if given is None:
        return {}
    table = load_class_map(given) if isinstance(given, str) else given
    names = {category.name for category in header.categories}
    if not names & table.keys():
        raise UsageError("--map", f"renames no class of {', '.join(sorted(names))}", "a class that is there")
    return table


def _refuse_strangers(destination: Path) -> None:
    """Only a data set is overwritten. Raises DestinationError where something else is in the way."""
    if destination.is_dir() and any(destination.iterdir()):
        strengths = [item.strength for item in detect(destination).values()]
        if not any(strengths):
            raise DestinationError(
                str(destination),
                "is a folder of other things",
                "a data set to overwrite",
                "delete it yourself",
            )


def _seen(report: Report) -> str:
    return f"one of {', '.join(sorted(report.splits))}" if report.splits else "a data set with splits"


class _Joined:
    """All parts of a conversion together: what is told of them, in their order."""

    def __init__(self, plan: Plan, report: Report, progress: Progress | None, total: int | None) -> None:
        self.plan = plan
        self.report = report
        self.paths: list[str] = []  # only where a carrier is to bring their order back
        self._last = ""
        self._is_sorted = True
        self._progress = progress
        self._total = total
        self._seen = 0
        self._taken: dict[str, str] = {}
        self._restored: set[int] = set()
        self._standings: set[tuple[str, ...]] = set()

    def add(self, part: Converted) -> None:
        """Add what is told of the next part. Raises DestinationError where two images have one place."""
        report = self.report
        for place, path in (*part.taken.items(), *part.failed):
            refuse_taken(self._taken, place, path)
        self._taken |= part.taken
        report.records += part.records
        report.objects += part.objects
        report.images += part.images
        report.splits |= part.splits
        report.errors += part.errors
        report.ledger.merge(part.ledger)
        self._note_order(part.paths)
        self._standings |= part.standings
        self._restored |= part.restored
        self._seen += part.seen
        if self._progress:
            self._progress(self._seen, self._total)

    def finish(self) -> None:
        """Tell what only all parts together show."""
        plan, ledger = self.plan, self.report.ledger
        for path in plan.dataset.carrier.unused(self._restored) if plan.dataset.carrier else ():
            text = "no record is this any more; what was carried is left out"
            ledger.add(Finding("ODD009", path, text))
        if self.is_order_lost():
            text = f"{plan.target.format.name} keeps its images by split and name"
            ledger.add(Finding("LOS210", str(plan.dataset.path), text), carried=plan.carrier)

    def is_order_lost(self) -> bool:
        """Whether the target may show another order than the source's."""
        return is_order_at_risk(self.plan) and (len(self._standings) > 1 or not self._is_sorted)

    def _note_order(self, paths: Sequence[str]) -> None:
        """Note whether the images are in the order of their paths."""
        for path in paths:
            self._is_sorted = self._is_sorted and self._last <= path
            self._last = path
        if self.plan.carrier:
            self.paths += paths


def _write_all(
    plan: Plan,
    root: Path,
    report: Report,
    progress: Progress | None,
    workers: AbstractContextManager[Engine],
) -> None:
    format = plan.target.format
    single = format.file_suffix is not None and root.suffix == format.file_suffix
    if not single:
        root.mkdir()
    writer: Writer = format.create(root, plan.target.header, **plan.target.options)
    sidecar = CarrierWriter(carrier_path(root), plan.header, plan.target.header) if plan.carrier else None
    conversion = Conversion(plan, root.parent if single else root, writer, sidecar)
    parts = plan.dataset.reader.parts()
    total = sum(part.count for part in parts) if all(part.count for part in parts) else None
    joined = _Joined(plan, report, progress, total)
    with workers as started:
        for number, part in enumerate(parts):
            writing = plan.keep_going or not report.errors
            started.run(joined.add, Conversion.convert, conversion, number, part, writing)
    joined.finish()
    if not report.errors or plan.keep_going:
        writer.finish()
        if sidecar:
            sidecar.finish(joined.paths if joined.is_order_lost() else ())


def _lost(ledger: Ledger) -> str:
    rows = [(code, name, count) for code, name, count, _ in ledger.rows() if code[:4] in ("LOS1", "LOS2")]
    return ", ".join(f"{count} {code} {name}" for code, name, count in rows)

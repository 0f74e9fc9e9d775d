"""Read, fit and write, as functions of the rest: what the command line and the library both call."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from pathlib import Path, PurePosixPath
from typing import Any

from labelkit.carrier import Carrier, CarrierWriter, carrier_path
from labelkit.checks import check_names, check_pixels, oddities
from labelkit.derive import derive
from labelkit.errors import (
    BadRecordsError,
    DestinationError,
    FormatError,
    LossError,
    RecordError,
    UsageError,
)
from labelkit.findings import Finding
from labelkit.formats import Format, Part, Reader, Target, Writer, detect, get_format
from labelkit.loss import Fitted, Ledger, fit, fit_header
from labelkit.model import Header, Record
from labelkit.publish import refuse_overlap, staged
from labelkit.select import Selection, load_class_map, rename_header, rename_record

IMAGES = ("copy", "hardlink", "symlink", "none", "convert")
Options = Mapping[str, Any]
Progress = Callable[[int], None]


# --- reading -----------------------------------------------------------------------------------------------


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

    def readings(
        self, part: Part
    ) -> Iterator[tuple[Record, Record | RecordError] | tuple[None, RecordError | Finding]]:
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
    if not path.exists():
        raise UsageError(str(path), "does not exist", "a data set")
    chosen = get_format(format) if format else _detected(path)
    reader = chosen.open(
        path, images_dir=Path(images_dir) if images_dir else None, **_accepted(chosen.open, options, chosen)
    )
    notes = list(reader.notes)
    sidecar = _open_carrier(path, notes) if carrier else None
    header = reader.header
    if sidecar:
        header = sidecar.header(header, partial(_used_categories, reader))
    return Dataset(path, chosen, reader, header, notes, sidecar)


def _detected(path: Path) -> Format:
    evidence = detect(path)
    best = [
        name for name, item in evidence.items() if item.strength == max(e.strength for e in evidence.values())
    ]
    reasons = "; ".join(f"{name}: {item.reason}" for name, item in evidence.items())
    if evidence[best[0]].strength == 0:
        raise UsageError(
            str(path), f"is none of the formats ({reasons})", "a data set", "name it with --from"
        )
    if len(best) > 1:
        raise UsageError(str(path), f"could be {' or '.join(best)} ({reasons})", "", "say which with --from")
    return get_format(best[0])


def _accepted(function: Callable[..., Any], options: Options, format: Format) -> dict[str, Any]:
    known = {name for name, item in signature(function).parameters.items() if item.kind is item.KEYWORD_ONLY}
    for name in options:
        if name not in known:
            raise UsageError(
                f"option {name!r}", f"unknown to {format.name}", f"one of {', '.join(sorted(known))}"
            )
    return dict(options)


def _open_carrier(path: Path, notes: list[Finding]) -> Carrier | None:
    file = carrier_path(path)
    if not file.is_file():
        return None
    try:
        return Carrier(file)
    except ValueError as error:
        notes.append(Finding("ODD012", str(file), f"{error}; converting without it"))
        return None


def _used_categories(reader: Reader) -> set[str]:
    used: set[str] = set()
    for part in reader.parts():
        for record in reader.read(part):
            if isinstance(record, Record):
                used.update(label.category for label in record.labels)
                used.update(item.category for item in record.objects)
    return used


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
    source_format: str | None = None,
    splits: Collection[str] = (),
    only: Collection[str] = (),
    classes: Collection[str] = (),
    images: str = "copy",
    images_dir: str | Path | None = None,
    class_map: str | None = None,
    derived: Collection[str] = (),
    strict: bool = False,
    carrier: bool = True,
    on_error: str = "stop",
    overwrite: bool = False,
    read_options: Options | None = None,
    write_options: Options | None = None,
    progress: Progress | None = None,
) -> Report:
    """Convert a data set; the destination appears whole, or not at all.

    to, source_format: format names. splits, only (of labels, boxes, semantic, instances), classes: what is
    wanted. images: copy, hardlink, symlink, none, or convert (to PNG, where the target demands it).
    class_map: a shipped map's name or a JSON file. derived: label types to make. read_options and
    write_options: the formats' own. progress: called with the number of records done.

    Raises BadRecordsError (with every problem found) unless on_error is "skip", LossError where ``strict``
    forbids what would be lost, DestinationError, FormatError, UsageError.
    """
    source, destination = Path(source), Path(destination)
    dataset = open_dataset(source, format=source_format, images_dir=images_dir, **dict(read_options or {}))
    refuse_overlap(source, destination)
    plan = _plan(
        dataset,
        get_format(to),
        Selection(tuple(splits), tuple(only), tuple(classes)),
        load_class_map(class_map) if class_map else {},
        tuple(derived),
        dict(write_options or {}),
        images,
        carrier,
    )
    report = Report(source, destination, dataset.format.name, to)
    for finding in (*dataset.notes, *plan.header_findings):
        report.ledger.add(finding, carried=carrier)
    with staged(destination, overwrite=overwrite) as stage:
        _write_all(plan, stage / destination.name, report, progress, keep_going=on_error == "skip")
        if report.errors and on_error != "skip":
            raise BadRecordsError(str(source), report.errors)
        if strict and report.ledger.uncarried:
            raise LossError(
                str(source),
                f"{report.ledger.uncarried} values would be lost: {_lost(report.ledger)}",
                "a conversion without loss",
                "nothing was written",
            )
    return report


@dataclass(frozen=True)
class _Plan:
    """A conversion, decided: everything that a part needs to be converted. It pickles small."""

    dataset: Dataset
    header: Header
    target: Target
    selection: Selection
    class_map: Mapping[str, str]
    derived: Collection[str]
    images: str
    carrier: bool
    header_findings: list[Finding]


def _plan(
    dataset: Dataset,
    format: Format,
    selection: Selection,
    class_map: Mapping[str, str],
    derived: Collection[str],
    options: Options,
    images: str,
    carrier: bool,
) -> _Plan:
    header = selection.header(dataset.header)
    target, findings = fit_header(
        rename_header(header, class_map), format, _accepted(format.create, options, format)
    )
    return _Plan(dataset, header, target, selection, class_map, derived, images, carrier, findings)


def _write_all(
    plan: _Plan, root: Path, report: Report, progress: Progress | None, *, keep_going: bool
) -> None:
    format = plan.target.format
    single = format.file_suffix is not None and root.suffix == format.file_suffix
    if not single:
        root.mkdir()
    writer: Writer = format.create(root, plan.target.header, **plan.target.options)
    sidecar = CarrierWriter(carrier_path(root), plan.header, plan.target.header) if plan.carrier else None
    taken: dict[str, str] = {}
    for number, part in enumerate(plan.dataset.reader.parts()):
        done = list(_fitted_part(plan, part, report, progress))
        if report.errors and not keep_going:
            continue
        writer.write(number, [each.fitted.record for each in done])
        if sidecar:
            sidecar.write(number, [(each.source, each.fitted) for each in done])
        for each in done:
            _place_image(plan, each, writer, root.parent if single else root, taken, report)
    if not report.errors or keep_going:
        writer.finish()
        if sidecar:
            sidecar.finish()


@dataclass(frozen=True)
class _Done:
    """A record on its way: as its file said it, as it is wanted, and as the target can hold it."""

    read: Record
    source: Record
    fitted: Fitted


def _fitted_part(plan: _Plan, part: Part, report: Report, progress: Progress | None) -> Iterator[_Done]:
    ordinal = part.start - 1
    for read, item in plan.dataset.readings(part):
        if isinstance(item, Finding):
            report.ledger.add(item)
            continue
        ordinal += 1
        try:
            if isinstance(item, RecordError):
                raise item
            pair = _fit_one(plan, item, ordinal, report.ledger)
        except RecordError as error:
            report.errors.append(error)
            continue
        finally:
            if progress:
                progress(1)
        if pair and read:
            report.records += 1
            report.objects += len(pair[0].objects)
            yield _Done(read, *pair)


def _fit_one(plan: _Plan, record: Record, ordinal: int, ledger: Ledger) -> tuple[Record, Fitted] | None:
    place = f"{plan.dataset.path}:{record.image.path}"
    try:
        selected = plan.selection.record(record)
        if selected is None:
            return None
        check_names(selected, place)
        check_pixels(selected, place)
        asked: list[Finding] = []

        def tell(code: str, place: str, message: str, *, count: int = 1) -> None:
            asked.append(Finding(code, place, message, count=count))

        wanted = derive(selected, plan.derived, plan.header, tell) if plan.derived else selected
        renamed = rename_record(wanted, plan.class_map, tell) if plan.class_map else wanted
        fitted = fit(renamed, plan.target, ordinal)
    except ValueError as error:
        raise RecordError(place, str(error)) from None
    known = len(selected.objects)
    origins = tuple(k if k is not None and k < known else None for k in fitted.origins)
    result = Fitted(fitted.record, asked + fitted.findings, origins)
    result = _with_image(plan, result)
    for finding in oddities(selected, pixels=True):
        ledger.add(finding)
    for finding in result.findings:
        ledger.add(finding, carried=plan.carrier)
    return selected, result


def _with_image(plan: _Plan, fitted: Fitted) -> Fitted:
    """The record with an image of a type that the target's official tools look for, or a finding."""
    image, suffixes = fitted.record.image, plan.target.format.image_suffixes
    path = PurePosixPath(image.path)
    if not suffixes or path.suffix.lower() in suffixes or plan.dataset.format is plan.target.format:
        return fitted
    if plan.images == "convert" and ".png" in suffixes:
        renamed = image.model_copy(update={"path": str(path.with_suffix(".png"))})
        return replace(fitted, record=fitted.record.model_copy(update={"image": renamed}))
    text = f"stays a {path.suffix or 'nameless'} file; official tools look for {' or '.join(suffixes)}"
    return replace(fitted, findings=[*fitted.findings, Finding("LOS207", image.path, text)])


def _lost(ledger: Ledger) -> str:
    rows = [(code, name, count) for code, name, count, _ in ledger.rows() if code[:4] in ("LOS1", "LOS2")]
    return ", ".join(f"{count} {code} {name}" for code, name, count in rows)


# --- images ------------------------------------------------------------------------------------------------


def _place_image(
    plan: _Plan,
    done: _Done,
    writer: Writer,
    root: Path,
    taken: dict[str, str],
    report: Report,
) -> None:
    """Bring the image along, never decoded and encoded again (but for ``convert``).

    Raises DestinationError that names both images where two would have one place.
    """
    place, path = writer.image_path(done.fitted.record), done.source.image.path
    if place is None:
        return
    if place in taken:
        raise DestinationError(
            place, f"two images: {taken[place]!r} and {path!r}", "one image a file", "rename one"
        )
    taken[place] = path
    try:
        file = plan.dataset.image_file(done.read)
    except (ValueError, RecordError) as error:
        report.errors.append(RecordError(f"{plan.dataset.path}:{path}", str(error)))
        return
    if file is None:
        report.ledger.add(Finding("ODD006", path, "no such image file"))
        return
    if file.stat().st_size == 0:
        report.ledger.add(Finding("ODD007", path, "the image file has no bytes"))
    if plan.images != "none":
        _bring(file, root / place, plan.images)
        report.images += 1


def _bring(file: Path, place: Path, how: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if how == "convert" and file.suffix.lower() != place.suffix.lower():
        _encode_png(file, place)
    elif how == "hardlink":
        place.hardlink_to(file)
    elif how == "symlink":
        place.symlink_to(file.resolve())
    else:
        shutil.copyfile(file, place)


def _encode_png(file: Path, place: Path) -> None:
    from PIL import Image

    from labelkit.pixels import image_size

    try:
        image_size(file)
        with Image.open(file) as image:
            image.save(place, "PNG")
    except (OSError, ValueError) as error:
        raise FormatError(str(file), f"cannot be made a PNG ({error})", "a readable image") from None

"""Converting: read, check, fit and write, as functions of the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from labelkit.carrier import CarrierWriter, carrier_path
from labelkit.checks import check_pixels, oddities, unchecked
from labelkit.dataset import Dataset, open_dataset, own_options, source_format
from labelkit.derive import DERIVABLE, derive
from labelkit.errors import (
    BadRecordsError,
    DestinationError,
    LabelkitError,
    LossError,
    RecordError,
    UsageError,
)
from labelkit.findings import Finding
from labelkit.formats import Format, Part, Target, Writer, detect, get_format
from labelkit.formats._files import OutsideLinkError, check_names
from labelkit.images import IMAGES, NOT_COPIED, becomes_png, bring
from labelkit.loss import Fitted, Ledger, fit, fit_header
from labelkit.model import Header, Record
from labelkit.publish import refuse_existing, refuse_overlap, staged
from labelkit.select import TYPES, Selection, load_class_map, rename_header, rename_record

Options = Mapping[str, Mapping[str, Any]]
Progress = Callable[[int, int | None], None]
Edit = Callable[[Record], Record | None]
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
    options: Options | None = None,
    progress: Progress | None = None,
) -> Report:
    """Convert a data set; the destination appears whole, or not at all.

    to, from_: format names; the source's is detected if not said. splits, only (of labels, boxes, semantic,
    instances), classes: what is wanted, everything if not said. images: copy, hardlink, symlink, none, or
    convert (to PNG, where the target demands it). class_map: a shipped map's name, a JSON file, or a table
    of old and new names. derived: label types to make. edit: called with each record before it is fitted,
    returns it changed, or None to leave it out. options: the formats' own, by format
    (``{"voc": {"base": "0"}}``). progress: called with how many records are done, and of how many.

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
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write an open data set in a format, whole or not at all: what ``convert`` does once it has a source.

    options: the target's own. Everything else, and what is raised, is as ``convert`` has it.
    """
    given, target, table = Path(destination), get_format(to), class_map or {}
    place = Path(os.path.abspath(given))  # noqa: PTH100 (links stay)
    header = selection.header(dataset.header)
    fitted, header_findings = fit_header(rename_header(header, table), target, options)
    asked = replace(fitted, asked=frozenset(derived))
    plan = _Plan(dataset, header, asked, selection, table, derived, edit, images, carrier)
    report = Report(dataset.path, given, dataset.format.name, target.name)
    for finding in (*dataset.notes, *header_findings):
        report.ledger.add(finding, carried=carrier)
    with staged(place, overwrite=overwrite) as stage:
        try:
            _write_all(plan, stage / place.name, report, progress, keep_going=on_error == "skip")
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


@dataclass(frozen=True)
class _Plan:
    """A conversion, decided: everything that a part needs to be converted. It pickles small."""

    dataset: Dataset
    header: Header
    target: Target
    selection: Selection
    class_map: Mapping[str, str]
    derived: Collection[str]
    edit: Edit | None
    images: str
    carrier: bool


def _write_all(
    plan: _Plan, root: Path, report: Report, progress: Progress | None, *, keep_going: bool
) -> None:
    format = plan.target.format
    single = format.file_suffix is not None and root.suffix == format.file_suffix
    if not single:
        root.mkdir()
    writer: Writer = format.create(root, plan.target.header, **plan.target.options)
    sidecar = CarrierWriter(carrier_path(root), plan.header, plan.target.header) if plan.carrier else None
    images = _Images(plan, writer, root.parent if single else root, report, keep_going=keep_going)
    order = _Order(plan)
    parts = plan.dataset.reader.parts()
    total = sum(part.count for part in parts) if all(part.count for part in parts) else None
    for number, part in enumerate(parts):
        done = list(_fitted_part(plan, part, images, report, progress, total))
        if report.errors and not keep_going:
            continue
        for piece, group in order.pieces(number, part.start, done):
            writer.write(piece, [each.fitted.record for each in group])
        if sidecar:
            sidecar.write(number, [(each.source, each.fitted) for each in done])
    for path in plan.dataset.carrier.unused() if plan.dataset.carrier else ():
        report.ledger.add(Finding("ODD009", path, "no record is this any more; what was carried is left out"))
    if order.is_lost():
        text = f"{plan.target.format.name} keeps its images by split and name"
        report.ledger.add(Finding("LOS210", str(plan.dataset.path), text), carried=plan.carrier)
    if not report.errors or keep_going:
        writer.finish()
        if sidecar:
            sidecar.finish(order.paths if order.is_lost() else ())


@dataclass(frozen=True)
class _Done:
    """A record on its way, its image already there: as it is wanted, and as the target can hold it."""

    source: Record
    fitted: Fitted


class _Order:
    """The order of the images, which is the source's own: lost in most targets, and brought back.

    paths: those of the source's images so far, where the target does not keep their order.
    """

    def __init__(self, plan: _Plan) -> None:
        self.paths: list[str] = []
        self._splits: set[tuple[str, ...]] = set()
        kept = "order" in plan.target.format.carries
        self._at_risk = not kept and "order" in plan.dataset.format.carries
        self._places = dict(plan.dataset.carrier.places) if kept and plan.dataset.carrier else {}
        self._first_new = len(self._places)

    def pieces(self, number: int, start: int, done: list[_Done]) -> Iterator[tuple[int, list[_Done]]]:
        """The records of a part as pieces that the writer joins by number; new images come last."""
        if self._at_risk:
            self.paths += [each.source.image.path for each in done]
            self._splits.update(each.source.splits for each in done)
        if not self._first_new:
            yield number, done
            return
        placed = {
            self._places.pop(each.source.image.path, self._first_new + start + position): each
            for position, each in enumerate(done)
        }
        for _, run in groupby(enumerate(sorted(placed)), key=lambda pair: pair[1] - pair[0]):
            places = [place for _, place in run]
            yield places[0], [placed[place] for place in places]

    def is_lost(self) -> bool:
        """Whether the target may show another order than the source's."""
        return self._at_risk and (len(self._splits) > 1 or self.paths != sorted(self.paths))


def _fitted_part(
    plan: _Plan, part: Part, images: _Images, report: Report, progress: Progress | None, total: int | None
) -> Iterator[_Done]:
    ordinal = part.start - 1
    for read, item in plan.dataset.readings(part):
        if isinstance(item, Finding):
            report.ledger.add(item)
            continue
        ordinal += 1
        try:
            if isinstance(item, RecordError):
                raise item
            assert read is not None  # only errors come without one
            report.splits.update(item.splits)
            done = _fit_one(plan, item, _image_file(plan, read), images, ordinal, report.ledger)
        except RecordError as error:
            report.errors.append(error)
            continue
        finally:
            if progress:
                progress(ordinal + 1, total)
        if done:
            report.records += 1
            report.objects += len(done.source.objects)
            yield done


def _image_file(plan: _Plan, read: Record) -> Path | None:
    """Where the image lies. Raises RecordError where it would be copied through a link out of the set."""
    try:
        return plan.dataset.image_file(read)
    except ValueError as error:
        if isinstance(error, OutsideLinkError) and plan.images in NOT_COPIED:
            return error.path
        raise RecordError(f"{plan.dataset.path}:{read.image.path}", str(error)) from None


def _fit_one(
    plan: _Plan, record: Record, image: Path | None, images: _Images, ordinal: int, ledger: Ledger
) -> _Done | None:
    """A record fitted, with its image brought along first: a record whose image cannot come costs nothing."""
    place = f"{plan.dataset.path}:{record.image.path}"
    try:
        edited = plan.edit(record) if plan.edit else record
        asked: list[Finding] = []

        def tell(code: str, place: str, message: str, *, count: int = 1) -> None:
            asked.append(Finding(code, place, message, count=count))

        selected = plan.selection.record(edited, tell) if edited else None
        if selected is None:
            return None
        check_names(selected, place)
        check_pixels(selected, place)
        wanted = derive(selected, plan.derived, plan.header, tell) if plan.derived else selected
        renamed = rename_record(wanted, plan.class_map, tell) if plan.class_map else wanted
        fitted = fit(renamed, plan.target, ordinal)
    except ValueError as error:
        raise RecordError(place, str(error)) from None
    known = len(selected.objects)
    origins = tuple(k if k is not None and k < known else None for k in fitted.origins)
    result = Fitted(fitted.record, asked + fitted.findings, origins)
    result = _with_image(plan, result)
    brought = images.bring(selected, result.record, image)
    for finding in (*oddities(selected), *unchecked(edited or record), *brought):
        ledger.add(finding)
    for finding in result.findings:
        ledger.add(finding, carried=plan.carrier)
    return _Done(selected, result)


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


class _Images:
    """The images on their way. taken: which image has which place."""

    def __init__(self, plan: _Plan, writer: Writer, root: Path, report: Report, *, keep_going: bool) -> None:
        self.plan = plan
        self.writer = writer
        self.root = root
        self.report = report
        self.keep_going = keep_going
        self.taken: dict[str, str] = {}

    def bring(self, source: Record, fitted: Record, file: Path | None) -> list[Finding]:
        """Bring an image along, with what there is to tell of it.

        Raises RecordError where it cannot become what it should, DestinationError that names both where two
        images would have one place.
        """
        place, path, how = self.writer.image_path(fitted), source.image.path, self.plan.images
        if place is None:
            return []
        to = self.root / place
        made = file is not None and becomes_png(file, to, how)
        if self.report.errors and not self.keep_going and not made:
            return []  # nothing will be published, but every image that cannot be converted is to be told
        if place in self.taken:
            raise DestinationError(
                place, f"two images: {self.taken[place]!r} and {path!r}", "one image a file", "rename one"
            )
        findings = list(_image_oddities(path, file, to, how, made=made))
        if file is not None and how != "none":
            try:
                bring(file, to, how)
            except ValueError as error:
                where = f"{self.plan.dataset.path}:{path}"
                raise RecordError(where, str(error), "", "--images copy keeps it as it is") from None
            except PermissionError as error:
                if os.access(file, os.R_OK):
                    raise
                where = f"{self.plan.dataset.path}:{path}"
                raise RecordError(where, f"the image cannot be read ({error.strerror})") from None
            self.report.images += 1
        self.taken[place] = path
        return findings


def _image_oddities(path: str, file: Path | None, to: Path, how: str, *, made: bool) -> Iterator[Finding]:
    """What is to be told of an image. made: whether it becomes a PNG."""
    if file is None:
        yield Finding("ODD006", path, "no such image file (--images-dir says where they are)")
        return
    if file.stat().st_size == 0:
        yield Finding("ODD007", path, "the image file has no bytes")
    if how != "none" and not made and file.suffix.lower() != to.suffix.lower():
        text = f"a {file.suffix} file, which keeps its bytes under this name"
        yield Finding("ODD013", path, text)

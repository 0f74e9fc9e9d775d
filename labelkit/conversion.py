"""Converting a part of a data set from end to end: read, fit, write.

Parts know nothing of one another, so that each may be converted in another process; what must be known of
all of them comes back with each, and is small.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path, PurePosixPath

from labelkit.carrier import CarrierWriter
from labelkit.checks import check_pixels, oddities, unchecked
from labelkit.dataset import Dataset
from labelkit.derive import derive
from labelkit.errors import DestinationError, RecordError
from labelkit.findings import Finding
from labelkit.formats import Part, Target, Writer
from labelkit.formats._files import OutsideLinkError, check_names
from labelkit.images import NOT_COPIED, becomes_png, bring
from labelkit.loss import Fitted, Ledger, fit
from labelkit.model import Header, Record
from labelkit.select import Selection, rename_record

Edit = Callable[[Record], Record | None]


@dataclass(frozen=True)
class Plan:
    """What is to be done with every record of a conversion. It pickles small.

    header: of the source, as far as it is wanted. keep_going: whether records with errors are left out.
    """

    dataset: Dataset
    header: Header
    target: Target
    selection: Selection
    class_map: Mapping[str, str]
    derived: Collection[str]
    edit: Edit | None
    images: str
    carrier: bool
    keep_going: bool


@dataclass
class Converted:
    """What is told of a part that was converted.

    seen: how many entries it has, read or not. taken: which image has which place. failed: the
    places that images should have had, with the images. restored: the offsets of
    the carrier's entries that were used. paths and standings: the images and their splits, in order, where
    the target does not keep their order.
    """

    seen: int = 0
    records: int = 0
    objects: int = 0
    images: int = 0
    splits: set[str] = field(default_factory=set)
    ledger: Ledger = field(default_factory=lambda: Ledger(kinds=sys.maxsize))
    errors: list[RecordError] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)
    restored: set[int] = field(default_factory=set)
    paths: list[str] = field(default_factory=list)
    standings: set[tuple[str, ...]] = field(default_factory=set)


@dataclass(frozen=True)
class Conversion:
    """A conversion under way. root: below it the images have their places. sidecar: the carrier, if any."""

    plan: Plan
    root: Path
    writer: Writer
    sidecar: CarrierWriter | None

    def convert(self, number: int, part: Part, writing: bool) -> Converted:
        """Convert the part of a number.

        writing: whether anything is wanted of it but its errors.
        """
        work = _Work(self, writing=writing)
        carried: list[bytes] = []
        for piece, group in _pieces(self.plan, number, part.start, work.fitted(part)):
            self.writer.write(piece, self._passing(group, work.result, carried))
        if self.sidecar:
            self.sidecar.write(number, carried)
        if self.plan.dataset.carrier:
            work.result.restored = self.plan.dataset.carrier.take_found()
        return work.result

    def _passing(self, group: Iterable[_Done], result: Converted, carried: list[bytes]) -> Iterator[Record]:
        """The records of a group for the writer; each is done with before the next one is begun.

        So its pixels, which fitting, writing and the carrier look at, are in memory once, and painted once.
        """
        notes_order = is_order_at_risk(self.plan)
        for each in group:
            yield each.fitted.record
            if self.sidecar:
                carried += self.sidecar.lines(each.source, each.fitted)
            if notes_order:
                result.paths.append(each.source.image.path)
                result.standings.add(each.source.splits)


@dataclass(frozen=True)
class _Done:
    """A record on its way, its image already there: as it is wanted, and as the target can hold it."""

    source: Record
    fitted: Fitted


def is_order_at_risk(plan: Plan) -> bool:
    """Whether the source has an order of its images, and the target keeps none."""
    return "order" not in plan.target.format.carries and "order" in plan.dataset.format.carries


def _pieces(
    plan: Plan, number: int, start: int, done: Iterable[_Done]
) -> Iterator[tuple[int, Iterable[_Done]]]:
    """The records of a part as pieces that the writer joins by number.

    Where the carrier knows the order that the source once had, that is kept, and new images come last.
    """
    keeps_order = "order" in plan.target.format.carries
    places = plan.dataset.carrier.places if keeps_order and plan.dataset.carrier else {}
    if not places:
        yield number, done
        return
    placed: dict[int, _Done] = {}
    for position, each in enumerate(done):
        last = len(places) + start + position
        place = places.get(each.source.image.path, last)
        placed[last if place in placed else place] = each
    for _, run in groupby(enumerate(sorted(placed)), key=lambda pair: pair[1] - pair[0]):
        numbers = [place for _, place in run]
        yield numbers[0], [placed[place] for place in numbers]


class _Work:
    """The records of a part on their way."""

    def __init__(self, conversion: Conversion, *, writing: bool) -> None:
        self.plan = conversion.plan
        self.root = conversion.root
        self.writer = conversion.writer
        self.wanted = writing
        self.result = Converted()

    @property
    def writing(self) -> bool:
        """Whether what is written will be published."""
        return self.wanted and (self.plan.keep_going or not self.result.errors)

    def fitted(self, part: Part) -> Iterator[_Done]:
        """The records of a part as the target can hold them, each with its image brought along."""
        result = self.result
        for read, item in self.plan.dataset.readings(part):
            if isinstance(item, Finding):
                result.ledger.add(item)
                continue
            result.seen += 1
            try:
                if isinstance(item, RecordError):
                    raise item
                assert read is not None  # only errors come without one
                result.splits.update(item.splits)
                done = self._fit(item, _image_file(self.plan, read), part.start + result.seen - 1)
            except RecordError as error:
                result.errors.append(error)
                continue
            if done:
                result.records += 1
                result.objects += len(done.source.objects)
            if done and self.writing:
                yield done

    def _fit(self, record: Record, image: Path | None, ordinal: int) -> _Done | None:
        """A record fitted, its image brought first: a record whose image cannot come costs nothing."""
        plan, ledger = self.plan, self.result.ledger
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
        result = _with_image(plan, Fitted(fitted.record, asked + fitted.findings, origins))
        brought = self._bring(record.image.path, result.record, image)
        for finding in (*oddities(selected), *unchecked(edited or record), *brought):
            ledger.add(finding)
        for finding in result.findings:
            ledger.add(finding, carried=plan.carrier)
        return _Done(selected, result)

    def _bring(self, path: str, fitted: Record, file: Path | None) -> list[Finding]:
        """Bring an image along, with what there is to tell of it. path: the source's.

        Raises RecordError where it cannot become what it should, DestinationError that names both where two
        images would have one place.
        """
        place, how = self.writer.image_path(fitted), self.plan.images
        if place is None:
            return []
        to = self.root / place
        made = file is not None and becomes_png(file, to, how)
        if not self.writing and not made:
            return []  # nothing will be published, but every image that cannot be converted is to be told
        refuse_taken(self.result.taken, place, path)
        findings = list(_image_oddities(path, file, to, how, made=made))
        if file is not None and how != "none":
            try:
                self._copy(file, to, f"{self.plan.dataset.path}:{path}")
            except RecordError:
                self.result.failed.append((place, path))
                raise
            self.result.images += 1
        self.result.taken[place] = path
        return findings

    def _copy(self, file: Path, to: Path, place: str) -> None:
        try:
            bring(file, to, self.plan.images)
        except ValueError as error:
            raise RecordError(place, str(error), "", "--images copy keeps it as it is") from None
        except FileExistsError:
            if not (to.is_file() or to.is_symlink()):  # a folder is there, or a file where a folder should be
                raise
            # Another part's image: whoever joins the parts names both.
        except PermissionError as error:
            if os.access(file, os.R_OK):
                raise
            raise RecordError(place, f"the image cannot be read ({error.strerror})") from None


def refuse_taken(taken: Mapping[str, str], place: str, path: str) -> None:
    """Raise DestinationError that names both where another image has the place of one."""
    if place in taken:
        raise DestinationError(
            place, f"two images: {taken[place]!r} and {path!r}", "one image a file", "rename one"
        )


def _image_file(plan: Plan, read: Record) -> Path | None:
    """Where the image lies. Raises RecordError where it would be copied through a link out of the set."""
    try:
        return plan.dataset.image_file(read)
    except ValueError as error:
        if isinstance(error, OutsideLinkError) and plan.images in NOT_COPIED:
            return error.path
        raise RecordError(f"{plan.dataset.path}:{read.image.path}", str(error)) from None


def _with_image(plan: Plan, fitted: Fitted) -> Fitted:
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

"""Showing labels: each image with what is said of it, as PNG files and as a gallery in one HTML file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from labelkit.dataset import Dataset, open_dataset, source_format
from labelkit.drawing.colours import Colour, class_colours
from labelkit.drawing.picture import picture
from labelkit.drawing.scene import Scene, scene
from labelkit.engine import engine
from labelkit.errors import DestinationError, RecordError, UsageError
from labelkit.findings import Finding
from labelkit.globs import compiled
from labelkit.model import Record
from labelkit.naming import Names
from labelkit.outputs.cards import SIDE, Card, card
from labelkit.outputs.gallery import Gallery
from labelkit.photos import Photo, load, resized
from labelkit.pipeline import Options, Progress, Words, words_of
from labelkit.publish import refuse_overlap, staged
from labelkit.select import TYPES, Selection

LIMIT = 500
PAGE, PICTURES = "index.html", "images"
_EFFORT = 3  # of zlib: less than half the time of its usual 6, and a tenth more bytes
_NOT_DRAWN = frozenset({"ODD006", "ODD014", "ODD016"})


@dataclass
class Showing:
    """What was drawn. errors: records that could not be read. findings: what is not drawn, or not as it is.

    labels: those of whole images. maps: those that show a class. is_cut: whether there are more images than
    were to be drawn.
    """

    source: Path
    destination: Path
    images: int = 0
    objects: int = 0
    labels: int = 0
    maps: int = 0
    is_cut: bool = False
    errors: list[RecordError] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether every image and every label of it was drawn."""
        return not self.errors and all(finding.code not in _NOT_DRAWN for finding in self.findings)


def show(
    source: str | Path,
    destination: str | Path | None = None,
    *,
    from_: str | None = None,
    splits: Words = (),
    only: Words = (),
    classes: Words = (),
    images: Words = (),
    min_score: float | None = None,
    limit: int = LIMIT,
    png: bool = True,
    gallery: bool = True,
    images_dir: str | Path | None = None,
    overwrite: bool = False,
    jobs: int | None = 1,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Showing:
    """Draw the labels of a data set on its images; the destination appears whole, or not at all.

    destination: a folder; that of ``default_destination`` if not said. from_, splits, only, classes,
    images_dir, options, progress: as for ``convert``. images: patterns of image paths; one without a slash is
    a file's name in any folder. min_score: what has a lower one is not drawn. limit: how many images are
    drawn, the first ones. png: whether to write ``images/PATH.png``; gallery: ``index.html``.

    Records that cannot be read and labels that cannot be drawn are told, and the rest is drawn.
    Raises DestinationError, FormatError, UsageError.
    """
    source = Path(source)
    if min_score is not None and not 0 <= min_score <= 1:
        raise UsageError("--min-score", f"{min_score:g}", "a number from 0 to 1")
    if limit < 1 or not (png or gallery):
        raise UsageError("show", "nothing to draw", "an image at least, as a PNG or in the gallery")
    wanted = _Wanted(
        Selection(words_of(splits), words_of(only, "only", TYPES), words_of(classes)),
        [compiled(pattern, "images") for pattern in words_of(images)],
        limit,
    )
    given = Path(destination) if destination else default_destination(source)
    target = Path(os.path.abspath(given))  # noqa: PTH100 (links stay)
    refuse_overlap(source, target)
    if overwrite:
        _refuse_strangers(target)
    dataset = open_dataset(source, format=from_, images_dir=images_dir, **_reading(source, from_, options))
    wanted.selection.header(dataset.header)  # are there such classes?
    done = Showing(source, given, findings=_odd(dataset.notes))
    with staged(target, overwrite=overwrite) as stage:
        root = stage / target.name
        root.mkdir()
        plan = _Plan(
            class_colours(dataset.header.categories),
            min_score,
            not wanted.selection.types or "semantic" in wanted.selection.types,
            root / PICTURES if png else None,
            gallery,
        )
        _draw_all(dataset, wanted, plan, root, done, jobs, progress)
    return done


def default_destination(source: Path) -> Path:
    """Beside the source, by its name: ``voc-labels`` for ``voc``, ``val-labels`` for ``val.json``."""
    whole = source.resolve()
    return whole.with_name(f"{whole.name if whole.is_dir() else whole.stem}-labels")


def _refuse_strangers(target: Path) -> None:
    """Only drawings are overwritten. Raises DestinationError where something else is in the way."""
    if target.is_dir():
        others = sorted(item.name for item in target.iterdir() if item.name not in (PAGE, PICTURES))
        if others:
            raise DestinationError(
                str(target),
                f"has {others[0]!r} in it",
                "a folder of drawings",
                "delete it yourself",
            )


def _reading(source: Path, from_: str | None, options: Options | None) -> Mapping[str, Any]:
    """The options for reading. Raises UsageError where one is for another format than the source's."""
    format = source_format(source, from_).name
    for name in options or {}:
        if name != format:
            found = f"does nothing, for {source} is {format}"
            raise UsageError(f"--{name}-…", found, "an option of its format")
    return (options or {}).get(format, {})


def _odd(findings: Any) -> list[Finding]:
    return [finding for finding in findings if finding.code.startswith("ODD")]


# --- which images ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wanted:
    selection: Selection
    patterns: list[re.Pattern[str]]
    limit: int

    @property
    def is_all(self) -> bool:
        """Whether every image is wanted, as far as the limit goes."""
        return not self.patterns and not self.selection.splits

    def fits(self, path: str) -> bool:
        """Whether an image's path is wanted."""
        return not self.patterns or any(pattern.fullmatch(path) for pattern in self.patterns)


def _chosen(dataset: Dataset, wanted: _Wanted, done: Showing) -> Iterator[tuple[Record, Record]]:
    """The wanted records: each as it was read, and what is wanted of it."""

    def tell(code: str, place: str, message: str, *, count: int = 1) -> None:
        if code.startswith("LOS1"):  # what is derived to be drawn is no news
            done.findings.append(Finding(code, place, message, count=count))

    for part in dataset.reader.parts():
        for read, item in dataset.readings(part):
            if isinstance(item, Finding):
                done.findings += _odd([item])
            elif isinstance(item, RecordError):
                done.errors.append(item)
            elif wanted.fits(item.image.path):
                assert read is not None  # only errors come without one
                try:
                    record = wanted.selection.record(item, tell)
                except ValueError as error:
                    done.errors.append(RecordError(f"{dataset.path}:{item.image.path}", str(error)))
                    continue
                if record is not None:
                    yield read, record


def _image_file(dataset: Dataset, read: Record, done: Showing) -> Path | None:
    """Where an image lies; None where it is not there or may not be read, which is told."""
    try:
        file = dataset.image_file(read)
    except (ValueError, RecordError) as error:
        done.findings.append(Finding("ODD014", read.image.path, str(error)))
        return None
    if file is None:
        text = "no such image file (--images-dir says where they are)"
        done.findings.append(Finding("ODD006", read.image.path, text))
    return file


# --- drawing -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """What all images have in common. pictures: the folder of the PNGs, or None. It pickles small."""

    colours: Mapping[str, Colour]
    least: float | None
    has_maps: bool
    pictures: Path | None
    gallery: bool


@dataclass(frozen=True)
class _Drawn:
    """An image that was drawn, or why it was not. card: for the gallery."""

    objects: int = 0
    labels: int = 0
    maps: int = 0
    card: Card | None = None
    findings: tuple[Finding, ...] = ()
    error: RecordError | None = None


def _draw_all(
    dataset: Dataset,
    wanted: _Wanted,
    plan: _Plan,
    root: Path,
    done: Showing,
    jobs: int | None,
    progress: Progress | None,
) -> None:
    gallery = Gallery(root / ".cards", plan.colours) if plan.gallery else None
    total = _total(dataset, wanted)

    def take(drawn: _Drawn) -> None:
        done.findings += drawn.findings
        if drawn.error is not None:
            done.errors.append(drawn.error)
            return
        done.images += 1
        done.objects += drawn.objects
        done.labels += drawn.labels
        done.maps += drawn.maps
        if gallery and drawn.card:
            gallery.add(drawn.card)
        if progress:
            progress(done.images, total)

    try:
        with engine(jobs) as run:
            names = Names(".png")
            for number, (read, record) in enumerate(_chosen(dataset, wanted, done)):
                if number == wanted.limit:
                    done.is_cut = True
                    break
                file = _image_file(dataset, read, done)
                run.run(take, _drawn, plan, record, file, names.of(record.image.path), f"s{number}")
        if not wanted.is_all and not (done.images or done.errors):
            raise UsageError("show", "no image is in those splits and fits those patterns")
        if gallery:
            gallery.finish(root / PAGE, title=_title(done.source), notes=_notes(done))
    finally:
        if gallery:
            gallery.close()


def _total(dataset: Dataset, wanted: _Wanted) -> int | None:
    """How many images there will be, where that can be known."""
    counts = [part.count for part in dataset.reader.parts()] if wanted.is_all else []
    return min(sum(counts), wanted.limit) if counts and all(counts) else None


def _title(source: Path) -> str:
    return f"{source.name or source.resolve().name}: labels"


def _notes(done: Showing) -> list[str]:
    """What the gallery does not show."""
    notes = [cut_note(done.images)] if done.is_cut else []
    if done.errors:
        notes.append(f"{len(done.errors)} records could not be read and are left out.")
    return notes


def cut_note(images: int) -> str:
    """What is said where there are more images than are drawn."""
    return f"These are the first {images} images; there are more (--limit)."


def _drawn(plan: _Plan, record: Record, file: Path | None, name: str, id: str) -> _Drawn:
    """Draw one image, here or in another process."""
    path = record.image.path
    found: list[Finding] = []
    photo = _photo(record, file, found, longest=None if plan.pictures else SIDE)
    try:
        seen = scene(record, photo.size if photo else None, least=plan.least, has_maps=plan.has_maps)
    except ValueError as error:
        return _Drawn(error=RecordError(path, str(error)))
    found += [Finding("ODD016", path, fault) for fault in seen.faults]
    found += [Finding("ODD017", path, f"{each} has no pixel and no box") for each in seen.unseen]
    if photo and photo.size != (seen.width, seen.height):
        sizes = f"{photo.size[0]} x {photo.size[1]} pixels, the labels are for {seen.width} x {seen.height}"
        found.append(Finding("ODD015", path, sizes))
    if plan.pictures:
        _save(plan.pictures / name, seen, photo, plan.colours)
    made = None
    if plan.gallery:
        numbers = {each: number for number, each in enumerate(plan.colours)}
        made = card(seen, path, photo, numbers, id=id)
    return _Drawn(len(seen.things), len(seen.labels), seen.maps, made, tuple(found))


def _photo(record: Record, file: Path | None, found: list[Finding], *, longest: int | None) -> Photo | None:
    width, height = record.image.width, record.image.height
    stated = None if width is None or height is None else (width, height)
    if file is None:
        return None
    try:
        return load(file, stated, longest=longest)
    except ValueError as error:
        found.append(Finding("ODD014", record.image.path, str(error)))
        return None


def _save(place: Path, seen: Scene, photo: Photo | None, colours: Mapping[str, Colour]) -> None:
    pixels = resized(photo.pixels, (seen.width, seen.height)) if photo else None
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seen, pixels, colours)).save(place, "PNG", compress_level=_EFFORT)

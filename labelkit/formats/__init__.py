"""The seam between labelkit and file formats, and the registry of formats.

A format is one module in this folder (or an entry point of the group ``labelkit.formats``) with a constant
``FORMAT``. Data flows one way: file → reader → record → fit → writer → file. No format knows another.

What the file said beyond the model is kept in ``raw`` under the format's name, as native text. **A writer
emits the native text of a field if and only if that text still parses to the field's present value.**
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NamedTuple, Protocol

from labelkit.errors import RecordError, UsageError, near
from labelkit.findings import Finding, Tell
from labelkit.model import Header, Record

FEATURES: dict[str, str] = {
    "labels": "image labels",
    "labels.state": "absent and uncertain image labels",
    "labels.score": "scores of image labels",
    "labels.provenance": "provenance of image labels",
    "boxes": "objects known by a box",
    "instances": "objects known by their pixels",
    "instances.box": "a box stated beside the pixels",
    "instances.polygons": "masks that stay polygons",
    "instances.rle": "masks that stay RLEs",
    "instances.overlap": "masks that overlap",
    "semantic": "semantic maps",
    "semantic.ignore": "pixels to be ignored",
    "semantic.provenance": "provenance of semantic maps",
    "panoptic": "panoptic segments",
    "objects.stuff": "objects of stuff classes",
    "objects.crowd": "crowd",
    "objects.difficult": "difficult",
    "objects.truncated": "truncated",
    "objects.occluded": "occluded",
    "objects.pose": "pose",
    "objects.score": "score",
    "objects.attributes": "attributes",
    "objects.parts": "parts",
    "objects.uid": "uid",
    "objects.provenance": "provenance",
    "categories.supercategory": "supercategory",
    "categories.thing": "thing or stuff",
    "categories.colour": "colour",
    "splits": "splits",
    "order": "the order of the images",
    "raw": "the native text of every format",
}


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against a format, in words a user can read.

    strength: 0 says that it is not this format, 1 that it could be, 2 that it is.
    """

    strength: int
    reason: str


@dataclass(frozen=True)
class Part:
    """A piece of a data set that can be read apart.

    key: what the reader needs to find it (it pickles). start: the ordinal of its first record.
    count: how many records it has, or 0 if only reading tells.
    """

    key: Any
    start: int
    count: int = 0


class Parcel(NamedTuple):
    """Things to look at that another process can make: make(*arguments) yields them. It pickles small.

    The first argument is the same object for all parcels of a data set, such as the reader: a process
    unpickles it once.
    """

    make: Callable[..., Iterator[object]]
    arguments: tuple[Any, ...]


class Total(NamedTuple):
    """How much there is to look at, for whoever waits.

    images: of the data set. entries: those of all its files together, where several describe an image.
    """

    images: int
    entries: int


def total_of(parts: Sequence[Part]) -> Iterator[Total]:
    """What parts have together, where each says it."""
    if all(part.count for part in parts):
        count = sum(part.count for part in parts)
        yield Total(count, count)


class Reader(Protocol):
    """An open data set. It pickles small: path, options, header.

    notes: what was assumed. readers raise FormatError for what makes the whole set unreadable.
    """

    @property
    def header(self) -> Header: ...
    @property
    def notes(self) -> Sequence[Finding]: ...
    def parts(self) -> Sequence[Part]: ...
    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        """The records of a part, in order; a broken one as its error; oddities as findings."""
        ...

    def image_file(self, record: Record) -> Path | None:
        """Where the image of a record lies, or None if there is no such file."""
        ...


class Writer(Protocol):
    """A data set being written into an empty folder (or, where a format can, into one file).

    Parts may be written by different processes; ``finish`` orders, numbers and joins what must be joined.
    """

    def image_path(self, record: Record) -> str | None:
        """Where the image of a fitted record belongs, below the root; None where it has no place."""
        ...

    def write(self, part: int, records: Iterable[Record]) -> None: ...
    def finish(self) -> None: ...


@dataclass(frozen=True)
class Target:
    """What records are fitted to: a format, the fitted header, and the format's own options.

    asked: the label types that were made because the user asked for them: they are written also where the
    objects imply them.
    """

    format: Format
    header: Header
    options: Mapping[str, Any] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()


def _same_header(header: Header, options: Mapping[str, Any], tell: Tell) -> Header:
    return header


def _never(record: Record) -> bool:
    return False


def _no_extras(raw: Any) -> Collection[str]:
    return ()


@dataclass(frozen=True)
class Format:
    """A file format.

    carries: the features (keys of ``FEATURES``) that survive writing and reading back; all else is dropped
        by ``fit`` before ``adjust`` sees the record.
    detect: evidence for or against a path.
    open: ``open(path, *, images_dir=None, **options) -> Reader``; the keyword options are the command
        line's ``--NAME-OPTION``, with their types and defaults.
    create: ``create(root, header, **options) -> Writer``; root is an empty folder, or the path of a file
        to be made if ``file_suffix`` is given and the destination has it.
    adjust: ``adjust(record, target, ordinal, tell)`` gives the nearest record that the format can hold, and
        tells each value that it changed, dropped or derived. ordinal: the record's place in its data set.
    adjust_header: the same for the header, once.
    extras: the kinds of labels, by name, that a value of ``raw`` of this format holds and no type of the
        model does (keypoints, captions, actions): what another target loses is told by these names.
    image_suffixes: what the official tools look for; empty if they take any image.
    official: the class tables of its official data sets, by their title.
    confirms: whether the file of a record says that somebody looked at its image, so that an image without
        labels is one on which there is nothing; without it only a label says so, an absent one too.
    inspect: ``inspect(path, *, images_dir=None, **options)`` yields all that a data set is made of,
        however broken it is, for rules to look at: the header, raw documents, tables of objects, records,
        files of images and of maps, errors, and parcels of such things; and before, where it is known, the
        ``Total``. None: what the reader gives.
    """

    name: str
    title: str
    carries: frozenset[str]
    detect: Callable[[Path], Evidence]
    open: Callable[..., Reader]
    create: Callable[..., Writer]
    adjust: Callable[[Record, Target, int, Tell], Record]
    adjust_header: Callable[[Header, Mapping[str, Any], Tell], Header] = _same_header
    extras: Callable[[Any], Collection[str]] = _no_extras
    file_suffix: str | None = None
    image_suffixes: tuple[str, ...] = ()
    official: Mapping[str, frozenset[str]] = field(default_factory=dict)
    confirms: Callable[[Record], bool] = _never
    inspect: Callable[..., Iterator[object]] | None = None


@cache
def formats() -> dict[str, Format]:
    """Every format by name: the modules of this folder, then installed entry points."""
    found: dict[str, Format] = {}
    for module in sorted(info.name for info in iter_modules(__path__)):
        if not module.startswith("_"):
            found[module] = import_module(f"{__name__}.{module}").FORMAT
    for point in entry_points(group="labelkit.formats"):
        try:
            found.setdefault(point.name, point.load())
        except Exception as error:  # whatever another package may raise
            raise UsageError(
                f"plug-in {point.value}", f"cannot be loaded ({error})", "", "mend or uninstall it"
            ) from error
    return found


def get_format(name: str) -> Format:
    """The format of that name. Raises UsageError that lists the names there are."""
    known = formats()
    if name.lower() in known:
        return known[name.lower()]
    expected = f"one of {', '.join(known)}"
    raise UsageError(f"format {name!r}", "no such format", expected, near(name.lower(), known))


def detect(path: Path) -> dict[str, Evidence]:
    """The evidence of every format for a path, strongest first."""
    evidence = {name: item.detect(path) for name, item in formats().items()}
    return dict(sorted(evidence.items(), key=lambda pair: -pair[1].strength))

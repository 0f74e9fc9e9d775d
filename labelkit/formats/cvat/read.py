"""Reading CVAT for images: one pass for where its images stand, then image by image."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from labelkit.errors import RecordError
from labelkit.findings import Finding
from labelkit.formats import Part
from labelkit.formats._xml import XmlError, parse
from labelkit.formats.cvat.document import GAP, Scan, Span, header_of, scan
from labelkit.formats.cvat.image import NAME, Place, Said, maps_of, read_image
from labelkit.formats.cvat.layout import file_of, image_file
from labelkit.model import Header, Image, Record

PART = 500


class Facts(NamedTuple):
    """What is said once. declares: whether the file lists its labels, so that no shape can have another."""

    header: Header
    notes: tuple[Finding, ...]
    declares: bool


def open_set(path: Path, *, images_dir: Path | None = None) -> CvatReader:
    """Open a folder with ``annotations.xml``, or the file itself.

    Raises FormatError: no XML, the annotations of a video, or labels that cannot be known.
    """
    return CvatReader(Path(path), images_dir)


class CvatReader:
    """A CVAT data set. Its parts are 500 images; what is said once travels with it when it is pickled."""

    def __init__(self, path: Path, images_dir: Path | None, facts: Facts | None = None) -> None:
        self.path = path
        self.images_dir = images_dir
        self.file = file_of(path)
        self.facts = facts or self._look()

    def __reduce__(self) -> tuple[Any, ...]:
        # Packed, for the head says the same of every label: megabytes where there are a thousand.
        return _unpacked, (self.path, self.images_dir, zlib.compress(pickle.dumps(self.facts)))

    def _look(self) -> Facts:
        header, notes = header_of(self.file, self._scan)
        return Facts(header, tuple(notes), "used" not in header.raw[NAME])

    @cached_property
    def _scan(self) -> Scan:
        return scan(self.file)

    @property
    def header(self) -> Header:
        """The labels, in the order of the file."""
        return self.facts.header

    @property
    def notes(self) -> Sequence[Finding]:
        """What was assumed."""
        return self.facts.notes

    @cached_property
    def names(self) -> list[str]:
        """The classes, in order."""
        return [category.name for category in self.header.categories]

    @cached_property
    def known(self) -> frozenset[str] | None:
        """The classes that are declared; None where any will do."""
        return frozenset(self.names) if self.facts.declares else None

    def parts(self) -> Sequence[Part]:
        """The images in the order of the file, 500 a part."""
        spans = self._scan.spans
        return [
            Part(piece, start, len(piece))
            for start in range(0, len(spans), PART)
            for piece in [tuple(spans[start : start + PART])]
        ]

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        """The records of a part, in order; a broken one as its error."""
        with self.file.open("rb") as stream:
            for span in part.key:
                try:
                    yield from self._record(stream, span)
                except RecordError as error:
                    yield error

    def image_file(self, record: Record) -> Path | None:
        """Where the image of a record lies. Raises OutsideLinkError: through a link out of its folder."""
        return image_file(self.path, self.images_dir, record)

    def _record(self, stream: BinaryIO, span: Span) -> Iterator[Record | Finding]:
        gap, data = image_bytes(stream, span)
        place = self.place(span, data)
        try:
            said = read_image(parse(data), place, self.known)
        except XmlError as error:  # the file changed since it was looked through
            shown = f"{place.file}:{place.line}"
            raise RecordError(shown, str(error), "an <image>", code=error.code) from None
        if span.twice:
            raise place.repeated(said.path)
        for number, item in enumerate(said.objects, 1):
            if item.turned:
                text = f"a box turned by {item.turned:g} degrees is read as the polygon of its corners"
                yield Finding("NOTE03", f"{said.path}:object {number}", text)
        yield self.record_of(said, gap, data)

    def place(self, span: Span, data: bytes) -> Place:
        """Where an image stands. data: its bytes."""
        return Place(str(self.file), self.file.name, span.line, span.start, data)

    def record_of(self, said: Said, gap: bytes, data: bytes) -> Record:
        """The record of an image. gap: what stands before it."""
        own = {"xml": data.decode()} | ({} if gap == GAP else {"gap": gap.decode()})
        return Record(
            image=Image(path=said.path, width=said.width, height=said.height),
            splits=said.splits,
            labels=tuple(label.item for label in said.labels),
            objects=tuple(item.item for item in said.objects),
            maps=dict(maps_of(said, self.names)),
            raw={NAME: own},
        )


def _unpacked(path: Path, images_dir: Path | None, facts: bytes) -> CvatReader:
    """A reader that was pickled."""
    return CvatReader(path, images_dir, pickle.loads(zlib.decompress(facts)))  # noqa: S301 (our own bytes)


def image_bytes(stream: BinaryIO, span: Span) -> tuple[bytes, bytes]:
    """What stands before an image, and its own bytes."""
    stream.seek(span.gap)
    data = stream.read(span.end - span.gap)
    return data[: span.start - span.gap], data[span.start - span.gap :]

"""Reading Cityscapes: the frames of a folder, in parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from labelkit.errors import FormatError, LabelkitError, RecordError, UsageError
from labelkit.findings import Finding
from labelkit.formats import Part
from labelkit.formats.cityscapes.frame import FrameReader, Truth, first_line
from labelkit.formats.cityscapes.layout import Frame, TypeOption, frames_of, open_folder
from labelkit.formats.cityscapes.pngs import OF_CLASSES, OF_OBJECTS, TRAIN_KINDS, first_of
from labelkit.formats.cityscapes.scene import Rule
from labelkit.formats.cityscapes.table import CATEGORIES
from labelkit.model import Header, Record

PART = 50


class CityscapesReader:
    """An open data set: one of its annotation folders (gtFine or gtCoarse)."""

    header = Header(categories=CATEGORIES)

    def __init__(
        self,
        path: Path,
        images_dir: Path | None,
        type: TypeOption,
        truth: Truth,
        raster: Rule,
    ) -> None:
        for name, value, allowed in (
            ("type", type, TypeOption), ("truth", truth, Truth), ("raster", raster, Rule)
        ):  # fmt: skip
            if value not in get_args(allowed):
                raise UsageError(
                    f"--cityscapes-{name}", repr(value), f"one of {', '.join(get_args(allowed))}"
                )
        self.path = path
        self.images_dir = images_dir
        self.asked = type
        self.truth: Truth = truth
        self.raster: Rule = raster
        self.folder, self._assumed = open_folder(path, type, images_dir)

    def __reduce__(self) -> tuple[Any, ...]:
        return CityscapesReader, (self.path, self.images_dir, self.asked, self.truth, self.raster)

    @cached_property
    def notes(self) -> Sequence[Finding]:
        """Which type was chosen, what train ids and colours mean, and which files are not understood."""
        frames, unread = self._files
        notes = [*self._assumed, *_unsure(str(self.folder.path), frames)]
        if unread:
            text = f"{len(unread)} files are not understood and left out, such as {unread[0]}"
            notes.append(Finding("NOTE01", str(self.folder.path), text, count=len(unread)))
        return notes

    @cached_property
    def _files(self) -> tuple[list[Frame], list[str]]:
        return frames_of(self.folder.path, self.folder.type)

    @property
    def frames(self) -> list[Frame]:
        """Every frame that has a file, sorted. Raises FormatError where there is none."""
        frames, _ = self._files
        if not frames:
            raise FormatError(
                str(self.folder.path),
                "no annotation files",
                f"<split>/<city>/<city>_<sequence>_<frame>_{self.folder.type}_polygons.json or its PNGs",
            )
        return frames

    @property
    def unread(self) -> list[str]:
        """The files of the folder that belong to no frame."""
        return self._files[1]

    def parts(self) -> Sequence[Part]:
        """Fifty frames at a time."""
        frames = self.frames
        pieces = [tuple(frames[i : i + PART]) for i in range(0, len(frames), PART)]
        return [Part(piece, number * PART, len(piece)) for number, piece in enumerate(pieces)]

    def read(self, part: Part) -> Iterator[Record | RecordError | Finding]:
        """The frames of a part, each after the findings about it."""
        for frame in part.key:
            yield from self._read_frame(frame)

    def _read_frame(self, frame: Frame) -> Iterator[Record | RecordError | Finding]:
        found: list[Finding] = []
        try:
            yield FrameReader(self.folder, self.truth, self.raster, frame, found).record()
        except LabelkitError as error:
            yield RecordError(error.place, error.found, error.expected, error.advice, code=error.code)
        except (ValueError, OSError) as error:  # pydantic's among them
            yield RecordError(f"{frame.split}/{frame.city}/{frame.core}", first_line(error))
        yield from found

    def image_file(self, record: Record) -> Path | None:
        """The image: in images_dir, in leftImg8bit beside the annotations, or among them."""
        return self.folder.image(record.image.path)


def _unsure(place: str, frames: Sequence[Frame]) -> list[Finding]:
    """What is assumed where only train ids or colours are there: they say less than class ids do."""
    bare = [frame.kinds for frame in frames if "polygons" not in frame.kinds]
    classes = Counter(first_of(OF_CLASSES, kinds) for kinds in bare)
    objects = Counter(first_of(OF_OBJECTS, kinds) for kinds in bare)
    trained = sum(classes[kind] for kind in TRAIN_KINDS)
    texts = {
        "classes from train ids only: 255 is every class that is not trained on, and to be ignored": trained,
        "objects from train ids only: caravans and trailers are none": objects["instanceTrainIds"],
        "classes from colours only: black, and the grey of pole and polegroup, say none": classes["color"],
    }
    return [Finding("NOTE01", place, f"{n} frames have {text}", count=n) for text, n in texts.items() if n]

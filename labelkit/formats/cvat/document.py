"""``annotations.xml`` as a whole: where its images stand, and what is said once for all of them.

The file is looked through in one pass, chunk by chunk; what is kept of an image is where it stands. What
stands before the first image is the head (with the labels in ``<meta>``), what stands behind the last is the
tail. Videos (``<track>``) are another format: their objects have no images of their own.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.parsers.expat import ExpatError, ParserCreate

from labelkit.errors import FormatError
from labelkit.findings import Finding, Location
from labelkit.formats._files import brief, map_bytes
from labelkit.formats._xml import Element, XmlError, parse
from labelkit.formats.cvat.image import KINDS
from labelkit.formats.cvat.shapes import SHAPES
from labelkit.model import Category, Header

ROOT = "annotations"
CLOSE = b"</annotations>"
GAP = b"\n  "  # what CVAT writes between two images
TAIL = b"\n</annotations>\n"

_CHUNK = 1 << 20
_LONGEST = 4  # bytes of a character
_LABELLED = frozenset({*SHAPES, *KINDS, "tag"})
_TAG = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""")
_COLOUR = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")


class Span(NamedTuple):
    """Where an image stands.

    gap: where what is before it starts. twice: whether an image before it has its name.
    """

    gap: int
    start: int
    end: int
    line: int
    twice: bool


@dataclass(frozen=True)
class Scan:
    """What one pass over the file found. head, tail: as bytes. used: the labels of shapes, as they come."""

    spans: list[Span]
    head: bytes
    tail: bytes
    used: list[str]


def scan(path: Path) -> Scan:
    """Look through the file. Raises FormatError: it is no XML, has a DTD, or is no CVAT for images."""
    data = map_bytes(path)
    found = _Scanner(path, data)
    try:
        for start in range(0, len(data), _CHUNK):
            found.parser.Parse(data[start : start + _CHUNK], False)
        found.parser.Parse(b"", True)
    except ExpatError as error:
        raise _refusal(path, data, error, found.parser.ErrorByteIndex) from None
    finally:  # the handlers know the parser: without this only the garbage collector frees them
        found.parser.StartElementHandler = found.parser.EndElementHandler = None
        found.parser.StartDoctypeDeclHandler = None
    spans = found.spans
    head_end = spans[0].gap if spans else found.last
    tail = spans[-1].end if spans else found.last
    return Scan(spans, bytes(data[:head_end]), bytes(data[tail:]), list(found.used))


def _refusal(path: Path, data: memoryview, error: ExpatError, offset: int) -> FormatError:
    """Why a file is no XML. offset: the byte at which it is none."""
    text, code = f"not well-formed XML ({error})", "STR101"
    decoder = getincrementaldecoder("utf-8")()
    try:
        decoder.decode(bytes(data[offset : offset + _LONGEST]))  # which may end inside a character
    except UnicodeDecodeError as fault:
        text, code = f"not UTF-8 at byte {offset + fault.start}", "STR111"
    at = Location(path.name, line=error.lineno, offset=offset)
    return FormatError(f"{path}:{error.lineno}", text, "XML in UTF-8 as CVAT writes it", code=code, at=at)


class _Scanner:
    """Handlers of one pass. last: where the last element of the outermost ended, or its own tag."""

    def __init__(self, path: Path, data: memoryview) -> None:
        self.path = path
        self.data = data
        self.spans: list[Span] = []
        self.used: dict[str, None] = {}
        self.last = 0
        self._depth = 0
        self._opened = (0, 0, "", "")  # of the element below the outermost: byte, line, tag, name
        self._names: set[str] = set()
        self.parser = ParserCreate("utf-8")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        byte, line = self.parser.CurrentByteIndex, self.parser.CurrentLineNumber
        if self._depth == 0:
            if tag != ROOT:
                raise self._error(f"<{brief(tag)[1:-1]}>", f"<{ROOT}>, as CVAT writes it")
            self.last = self._after(byte)
        elif self._depth == 1:
            if tag == "track":
                advice = "export it as 'CVAT for images 1.1'"
                raise self._error("a <track>: annotations of a video", "CVAT for images", advice)
            self._opened = (byte, line, tag, attributes.get("name", ""))
        elif self._depth == 2 and tag in _LABELLED and self._opened[2] == "image":
            self.used.setdefault(attributes.get("label", ""))
        self._depth += 1

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._depth != 1:
            return
        start, line, tag, name = self._opened
        end = self._after(start)
        if self.data[end - 2] != ord("/"):  # a tag <image/> is its own end
            end = self._after(self.parser.CurrentByteIndex)
        if tag == "image":
            self.spans.append(Span(self.last, start, end, line, name in self._names))
            self._names.add(name)
            self.last = end
        elif not self.spans:
            self.last = end

    def _after(self, byte: int) -> int:
        """Where the tag ends that starts at a byte."""
        found = _TAG.match(self.data, byte)
        assert found is not None  # expat found a tag here
        return found.end()

    def _doctype(self, *_: object) -> None:
        raise self._error("a DTD, which may define entities", "none", "remove the DOCTYPE", code="STR107")

    def _error(self, found: str, expected: str, advice: str = "", *, code: str = "") -> FormatError:
        line = self.parser.CurrentLineNumber
        at = Location(self.path.name, line=line, offset=self.parser.CurrentByteIndex)
        return FormatError(f"{self.path}:{line}", found, expected, advice, code=code, at=at)


# --- the labels --------------------------------------------------------------------------------------------


def head_tree(head: bytes) -> tuple[bytes, Element]:
    """A head as a document of its own, and its root. Raises ValueError where it is none."""
    data = head + CLOSE
    return data, parse(data)


def labels_of(root: Element) -> Element | None:
    """The ``<labels>`` of a task, a project or a job."""
    for meta in root.children:
        if meta.tag == "meta":
            for holder in (meta, *meta.children):
                if (labels := holder.find("labels")) is not None:
                    return labels
    return None


def declared(labels: Element) -> Iterator[Element]:
    """The labels that are classes. The points of a skeleton are labels of CVAT too, with a parent."""
    return (label for label in labels.children if label.tag == "label" and not label.word("parent"))


def colour_of(label: Element) -> tuple[int, int, int] | None:
    """The colour of a label; None where it has none, or one that is no ``#rrggbb``."""
    found = _COLOUR.fullmatch(label.word("color"))
    return (int(found[1], 16), int(found[2], 16), int(found[3], 16)) if found else None


def header_of(path: Path, found: Scan) -> tuple[Header, list[Finding]]:
    """The header, and what was assumed. Raises FormatError: a label has no name, or two have the same."""
    own: dict[str, object] = {"head": found.head.decode(), "tail": found.tail.decode()}
    try:
        _, root = head_tree(found.head)
    except XmlError as error:  # what is between its elements may be anything
        raise FormatError(str(path), str(error), "XML as CVAT writes it", code=error.code) from None
    labels = labels_of(root)
    if labels is None:
        used = [name for name in found.used if name]
        own["used"] = used
        note = Finding("NOTE01", str(path), "no <labels> in <meta>: the classes are those that shapes have")
        return Header(categories=tuple(Category(name=name) for name in used), raw={"cvat": own}), [note]
    categories: dict[str, Category] = {}
    for number, label in enumerate(declared(labels), 1):
        name = label.value("name") or ""
        place = f"{path}:label {number}"
        if not name:
            raise FormatError(place, "a label without a name", "a <name>", code="CAT102")
        if name in categories:
            expected, advice = "names once each", "rename one"
            raise FormatError(place, f"label {brief(name)} twice", expected, advice, code="CAT101")
        categories[name] = Category(name=name, colour=colour_of(label))
    return Header(categories=tuple(categories.values()), raw={"cvat": own}), []

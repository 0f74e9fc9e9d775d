"""XML with places: a tree whose elements know where they stand in the bytes, and edits of those bytes.

A native annotation is changed where a value changed, and nowhere else; so elements keep byte offsets. No
DTD is accepted, and so no entity but XML's own five: expat tells of a DTD before it reads what is in it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from xml.parsers.expat import ExpatError, ParserCreate

_UNDEFINED_ENTITY = 11  # expat's XML_ERROR_UNDEFINED_ENTITY
# What XML 1.0 can hold at all (its production Char).
_XML = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
_START_TAG = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""")
Edit = tuple[int, int, bytes]


class Element:
    """An element; text is that of its leaves only. start, close: the offsets of its two tags."""

    __slots__ = ("attributes", "children", "close", "start", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str], start: int) -> None:
        self.tag = tag
        self.attributes = attributes
        self.start = start
        self.close = start
        self.text = ""
        self.children: list[Element] = []

    def find(self, tag: str) -> Element | None:
        """The first child of that name."""
        for child in self.children:
            if child.tag == tag:
                return child
        return None

    def value(self, tag: str) -> str | None:
        """The text of the first child of that name, as it stands; None if there is no such child."""
        child = self.find(tag)
        return None if child is None else child.text

    def word(self, tag: str) -> str:
        """The same without the space around it; "" if there is no such child."""
        return (self.value(tag) or "").strip()


class XmlError(ValueError):
    """Why bytes are no annotation. code: the rule that tells it. offset: the byte, line: from 1."""

    def __init__(self, message: str, code: str, offset: int, line: int) -> None:
        super().__init__(message)
        self.code = code
        self.offset = offset
        self.line = line


def parse(data: bytes) -> Element:
    """The root of an XML file in UTF-8.

    Raises XmlError: not UTF-8 (with the byte), not well-formed (with line and column), or a DTD.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = line_of(data, error.start)
        raise XmlError(f"not UTF-8 at byte {error.start}", "STR111", error.start, line) from None
    parser = ParserCreate("utf-8")
    parser.buffer_text = True
    top = Element("", {}, 0)
    stack = [top]

    def opened(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, parser.CurrentByteIndex)
        stack[-1].children.append(element)
        stack.append(element)

    def closed(tag: str) -> None:
        stack.pop().close = parser.CurrentByteIndex

    def said(text: str) -> None:
        element = stack[-1]
        if not element.children:
            element.text += text

    def doctype(*_: object) -> None:
        found = "a DTD, which may define entities; remove the DOCTYPE"
        raise XmlError(found, "STR107", parser.CurrentByteIndex, parser.CurrentLineNumber)

    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = said
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except ExpatError as error:
        code = "STR107" if error.code == _UNDEFINED_ENTITY else "STR101"
        found = f"not well-formed XML ({error})"
        raise XmlError(found, code, parser.ErrorByteIndex, error.lineno) from None
    finally:  # the handlers know the parser: without this only the garbage collector frees them
        parser.StartElementHandler = parser.EndElementHandler = None
    return top.children[0]


@lru_cache(maxsize=8)
def shared_tree(data: bytes) -> Element:
    """``parse``, remembered for whoever looks at the same bytes next; nobody changes a tree."""
    return parse(data)


def line_of(data: bytes, offset: int) -> int:
    """The line of a byte, from 1."""
    return data.count(b"\n", 0, offset) + 1


# --- edits ------------------------------------------------------------------------------------------------


def span(data: bytes, element: Element) -> tuple[int, int, int, int]:
    """Where an element starts, its content starts, its content ends, and it ends."""
    tag = _START_TAG.match(data, element.start)
    if tag is None:  # expat found a tag here
        raise ValueError(f"no tag at byte {element.start}")
    if tag[0].endswith(b"/>"):
        return element.start, tag.end(), tag.end(), tag.end()
    return element.start, tag.end(), element.close, data.index(b">", element.close) + 1


def apply(data: bytes, edits: list[Edit], start: int = 0, end: int | None = None) -> bytes:
    """The bytes from start to end with the edits in them done; edits do not overlap."""
    pieces = []
    position = start
    for first, last, new in sorted(edits, key=lambda edit: edit[:2]):
        pieces += [data[position:first], new]
        position = last
    pieces.append(data[position : len(data) if end is None else end])
    return b"".join(pieces)


def replaced(data: bytes, element: Element, text: str) -> Edit:
    """The edit that gives a leaf another text."""
    start, first, last, end = span(data, element)
    if first == end:  # <tag/>
        return start, end, leaf(element.tag, text).encode()
    return first, last, escaped(text).encode()


def removed(data: bytes, element: Element) -> Edit:
    """The edit that takes an element away, with the space before it."""
    start, _, _, end = span(data, element)
    return len(data[:start].rstrip()), end, b""


def space_before(data: bytes, element: Element) -> bytes:
    """The line break and the indentation before an element."""
    return data[len(data[: element.start].rstrip()) : element.start]


def appended(data: bytes, parent: Element, text: bytes) -> Edit:
    """The edit that adds bytes after a parent's last child. The parent must not be <tag/>."""
    _, first, last, _ = span(data, parent)
    end = span(data, parent.children[-1])[3] if parent.children else max(first, len(data[:last].rstrip()))
    return end, end, text


def reseated(
    data: bytes, parent: Element, seats: list[Element], texts: list[bytes], gap: bytes
) -> list[Edit]:
    """The edits that put texts in the places of some children, one after the other.

    Seats that are left over go; texts that are left over follow the last seat, each after a gap.
    """
    edits: list[Edit] = []
    for seat, text in zip(seats, texts, strict=False):
        start, _, _, end = span(data, seat)
        if data[start:end] != text:
            edits.append((start, end, text))
    edits += [removed(data, seat) for seat in seats[len(texts) :]]
    more = b"".join(gap + text for text in texts[len(seats) :])
    if more and seats:
        end = span(data, seats[-1])[3]
        edits.append((end, end, more))
    elif more:
        edits.append(appended(data, parent, more))
    return edits


def leaf(tag: str, text: str) -> str:
    """A leaf as text, never self-closed: the devkit's reader knows no such tags."""
    return f"<{tag}>{escaped(text)}</{tag}>"


def escaped(text: str) -> str:
    """A text between tags. A carriage return is escaped, for a parser would make it a line feed."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def quoted(text: str) -> str:
    """A text as the value of an attribute, with its quotes. A parser would make spaces of line breaks."""
    text = escaped(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return f'"{text}"'


def writable(text: str) -> bool:
    """Whether XML can hold a text."""
    return _XML.fullmatch(text) is not None

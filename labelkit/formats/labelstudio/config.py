"""The labelling configuration: the control tags of a project, and the classes and colours that they list.

Controls are told apart by their *kind*: the type of the regions that they make, and ``semantic`` for the
brush whose regions are the pixels of classes and not of objects (it is told by its name).
Facts: labelstud.io/tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

from labelkit.errors import FormatError
from labelkit.model import Category

Colour = tuple[int, int, int]
Said = tuple[str, Colour | None]  # a class and its colour

SEMANTIC = "semantic"
IGNORE = "(ignore)"  # the label of the semantic brush for pixels that are to be left out
_TAGS = {
    "rectanglelabels": "RectangleLabels",
    "polygonlabels": "PolygonLabels",
    "brushlabels": "BrushLabels",
    SEMANTIC: "BrushLabels",
    "choices": "Choices",
}
KINDS = tuple(_TAGS)
_NAMES = {
    "rectanglelabels": "box",
    "polygonlabels": "polygon",
    "brushlabels": "mask",
    SEMANTIC: SEMANTIC,
    "choices": "label",
}
_SPECIAL = re.compile('[&<>"\t\n\r]')
_HEX = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_XML = re.compile("[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")


@dataclass(frozen=True)
class Control:
    """A control tag: one of KINDS, its name, and the name of the image that it labels."""

    kind: str
    name: str
    to_name: str


@dataclass(frozen=True)
class Config:
    """What a configuration says.

    key: under which ``data`` names the image. one: whether choices of classes are single ones. text: the
    native text, if there is one.
    """

    controls: tuple[Control, ...] = ()
    image: str = "image"
    key: str = "image"
    classes: tuple[Said, ...] = ()
    one: bool = False
    text: str | None = None

    def control(self, kind: str) -> Control:
        """The first control of a kind, or the one that is made where there is none."""
        found = next((known for known in self.controls if known.kind == kind), None)
        if found:
            return found
        name, taken = _NAMES[kind], {known.name for known in self.controls}
        while name in taken:
            name += "2"
        return Control(kind, name, self.image)

    def of(self, name: object, kind: str) -> Control | None:
        """The control of that name and kind."""
        return next((known for known in self.controls if (known.name, known.kind) == (name, kind)), None)


def kind_of(type: object, name: object) -> str:
    """The kind of the control that made a region, or "" where it is none of KINDS."""
    if type == "brushlabels" and name == SEMANTIC:
        return SEMANTIC
    return type if isinstance(type, str) and type in _TAGS else ""


def writable(name: str) -> bool:
    """Whether a configuration can list a class of that name: XML has no control characters."""
    return name != IGNORE and _XML.fullmatch(name) is not None


def said_by(categories: Sequence[Category]) -> tuple[Said, ...]:
    """Names and colours."""
    return tuple((category.name, category.colour) for category in categories)


# --- reading -----------------------------------------------------------------------------------------------


class _DtdError(ValueError):
    """A DTD, which may define entities."""


def parse(data: bytes, path: Path) -> Config:
    """The configuration of some XML. Raises FormatError: no XML in UTF-8, or with a DTD."""
    seen = _Seen()
    try:
        text = data.decode("utf-8-sig")
        _walk(text.encode(), seen)
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}:byte {error.start}", "not UTF-8", "UTF-8 text", code="STR111") from None
    except _DtdError:
        raise FormatError(str(path), "a DTD", "none", "remove the DOCTYPE", code="STR107") from None
    except ExpatError as error:
        found = f"not well-formed XML ({error})"
        raise FormatError(f"{path}:{error.lineno}", found, "a configuration", code="STR101") from None
    return replace(seen.config(), text=text)


def _walk(data: bytes, seen: _Seen) -> None:
    parser = ParserCreate("utf-8")

    def doctype(*_: object) -> None:
        raise _DtdError

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = seen.opened
    parser.EndElementHandler = seen.closed
    try:
        parser.Parse(data, True)
    finally:  # the handlers know the parser: without this only the garbage collector frees them
        parser.StartElementHandler = parser.EndElementHandler = None


class _Seen:
    """What was seen of a configuration so far."""

    def __init__(self) -> None:
        self.controls: list[Control] = []
        self.classes: dict[str, Colour | None] = {}
        self.image: tuple[str, str] | None = None
        self.many = False
        self.open: list[Control | None] = []

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        control = self._control(tag, attributes)
        if tag == "Image" and self.image is None:
            self.image = attributes.get("name", "image"), attributes.get("value", "").removeprefix("$")
        elif tag in ("Label", "Choice"):
            self._label(attributes)
        if control is not None:
            self.controls.append(control)
            self.many |= control.kind == "choices" and attributes.get("choice") == "multiple"
        self.open.append(control)

    def closed(self, tag: str) -> None:
        self.open.pop()

    def _control(self, tag: str, attributes: dict[str, str]) -> Control | None:
        type = tag.lower()
        name, to_name = attributes.get("name"), attributes.get("toName")
        kind = kind_of(type, name)
        if not kind or not name or not to_name or attributes.get("perRegion") == "true":
            return None
        return Control(kind, name, to_name.split(",")[0])

    def _label(self, attributes: dict[str, str]) -> None:
        control = next((known for known in reversed(self.open) if known is not None), None)
        name = attributes.get("alias") or attributes.get("value")
        if control is None or not name or (control.kind == SEMANTIC and name == IGNORE):
            return
        colour = _colour(attributes.get("background") or attributes.get("color") or "")
        self.classes[name] = self.classes.get(name) or colour

    def config(self) -> Config:
        image, key = self.image or ("image", "image")
        one = not self.many and any(control.kind == "choices" for control in self.controls)
        return Config(tuple(self.controls), image, key or "image", tuple(self.classes.items()), one)


def _colour(text: str) -> Colour | None:
    """A colour by its hexadecimal digits or its CSS name; None where it is said otherwise."""
    found = _HEX.fullmatch(text.strip())
    if found is None:
        from PIL.ImageColor import colormap

        known = colormap.get(text.strip().lower())
        return _colour(known) if isinstance(known, str) else None
    digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


# --- writing -----------------------------------------------------------------------------------------------


def write(native: Config, classes: Sequence[Said], kinds: Collection[str], *, many: bool) -> str:
    """A configuration with these classes and with controls of these kinds at least.

    native: what the data set had; its text stays, with further controls before its end, where it still says
    these classes. many: whether some image has several classes.
    """
    wanted = {control for kind in KINDS if kind in kinds for control in [native.control(kind)]}
    new = sorted(wanted - set(native.controls), key=lambda control: KINDS.index(control.kind))
    draw = _drawing(classes, many=many)
    text = native.text
    if text is not None and native.classes == tuple(classes) and not (many and native.one):
        end = text.rfind("</View>")
        if not new or end >= 0:
            added = "".join(draw(control) for control in new)
            return f"{text[:end]}{added}{text[end:]}" if added else text
    controls = [*native.controls, *new] or [native.control("rectanglelabels")]
    image = f'  <Image name="{_escaped(native.image)}" value="${_escaped(native.key)}"/>\n'
    return f"<View>\n{image}{''.join(map(draw, controls))}</View>\n"


def _drawing(classes: Sequence[Said], *, many: bool) -> Callable[[Control], str]:
    """What writes a control with these classes."""

    def draw(control: Control) -> str:
        item, shade = ("Choice", "color") if control.kind == "choices" else ("Label", "background")
        said = [*classes, (IGNORE, None)] if control.kind == SEMANTIC else [*classes]
        lines = [f'    <{item} value="{_escaped(name)}"{_shade(shade, colour)}/>\n' for name, colour in said]
        choice = f' choice="{"multiple" if many else "single"}"' if control.kind == "choices" else ""
        names = f'name="{_escaped(control.name)}" toName="{_escaped(control.to_name)}"'
        tag = _TAGS[control.kind]
        return f"  <{tag} {names}{choice}>\n{''.join(lines)}  </{tag}>\n"

    return draw


def _shade(attribute: str, colour: Colour | None) -> str:
    return "" if colour is None else f' {attribute}="#{bytes(colour).hex()}"'


def _escaped(text: str) -> str:
    """A text in double quotes; white space but the space is escaped, for a parser would make it one."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", text)

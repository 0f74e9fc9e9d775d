"""A report as one HTML file that needs nothing else: no network, no script to be read, no font.

Whoever opens it may be offline, and what it shows may be hostile: names of classes and files. Every word that
is not ours goes through ``text``, and the page's Content-Security-Policy forbids what it does not carry; its
script is allowed by its hash. Style and script (``page.css``, ``page.js``) are put into the file.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files

import labelkit
from labelkit.outputs.words import visible


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page. title: plain text. body: HTML. lead: HTML of a line below the title."""

    title: str
    body: str
    lead: str = ""

    @property
    def anchor(self) -> str:
        """The name that links lead to."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Look:
    """What a page looks like and does: files beside this one, put together. extra: more style, of ours."""

    styles: tuple[str, ...] = ("page.css",)
    script: str = "page.js"
    extra: str = ""


PLAIN = Look()


def page(title: str, sections: Sequence[Section], *, lead: str = "") -> str:
    """A whole HTML document. title: plain text. lead: HTML below the title."""
    links = "".join(f'<a href="#{each.anchor}">{text(each.title)}</a>' for each in sections)
    nav = f'<nav aria-label="Sections">{links}</nav>'
    body = "".join(_section(each) for each in sections)
    return opening(title, lead=f"{lead}\n{nav}") + body + closing()


def opening(title: str, *, lead: str, look: Look = PLAIN) -> str:
    """A document up to where its sections begin. title: plain text. lead: HTML below the title."""
    style = "".join(map(_asset, look.styles)) + look.extra
    script = _asset(look.script)
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        '<meta name="referrer" content="no-referrer">\n',
        f'<meta name="generator" content="labelkit {labelkit.__version__}">\n',
        f'<link rel="icon" href="data:,">\n<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n',
        f'<body>\n<header class="top">\n<h1>{name(title)}</h1>\n{lead}\n</header>\n<main>\n',
    ]
    return "".join(parts)


def closing(look: Look = PLAIN) -> str:
    """A document from where its sections end."""
    return (
        f"</main>\n<footer>Made by labelkit {labelkit.__version__}.</footer>\n"
        f"<script>{_asset(look.script)}</script>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    lead = f'<p class="lead">{section.lead}</p>\n' if section.lead else ""
    anchor = section.anchor
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-title">\n'
        f'<h2 id="{anchor}-title">{text(section.title)}</h2>\n{lead}{section.body}\n</section>\n'
    )


@cache
def _asset(file: str) -> str:
    return (files("labelkit.outputs") / file).read_text("utf-8")


# --- words and numbers -------------------------------------------------------------------------------------


def text(said: object) -> str:
    """Plain text as HTML, for elements and quoted attributes."""
    return escape(visible(str(said)))


def name(said: object) -> str:
    """A name as HTML; one that is written from right to left leaves what is around it as it is."""
    return f"<bdi>{text(said)}</bdi>"


def number(value: float) -> str:
    """A number for people: whole ones with all digits, in groups; others with three; "?" for none."""
    if not math.isfinite(value):
        return "?"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def compact(value: float) -> str:
    """A number for axes, in few letters: 1,200 is 1.2k."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{letter}"
    return f"{value:.3g}"


def plural(count: int, noun: str, many: str = "") -> str:
    """How many of something, in words."""
    return f"{number(count)} {noun if count == 1 else many or noun + 's'}"


def kinds(objects: int, labels: int, maps: int) -> str:
    """How many labels of each kind there are, in words; labels: of the image."""
    counts = ((objects, "object"), (labels, "image label"), (maps, "semantic map"))
    return ", ".join(plural(count, noun) for count, noun in counts if count) or plural(0, "object")


# --- pieces of a page --------------------------------------------------------------------------------------


def cards(items: Iterable[tuple[str, str]], *, kinds: Sequence[str] = ()) -> str:
    """Figures with their labels, side by side. kinds: a class of the style sheet for each, or none."""
    made = []
    for k, (label, value) in enumerate(items):
        kind = f" {kinds[k]}" if k < len(kinds) and kinds[k] else ""
        made.append(f'<div class="card{kind}"><dt>{text(label)}</dt><dd>{text(value)}</dd></div>')
    return f'<dl class="cards">{"".join(made)}</dl>\n'


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """A table of plain values; numbers stand at the right."""
    rows = list(rows)
    said = f"<caption>{text(caption)}</caption>" if caption else ""
    right = [bool(rows) and isinstance(value, int | float) for value in (rows[0] if rows else head)]
    columns = "".join(
        f'<th scope="col"{" class=n" if is_number else ""}>{text(each)}</th>'
        for each, is_number in zip(head, right, strict=True)
    )
    body = "".join("<tr>" + "".join(_cell(each) for each in row) + "</tr>\n" for row in rows)
    return (
        f'<div class="wide"><table>{said}<thead><tr>{columns}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f'<td class="n">{number(value)}</td>'
    return f"<td>{name(value)}</td>"


def figures(plots: Iterable[str]) -> str:
    """Plots (see plots.py) side by side, as many as there is room for."""
    return f'<div class="figures">{"".join(plots)}</div>\n'


def folded(summary: str, body: str) -> str:
    """HTML that is shown when someone asks for it."""
    return f"<details><summary>{text(summary)}</summary>\n{body}</details>\n"

"""A gallery of labelled images: one HTML file to look through, sorted and filtered, that needs nothing else.

Cards are written to a file as they come, so that memory is that of one; the page is put together at the end,
when it is known which classes and scores there are.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from labelkit.drawing.colours import BLACK, Colour, ink_on
from labelkit.drawing.paint import DASHED, DOTTED, SOLID
from labelkit.outputs.cards import SIDE, Card
from labelkit.outputs.page import Look, closing, kinds, name, number, opening, plural, text

_ORDERS = (
    ("source", "order of the data set"),
    ("name", "name"),
    ("most", "most objects"),
    ("fewest", "fewest objects"),
    ("low", "lowest score"),
    ("high", "highest score"),
    ("unsure", "least certain score"),
)
_LINES = (
    (SOLID, "stated, or accepted or changed by a person"),
    (DASHED, "predicted, not yet reviewed"),
    (DOTTED, "rejected by a person"),
)


class Gallery:
    """A gallery in the making. colours: of all classes, in their order."""

    def __init__(self, cards: Path, colours: Mapping[str, Colour]) -> None:
        """cards: a file that is made for the cards on their way, and deleted by ``finish``."""
        self._cards = cards
        self._stream = cards.open("w", encoding="utf-8", newline="\n")
        self._colours = colours
        self._counts: Counter[str] = Counter()
        self._scores: list[float] = []
        self._styles: set[str] = set()
        self._images = self._objects = self._labels = self._maps = 0
        self._unscored = self._ignoring = False

    def add(self, card: Card) -> None:
        """Put an image into the gallery, after those before it."""
        self._stream.write(card.html)
        self._counts.update(card.classes)
        self._images += 1
        self._objects += card.objects
        self._labels += card.labels
        self._maps += card.maps
        known = [*self._scores, *(each for each in (card.low, card.high) if each is not None)]
        self._scores = [min(known), max(known)] if known else []
        self._unscored = self._unscored or card.unscored
        self._ignoring = self._ignoring or card.has_ignored
        self._styles |= card.styles

    def close(self) -> None:
        """Let go of the file of the cards."""
        self._stream.close()

    def finish(self, file: Path, *, title: str, notes: Sequence[str]) -> None:
        """Write the page. notes: plain text, what the gallery does not show."""
        self.close()
        said = f"{plural(self._images, 'image')}, {kinds(self._objects, self._labels, self._maps)}"
        size = f"photographs are at most {SIDE} pixels wide and high"
        lead = f'<p class="lead">{said}; {size}.</p>'
        lead += "".join(f'<p class="lead cut">{text(note)}</p>' for note in notes)
        look = Look(("page.css", "gallery.css"), "gallery.js", self._style())
        with file.open("w", encoding="utf-8", newline="\n") as page:
            page.write(opening(title, lead=lead, look=look))
            page.write(f'{self._panel()}\n<ul class="gallery" data-gallery>\n')
            with self._cards.open(encoding="utf-8") as cards:
                shutil.copyfileobj(cards, page)
            page.write(f"</ul>\n{_VIEWER}\n{closing(look)}")
        self._cards.unlink()

    def _numbered(self) -> list[tuple[int, str, Colour]]:
        """The classes that are shown, with their numbers and colours."""
        items = enumerate(self._colours.items())
        return [(number, name, colour) for number, (name, colour) in items if self._counts[name]]

    def _style(self) -> str:
        """The colour of each class, and that of words on it."""
        rows = (
            f".k{key} {{ --c: rgb{colour}; --i: {'#000' if ink_on(colour) == BLACK else '#fff'}; }}\n"
            for key, _, colour in self._numbered()
        )
        return "".join(rows)

    def _panel(self) -> str:
        orders = "".join(f'<option value="{key}">{words}</option>' for key, words in _ORDERS)
        return (
            '<form class="panel" data-panel aria-label="What is shown">\n<div class="row">'
            '<input type="search" placeholder="Find: a file, a class, a uid" aria-label="Find images">'
            f'<label>Sort by <select name="order">{orders}</select></label>'
            '<label><input type="checkbox" name="names" checked>names</label>'
            '<label><input type="checkbox" name="bare" checked>images without a shown label</label>'
            '<output aria-live="polite"></output></div>\n'
            f"{self._range()}{self._classes()}{self._key()}</form>"
        )

    def _range(self) -> str:
        """The two ends of the scores that are shown; nothing where there are no scores."""
        if not self._scores:
            return ""
        low, high = min(self._scores[0], 0.0), max(self._scores[1], 1.0)
        ends = f'min="{low!r}" max="{high!r}" step="{(high - low) / 100!r}"'
        both = (
            '<label><input type="checkbox" name="unscored" checked>without a score</label>'
            if self._unscored
            else ""
        )
        return (
            f'<div class="row"><label class="slide">Score from <input type="range" name="from" {ends} '
            f'value="{low!r}"><output>{low:.2f}</output></label><label class="slide">to '
            f'<input type="range" name="to" {ends} value="{high!r}"><output>{high:.2f}</output></label>'
            f"{both}</div>\n"
        )

    def _classes(self) -> str:
        boxes = "".join(
            f'<label class="class k{key}"><input type="checkbox" name="class" value="{key}" checked>'
            f'<span class="swatch"></span>{name(said)} '
            f'<span class="n">{number(self._counts[said])}</span></label>'
            for key, said, _ in self._numbered()
        )
        if not boxes:
            return ""
        buttons = '<button type="button" data-all>all</button><button type="button" data-none>none</button>'
        return f'<fieldset><legend>Classes {buttons}</legend><div class="classes">{boxes}</div></fieldset>\n'

    def _key(self) -> str:
        """What the lines mean, where there are several kinds."""
        lines = [(style, words) for style, words in _LINES if style in self._styles]
        keys = [
            f'<span class="key"><svg width="34" height="14"><rect class="{style}" x="1.5" y="1.5" width="31" '
            f'height="11"/></svg>{words}</span>'
            for style, words in lines
            if len(lines) > 1 or style != SOLID
        ]
        if self._ignoring:
            keys.append('<span class="key"><span class="swatch striped"></span>to be ignored</span>')
        return f'<p class="row keys">{"".join(keys)}</p>\n' if keys else ""


_VIEWER = (
    '<dialog class="viewer" data-viewer aria-label="One image"><div class="bar">'
    '<span data-title></span><span class="steps"><button type="button" data-step="-1" '
    'aria-label="The image before">‹</button><button type="button" data-step="1" '
    'aria-label="The next image">›</button><button type="button" data-close aria-label="Close">×</button>'
    '</span></div><div class="stage" data-stage></div><div class="wide list" data-list></div></dialog>'
)

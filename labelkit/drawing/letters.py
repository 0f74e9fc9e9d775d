"""Words as pixels, whatever script they are in.

The font that comes with Pillow has little more than ASCII. Words of other letters are written in the first
font of this machine that has them all; where there is none, an accent follows its letter (``cafe'``) and any
other letter is its code point (``[U+732B]``): no name is drawn as empty boxes, and no two names become one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from unicodedata import category, normalize

import numpy as np
from numpy.typing import NDArray

from labelkit.drawing.colours import Colour

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Pixels = NDArray[np.uint8]

# Fonts that systems come with, those of many scripts first: Linux, macOS, Windows.
_FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf",
    "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "Hiragino Sans GB.ttc", "msyh.ttc", "YuGothM.ttc",
    "NotoEmoji-Regular.ttf", "Symbola.ttf", "seguisym.ttf", "seguiemj.ttf",
)  # fmt: skip
_NOWHERE = "\U0010ffff"  # a code point that no font has
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0327": ","}
_HIDDEN = frozenset("\u200d\ufe0e\ufe0f")  # what joins emoji, and says how they look
_LONGEST = 48  # letters of a line; more is cut


def written(words: str, *, size: int, ink: Colour, ground: Colour) -> Pixels:
    """One line of words on a ground, with a little room around it: (h, w, 3); h depends on the size alone."""
    from PIL import Image, ImageDraw

    words, font = _as_drawn(words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}...", size)
    room = max(size // 5, 1)
    left, _, right, _ = font.getbbox(words, anchor="ls")
    width, height = int(right - left) + 3 * room, round(1.25 * size) + room
    image = Image.new("RGB", (max(width, 1), height), ground)
    ImageDraw.Draw(image).text((1.5 * room - left, size + room / 2), words, ink, font, anchor="ls")
    return np.array(image)


def _as_drawn(words: str, size: int) -> tuple[str, FreeTypeFont]:
    """Words as they can be drawn, and the font for it."""
    words = "".join(letter for letter in normalize("NFC", words) if letter not in _HIDDEN)
    for place in range(-1, len(_FONTS)):
        font = _font(place, size)
        if font and all(_has(place, letter) for letter in words):
            return words, font
    place = max(range(-1, len(_FONTS)), key=lambda each: sum(_has(each, letter) for letter in words))
    font = _font(place, size)
    assert font is not None  # the one that comes with Pillow has no fewer letters than none
    return "".join(letter if _has(place, letter) else _spelled(letter) for letter in words), font


def _spelled(letter: str) -> str:
    """A letter that is not ASCII, in ASCII."""
    apart = normalize("NFD", letter)
    if len(apart) > 1 and apart[0].isascii() and all(accent in _ACCENTS for accent in apart[1:]):
        return apart[0] + "".join(_ACCENTS[accent] for accent in apart[1:])
    return f"[U+{ord(letter):04X}]"


@lru_cache(maxsize=64)
def _font(place: int, size: int) -> FreeTypeFont | None:
    """A font by its place in ``_FONTS``; -1 is the one that comes with Pillow. None where there is none."""
    from PIL import ImageFont

    try:
        font = ImageFont.load_default(size) if place < 0 else ImageFont.truetype(_FONTS[place], size)
    except OSError:
        return None
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font


@lru_cache(maxsize=4096)
def _has(place: int, letter: str) -> bool:
    """Whether a font has a letter: what it has not, it draws as one and the same sign."""
    font = _font(place, 20)
    if font is None or category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return False
    return letter == " " or bytes(font.getmask(letter)) != bytes(font.getmask(_NOWHERE))

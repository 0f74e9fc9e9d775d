"""Where the corners of a VOC set's boxes start to count: at 1, the official way, or at 0 as many tools do.

Source: FORMATS 0 and 2.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from labelkit.formats._corners import EXACT, Base, Texts
from labelkit.model import Box

CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(slots=True)
class BaseEvidence:
    """Whether boxes speak for a base: a 0 for base 0; else an end at the image's edge for base 1."""

    boxes: bool = False
    zero: bool = False
    edge: bool = False

    def add(self, texts: Texts, width: float | None, height: float | None) -> None:
        """Count the corners of one object's box."""
        try:
            left, top, right, bottom = (float(text) for text in texts)
        except ValueError:  # the box is reported when it is read
            return
        self.boxes = True
        self.zero = self.zero or 0 <= left < 1 or 0 <= top < 1
        self.edge = self.edge or right == width or bottom == height

    @property
    def base(self) -> Base:
        """The base that is spoken for, or the official one."""
        return 0 if self.zero else 1

    @property
    def assumed(self) -> bool:
        """Whether there are boxes, and nothing speaks for a base."""
        return self.boxes and not self.zero and not self.edge


def reads_as_zero(box: Box, base: Base) -> bool:
    """Whether the corners that are written for a box speak for base 0."""
    if min(box.x, box.y) >= 1 - base:  # as nearly all are, and no sum is needed to see it
        return False
    return any(0 <= _corner(number, base) < 1 for number in (box.x, box.y))


def _corner(number: float, base: Base) -> float:
    """A corner as ``BaseEvidence`` takes it from its text."""
    return (
        number + base
        if float(number).is_integer()
        else float(EXACT.add(Decimal(repr(number)), Decimal(base)))
    )

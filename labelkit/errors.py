"""The exceptions of labelkit: one tree, and one form for every message.

A message says where, what was found, what was expected, and how to go on. Each of the four is an
argument, so that no message can forget to ask itself for them; the last two may be empty. The code is that
of the rule by which ``labelkit validate`` reports the defect (``MSK102``), where there is a closer one than
"cannot be read"; ``at`` is the place in its parts, where whoever raised it knew more than the text says.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from labelkit.findings import Location


def near(word: str, known: Iterable[str]) -> str:
    """Advice for a word that is none of those that are known: the nearest of them, or nothing."""
    found = get_close_matches(word, list(known), 1)
    return f"did you mean {found[0]}?" if found else ""


class LabelkitError(Exception):
    """Anything that labelkit refuses to do, with the reason in one line."""

    def __init__(
        self,
        place: str,
        found: str,
        expected: str = "",
        advice: str = "",
        *,
        code: str = "",
        at: Location | None = None,
    ) -> None:
        super().__init__(place, found, expected, advice)
        self.code = code
        self.at = at
        self.place = place
        self.found = found
        self.expected = expected
        self.advice = advice

    def __str__(self) -> str:
        text = f"{self.place}: {self.found}" if self.place else self.found
        if self.expected:
            text += f"; expected {self.expected}"
        if self.advice:
            text += f"; {self.advice}"
        return text


class UsageError(LabelkitError):
    """The request itself is wrong: an unknown format, options that exclude each other."""


class FormatError(LabelkitError):
    """A data set, or one of its files, cannot be read as what it claims to be."""


class RecordError(LabelkitError):
    """One record cannot be read or represented; the rest of its data set can.

    Readers yield it in the place of the record, so that one bad record never hides the others.
    """


class DestinationError(LabelkitError):
    """The destination cannot be written: it exists, it is the source, two files would collide."""


class LossError(LabelkitError):
    """A strict conversion would lose something that its carrier cannot bring back."""


class ModelError(LabelkitError):
    """A model cannot be had, loaded, or run."""


class BadRecordsError(LabelkitError):
    """Some records could not be read; ``errors`` holds every one of them."""

    def __init__(self, place: str, errors: list[RecordError]) -> None:
        super().__init__(
            place,
            f"{len(errors)} problem{'s' if len(errors) != 1 else ''}, nothing was written",
            "",
            "mend the source, or leave those records out with --on-error skip",
        )
        self.errors = errors

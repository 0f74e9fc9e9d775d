"""What messages of many rules have: some of many words, and numbers in brackets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def few(words: Sequence[str], most: int) -> str:
    """The first words, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def bracketed(numbers: Iterable[float]) -> str:
    """Numbers as COCO writes a box: ``[10, 20, 30.5, 15]``."""
    return "[" + ", ".join(f"{number:g}" for number in numbers) + "]"

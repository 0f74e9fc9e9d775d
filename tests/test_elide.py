"""Names that are made short keep their ends, and are no wider than was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from labelkit.elide import COLUMNS, elided


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("person", "person"),
        ("x" * 30, "x" * 30),
        ("a" * 20 + "b" * 20, "a" * 15 + "…" + "b" * 14),
        ("猫" * 15, "猫" * 15),
        ("猫" * 16, "猫" * 7 + "…" + "猫" * 7),
        ("e\u0301" * 30, "e\u0301" * 30),
    ],
)
def test_what_is_too_long_keeps_its_beginning_and_its_end(name: str, short: str) -> None:
    assert elided(name) == short


@given(name=st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0xFFFF)))
def test_no_name_is_wider_than_the_columns_that_a_terminal_counts(name: str) -> None:
    assert cell_len(elided(name)) <= COLUMNS

"""The numbers by which people, links and commands name rows."""

from __future__ import annotations

import pytest

from opsconsole.row_numbers import row_number


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "latest", "1 2", "\u0663", "9" * 19, "1" * 5000])
def test_what_is_no_number_of_a_row_is_the_number_of_none(text: str) -> None:
    assert row_number(text) == 0


def test_a_number_in_digits_is_one() -> None:
    assert (row_number("12"), row_number("9" * 18)) == (12, 10**18 - 1)

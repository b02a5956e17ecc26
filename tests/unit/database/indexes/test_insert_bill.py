"""What an index adds to a row, out of blocks that were measured several times."""

from __future__ import annotations

import pytest

from perfloop.database.indexes.insert_bill import added


def test_every_block_counts_and_of_its_growths_the_middle_one() -> None:
    # The last block is that in which pages part; one growth was disturbed.
    quiet = [1.0, 1.0, 4.0]
    found, (low, high) = added([quiet, [9.0, 9.0, 12.0], quiet, quiet, quiet])
    assert found == pytest.approx(2.0)
    assert low <= found <= high


def test_the_interval_is_wide_where_growths_differ() -> None:
    found, (low, high) = added([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    assert found == 2.0
    assert low < 1.5
    assert high > 2.5


def test_of_one_growth_nobody_knows_more_than_its_blocks() -> None:
    assert added([[1.0, 5.0]]) == (3.0, (1.0, 5.0))

"""A house of its own for each test of a story."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.house import House, open_house
from tests.flows.rights_house import Rights


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with open_house(database) as house:
        yield house


@pytest.fixture
def rights(house: House) -> Rights:
    """The same with two registered people who ask about their own data."""
    return Rights(house)

"""A house of its own for each test of a story."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from suyuan.flows.seal_history import Sealer
from tests.flows.house import House, open_house
from tests.flows.rights_house import Rights
from tests.flows.sealing import sealer_of


@pytest.fixture
def house(database: str) -> Iterator[House]:
    with open_house(database) as house:
        yield house


@pytest.fixture
def rights(house: House) -> Rights:
    """The same with two registered people who ask about their own data."""
    return Rights(house)


@pytest.fixture
def next_sealer(house: House) -> Iterator[Callable[..., Sealer]]:
    """Makes a sealer after the one before it has ended."""
    made: list[Sealer] = []

    def make(**changes: Any) -> Sealer:
        for before in made:
            before.close()
        made.append(sealer_of(house, house.log_folder, **changes))
        return made[-1]

    yield make
    for sealer in made:
        sealer.close()
        sealer.connection.close()

"""One sandbox for all laws: each law uses order numbers and cards of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.laws.twins import Twins


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    twins = Twins(tmp_path_factory.mktemp("twins"))
    yield twins
    twins.close()

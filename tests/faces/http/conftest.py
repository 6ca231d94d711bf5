"""One served house for a file of tests: what it refuses changes nothing, so tests do not meet in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from suyuan.base import db
from tests.faces.http.served import Served, served


@pytest.fixture(scope="module")
def api(cluster: db.Server, template: str, request: pytest.FixtureRequest) -> Iterator[Served]:
    name = f"api_{request.module.__name__.rpartition('.')[2]}"
    with db.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
        with served(cluster.url(name)) as api:
            yield api
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

"""Features by DuckDB, which spills to disk what does not fit in memory."""

from __future__ import annotations

from collections.abc import Sequence

from suyuan.risk.batch import sql
from suyuan.risk.batch.columns import Columns, to_arrow
from suyuan.risk.batch.parts import THREADS, Answer, Features
from suyuan.risk.features import FeatureSpec


def measure(
    columns: Columns, features: Sequence[FeatureSpec], *, asked_from: int = 0, threads: int = THREADS
) -> Features:
    """All features of the attempts from row `asked_from` on; the rows before it are only looked back upon."""
    import duckdb

    answer = Answer(columns, features, asked_from)
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.register("rows", to_arrow(columns))
        return sql.measure(answer, sql.DUCKDB, lambda text: connection.sql(text).to_arrow_table())

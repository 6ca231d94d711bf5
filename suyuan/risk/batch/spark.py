"""Features by Spark, for histories that no single machine holds; pyspark is an extra, and needs a Java 17 or newer.

`measure` takes the columns of one machine, so that Spark can be held against the other executors. A cluster does the
same with `sql.queries(features, sql.SPARK)` over a view `rows` of Parquet that `columns.write_parquet` wrote: each
query partitions by its key, so what a worker holds is the history of its keys.

The session's time zone is UTC and its arithmetic ANSI: nothing here has a time zone, and nothing may overflow unseen.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from suyuan.risk.batch import sql
from suyuan.risk.batch.columns import Columns, write_parquet
from suyuan.risk.batch.parts import Answer, Features
from suyuan.risk.features import FeatureSpec

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import SparkSession

JAVA_MIN = 17
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # One machine: a session that nobody reaches from outside, with as many tasks as are worth their start.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.memory": "4g",
    "spark.log.level": "ERROR",
}


class NoSpark(Exception):
    """Raised where Spark cannot run; its text says what is missing."""


@contextmanager
def local_session(java_home: str | None, *, cores: int = 2) -> Iterator[SparkSession]:
    """Spark in this process, for as long as the block lasts. Raises `NoSpark`. `java_home` is what JAVA_HOME says."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise NoSpark("pyspark is not installed; pip install 'suyuan[spark]' brings it") from error
    if told := lacking_java(java_home):
        raise NoSpark(told)
    builder = SparkSession.builder.master(f"local[{cores}]").appName("suyuan")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()


def lacking_java(java_home: str | None) -> str:
    """What to say of the Java that Spark would start; nothing where it will do."""
    version = _java_version(java_home)
    return "" if version >= JAVA_MIN else f"it needs a Java {JAVA_MIN} or newer, and here is {version or 'none'}"


def _java_version(java_home: str | None) -> int:
    program = f"{java_home}/bin/java" if java_home else "java"
    try:
        told = subprocess.run([program, "-version"], capture_output=True, check=False)
    except OSError:
        return 0
    found = re.search(rb'version "(?:1\.)?(\d+)', told.stderr)
    return int(found[1]) if found else 0


def measure(
    session: SparkSession, columns: Columns, features: Sequence[FeatureSpec], *, asked_from: int = 0
) -> Features:
    """All features of the attempts from row `asked_from` on; the rows before it are only looked back upon."""
    from pyarrow import parquet

    answer = Answer(columns, features, asked_from)
    with tempfile.TemporaryDirectory() as folder:
        write_parquet([columns], Path(folder, "rows.parquet"))
        session.read.parquet(f"{folder}/rows.parquet").createOrReplaceTempView("rows")

        def run(text: str) -> pyarrow.Table:
            # Through files, because pyspark's own way to Arrow goes through pandas, which nothing else here needs.
            session.sql(text).write.mode("overwrite").parquet(f"{folder}/found")
            return parquet.read_table(f"{folder}/found")

        return sql.measure(answer, sql.SPARK, run)

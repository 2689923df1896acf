"""A check of logs that are not in files."""

from datetime import date
from importlib.util import find_spec

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.extras.check.conftest import Project

needs_tables = pytest.mark.skipif(
    find_spec("mtmd.extras.tables") is None, reason="the extra `tables` is not here"
)
DELTA = """
[sources.ads]
kind = "delta"
path = "lake"
day_column = "day"
"""


@needs_tables
@pytest.mark.skipif(find_spec("deltalake") is None, reason="deltalake is not installed")
def test_a_fetched_table_is_checked_like_files(project: Project) -> None:
    from deltalake import write_deltalake  # noqa: PLC0415 - where it is installed

    for number in range(1, 24):
        day = date(2026, 1, number)
        table = pq.read_table(project.file("ads", day), partitioning=None)
        dated = table.append_column("day", pa.array([day] * len(table), pa.date32()))
        write_deltalake(project.logs / "lake", dated, mode="append", partition_by=["day"])
    project.say(DELTA)
    assert project.problems() == [
        "ads.day: not declared; is DATE → select * exclude (day); or declare it as a feature in the preset"
    ]
    project.statement("ads", "select * exclude (day) from read_parquet($paths)")
    assert project.check().passed
    assert "ads: 23 days, 2026-01-01 to 2026-01-23" in project.facts()
    project.say(DELTA.replace('"day"', '"dy"'))
    (problem,) = project.problems()
    assert "ads ([sources.ads]): the table can't be read (" in problem
    assert "dy" in problem

"""Looking at files, and reading them by the statement that is proposed."""

from pathlib import Path

import duckdb

from mtmd.project.engine import Connection
from mtmd.project.proposal.features import find_features
from mtmd.project.proposal.looks import look_at
from mtmd.project.proposal.places import TablePlace
from mtmd.project.proposal.roles import Domain
from mtmd.project.proposal.write import statement

_SAMPLED = 20_480  # lines of a CSV file that DuckDB looks at


def test_days_and_times_in_csv_files_are_no_categories(connection: Connection, tmp_path: Path) -> None:
    lines = [f"{n},2026-01-{1 + n % 3:02},10:{n % 3:02},2026-01-05 12:00:0{n % 3}" for n in range(9)]
    (tmp_path / "ads.csv").write_text("\n".join(("id,day,clock,at", *lines, "")))
    table = look_at(connection, "ads", [tmp_path / "ads.csv"])
    distinct = {name: look.distinct for name, look in table.columns.items()}
    found = find_features(connection, "item", table, {"id"}, Domain.of(None, "any_ad"), distinct)
    assert found.left_out == {
        "day": "DATE, of which no feature is made",
        "clock": "TIME, of which no feature is made",
        "at": "TIMESTAMP, of which no feature is made",
    }


def test_csv_files_are_read_as_they_are_written(connection: Connection, tmp_path: Path) -> None:
    folder = tmp_path / "date=2026-01-05" / "hour=07"
    folder.mkdir(parents=True)
    lines = [f"{n},{n % 24},food" for n in range(_SAMPLED + 100)]
    lines += ['-1,3,"""Toys"""', '-2,4,"nuts, \nbolts"']
    (folder / "a.csv").write_text("\n".join(("id,hour,topic", *lines, "")))
    last = [(-2, 4, "nuts, \nbolts"), (-1, 3, '"Toys"'), (0, 0, "food")]

    look = look_at(connection, "ads", [folder / "a.csv"])
    assert {name: column.type for name, column in look.columns.items()} == {
        "id": "BIGINT",
        "hour": "BIGINT",
        "topic": "VARCHAR",
    }
    assert connection.sql("from ads where id <= 0 order by id", params={}).fetchall() == last

    proposed = statement(TablePlace("ads", "date={day}/hour=*/*.csv", {}), look, ["id", "hour", "topic"])
    read = duckdb.execute(f"from ({proposed}) where id <= 0 order by id", {"paths": [str(folder / "a.csv")]})
    assert read.fetchall() == last

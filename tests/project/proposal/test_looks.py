"""Looking at files, and reading them by the statement that is proposed."""

from pathlib import Path

import duckdb

from mtmd.project.engine import Connection
from mtmd.project.proposal.looks import look_at
from mtmd.project.proposal.places import TablePlace
from mtmd.project.proposal.write import statement

_SAMPLED = 20_480  # lines of a CSV file that DuckDB looks at


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

    proposed = statement(
        "ads", ["id", "hour", "topic"], None, TablePlace("ads", "date={day}/hour=*/*.csv", {})
    )
    read = duckdb.execute(f"from ({proposed}) where id <= 0 order by id", {"paths": [str(folder / "a.csv")]})
    assert read.fetchall() == last

"""Reading a source in a real DuckDB: every cast's values, files of different types, and what an error is blamed on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from mtmd.config import load_preset
from mtmd.errors import LogsError, StorageError
from mtmd.extract.blame import changed_columns, reading_error
from mtmd.extract.sources import load_sources
from mtmd.logs.reading import create_checked_view
from mtmd.logs.source import LogSource
from tests.small_disk import small_disk

SOURCE = LogSource("logs")
DAY = date(2026, 1, 2)


def team(folder: Path, statement: str) -> LogSource:
    folder.mkdir(exist_ok=True)
    (folder / "source_ads.sql").write_text(statement)
    return LogSource("logs", folder)


@dataclass
class Reader:
    connection: duckdb.DuckDBPyConnection
    folder: Path

    def write(self, query: str, name: str = "a.parquet") -> Path:
        self.connection.execute(f"copy ({query}) to '{self.folder / name}' (format parquet)")
        return self.folder / name

    def view(
        self, files: list[Path], declared: dict[str, str], source: LogSource = SOURCE, **more: Any
    ) -> Any:
        return create_checked_view(self.connection, "source_ads", source, "ads", files, DAY, declared, **more)

    def read(
        self, files: list[Path], declared: dict[str, str], source: LogSource = SOURCE
    ) -> list[tuple[Any, ...]]:
        self.view(files, declared, source)
        described = self.connection.execute("describe source_ads").fetchall()
        assert {row[0]: row[1] for row in described} == declared
        return self.connection.execute("from source_ads order by all").fetchall()

    def blame(self, files: list[Path], source: LogSource = SOURCE, error: str = "Parser Error: no") -> str:
        """What is said to be mended, without the table and the day."""
        told = str(reading_error(self.connection, source, {"ads": files}, DAY, duckdb.Error(error)))
        return told.removeprefix(f"ads of {DAY}: ")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with duckdb.connect() as opened:
        opened.execute("set TimeZone = 'America/New_York'")  # no cast may depend on it
        yield Reader(opened, tmp_path)


@pytest.mark.parametrize(
    ("value", "kind", "declared", "expected"),
    [
        ("-128", "tinyint", "BIGINT", -128),
        ("4294967295", "uinteger", "BIGINT", 4294967295),
        ("65535", "usmallint", "INTEGER", 65535),
        ("0.1", "double", "FLOAT", float(np.float32(0.1))),
        ("'-inf'", "double", "FLOAT", -inf),
        ("'nan'", "double", "FLOAT", nan),
        ("null", "double", "FLOAT", None),
        ("1e-60", "double", "FLOAT", 0.0),
        ("0.1", "float", "DOUBLE", float(np.float32(0.1))),
        ("0.1", "decimal(10, 2)", "FLOAT", float(np.float32(0.1))),
        ("0.1", "decimal(10, 2)", "DOUBLE", 0.1),
        ("-16777216", "bigint", "FLOAT", -16777216.0),
        ("9007199254740992", "bigint", "DOUBLE", 9007199254740992.0),
        ("'2026-01-01 01:30:00+02'", "timestamptz", "TIMESTAMP", datetime(2025, 12, 31, 23, 30)),
        ("'2026-07-01 12:00:00.000001+00'", "timestamptz", "TIMESTAMP", datetime(2026, 7, 1, 12, 0, 0, 1)),
        # Not rounded up into the next day.
        (
            "'2026-01-01 23:59:59.999999999'",
            "timestamp_ns",
            "TIMESTAMP",
            datetime(2026, 1, 1, 23, 59, 59, 999999),
        ),
        (
            "'2026-01-01 23:59:59.999999999+00'",
            "timestamptz_ns",
            "TIMESTAMP",
            datetime(2026, 1, 1, 23, 59, 59, 999999),
        ),
    ],
)
def test_values_are_read_in_the_declared_type(
    reader: Reader, value: str, kind: str, declared: str, expected: Any
) -> None:
    ((found,),) = reader.read([reader.write(f"select cast({value} as {kind}) as x")], {"x": declared})
    assert found == expected or (isnan(expected) and isnan(found))


UUID = "6f1c2a9e-0b7d-4c58-9a43-d2e85b7f1c06"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"uuid '{UUID.upper()}'", UUID),
        ("cast(null as varchar)", None),
        ("'Ad 7/ü'", "Ad 7/ü"),
        ("repeat('é', 128)", "é" * 128),
    ],
)
def test_text_ids_are_read_as_they_are(reader: Reader, value: str, expected: str | None) -> None:
    assert reader.read([reader.write(f"select {value} as ad_id")], {"ad_id": "VARCHAR"}) == [(expected,)]


@pytest.mark.parametrize(
    ("place", "value", "shown"),
    [
        ("ads.ad_id", "''", ""),
        ("requests.user_id", "repeat('é', 129)", "é" * 40),
        ("candidates.request_id", "'a' || chr(0) || 'b'", "a\\0b"),
    ],
)
def test_a_text_that_is_no_id_is_named_with_the_rule(
    reader: Reader, place: str, value: str, shown: str
) -> None:
    words = f"{place} must have 1 to 128 characters and no NUL, and has the value '{shown}'"
    table, column = place.split(".")
    path = reader.write(f"select {value} as {column}")
    create_checked_view(reader.connection, f"source_{table}", SOURCE, table, [path], DAY, {column: "VARCHAR"})
    with pytest.raises(duckdb.Error) as caught:
        reader.connection.execute(f"from source_{table}").fetchall()
    assert words in str(caught.value)
    blamed = str(reading_error(reader.connection, SOURCE, {table: [path]}, DAY, caught.value))
    assert words in blamed
    assert f"cast the column yourself in source_{table}.sql" in blamed


def test_files_of_different_types_are_one_table(reader: Reader) -> None:
    declared = {"id": "BIGINT", "x": "FLOAT"}
    files = [
        # The first file's types would spoil the others' values, or could not hold them.
        reader.write("select 1::smallint as id, 0.5::decimal(3, 1) as x", "a.parquet"),
        reader.write("select 0.25::double as x, 99999999999 as id", "b.parquet"),
        reader.write("select 3::int as id, 0.125::float as x", "c.parquet"),
        reader.write("select 4::int as id, 7::float as x", "d.parquet"),
    ]
    assert reader.read(files, declared) == [(1, 0.5), (3, 0.125), (4, 7.0), (99999999999, 0.25)]


def test_a_statement_that_casts_reads_files_of_different_types_in_their_own(
    reader: Reader, tmp_path: Path
) -> None:
    files = [
        reader.write("select 1 as id, 300 as cents, timestamp '2026-01-02 10:00:00' as ts", "a.parquet"),
        # As pandas writes a column of whole numbers once one of them is not there, or has a fraction.
        reader.write(
            "select 2 as id, 7.5::double as cents, timestamptz '2026-01-02 10:00:00+00' as ts", "b.parquet"
        ),
    ]
    casts = "id, cast(cents / 100 as double) as bid, make_timestamp(epoch_us(ts)) as ts"
    declared = {"id": "INTEGER", "bid": "DOUBLE", "ts": "TIMESTAMP"}
    own = team(tmp_path / "sql", f"select {casts} from read_parquet($paths)")
    ten = datetime(2026, 1, 2, 10)
    assert reader.read(files, declared, own) == [(1, 3.0, ten), (2, 0.075, ten)]


@pytest.mark.parametrize(("option", "rows"), [("", 2), (", union_by_name = true", 1)])
def test_a_statement_may_read_files_of_different_types_together(
    reader: Reader, tmp_path: Path, option: str, rows: int
) -> None:
    files = [reader.write("select 1::smallint as id"), reader.write("select 1 as id", "b.parquet")]
    own = team(tmp_path / "sql", f"select distinct id::bigint as id\nfrom read_parquet($paths{option})")
    assert reader.read(files, {"id": "BIGINT"}, own) == [(1,)] * rows


def test_a_wrong_value_is_not_blamed_on_a_column_that_only_some_files_have(reader: Reader) -> None:
    files = [reader.write("select 1.0 as x, true as hidden"), reader.write("select 1e300 as x", "b.parquet")]
    declared = {"x": "FLOAT", "hidden": "BOOLEAN"}
    reader.view(files, declared, optional=frozenset({"hidden"}))
    words = reader.blame(files)
    assert words.startswith(
        "ads.x has a value that its declared type FLOAT can't hold (Conversion Error: Type DOUBLE"
    )


def test_an_optional_column_that_only_some_files_have_is_null_in_the_others(reader: Reader) -> None:
    files = [reader.write("select 1 as id"), reader.write("select true as hidden, 2 as id", "b.parquet")]
    reader.view(files, {"id": "BIGINT", "hidden": "BOOLEAN"}, optional=frozenset({"hidden"}))
    assert reader.connection.execute("from source_ads order by id").fetchall() == [(1, None), (2, True)]


def test_columns_that_cannot_be_read_as_declared_are_named_with_file_and_statement(reader: Reader) -> None:
    files = [reader.write("select 1 as id"), reader.write("select 'one' as id", "b.parquet")]
    with pytest.raises(LogsError) as caught:
        create_checked_view(reader.connection, "v", SOURCE, "ads", files, DAY, {"id": "INTEGER"})
    assert str(caught.value) == (
        f"{files[1]} has other columns than declared: id (is VARCHAR; must be INTEGER). Correct "
        "the file, the preset's features, or a source_ads.sql of your own, in a folder that the preset names as `sql`"
    )


def test_a_wrong_statement_is_named_with_its_line_and_a_damaged_file_comes_first(
    reader: Reader, tmp_path: Path
) -> None:
    files = [reader.write("select 7 as ad_id"), reader.write("select 8 as ad_id", "b.parquet")]
    source = team(tmp_path / "sql", "-- our ads\nselect\n    cost as price\nfrom read_parquet($paths)\n")
    with pytest.raises(duckdb.Error) as caught:
        reader.view(files, {"price": "FLOAT"}, source)
    told = reader.blame(files, source, str(caught.value))
    assert told.startswith('Binder Error: Referenced column "cost" not found')
    assert "LINE 3: cost as price" in told
    statement = tmp_path / "sql" / "source_ads.sql"
    assert told.endswith(f"correct the statement ({statement}) or the files that it reads, then run again")
    files[1].write_bytes(b"nothing")
    assert reader.blame(files, source).startswith(f"{files[1]} can't be read (")


def test_columns_are_compared_with_those_of_the_newest_earlier_day_that_has_others(tmp_path: Path) -> None:
    days = [date(2026, 1, day) for day in (1, 2, 3, 4)]
    with duckdb.connect() as connection:
        for n, day in enumerate(days):
            folder = tmp_path / "logs" / "ads" / f"date={day}"
            folder.mkdir(parents=True)
            column = "'2 EUR' as cost" if n > 1 else "2.5::double as price"
            connection.execute(f"copy (select 1 as id, {column}) to '{folder}/a.parquet' (format parquet)")
        statement = team(tmp_path / "sql", "select id, price\nfrom read_parquet($paths)").sql
        for sql, remedy in ((statement, "deliver it as before"), (None, "Correct the file")):
            source = LogSource(tmp_path / "logs", sql)
            files = {"ads": source.day_files("ads", days[-1])}
            with pytest.raises(LogsError) as caught:
                load_sources(connection, source, files, days[-1], load_preset("tiny").declarations)
            assert str(caught.value).startswith(
                "ads of 2026-01-04: until 2026-01-02 ads had price (DOUBLE), on 2026-01-04 cost (VARCHAR, such as "
                "'2 EUR'); "
            )
            assert remedy in str(caught.value)
        assert (
            changed_columns(connection, source, "ads", {"ads": source.day_files("ads", days[1])}, days[1])
            == ""
        )


def test_a_teams_statement_gets_the_day_and_reads_csv(reader: Reader, tmp_path: Path) -> None:
    source = team(tmp_path / "sql", "select id as ad_id, $day as seen from read_csv($paths);\n")
    (path := tmp_path / "a.csv").write_text("id\n7\n")
    assert reader.read([path], {"ad_id": "BIGINT", "seen": "DATE"}, source) == [(7, DAY)]


def test_a_full_disk_is_not_blamed_on_the_logs(tmp_path: Path) -> None:
    """DuckDB moves to disk what its memory can't hold."""
    with small_disk(tmp_path / "disk", 256) as spill:
        connection = duckdb.connect(
            config={"memory_limit": "50MB", "temp_directory": f"{spill}/x", "threads": "1"}
        )
        with connection:
            with pytest.raises(duckdb.Error) as caught:
                connection.execute(
                    "create table a as select repeat('x', 50) || random() as b from range(4000000)"
                )
            error = reading_error(connection, SOURCE, {"ads": [tmp_path]}, DAY, caught.value)
    assert isinstance(error, StorageError)
    assert re.match(
        rf"ads of {DAY}: there is no room for DuckDB's temporary files in {spill}/x \(.*\); make room there, name "
        r"a folder with more room in TMPDIR, or let DuckDB have more memory \(MTMD_DUCKDB_MEMORY=4GiB in the "
        r"environment\), then run again$",
        str(error),
    )


def test_what_needs_more_memory_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    """DuckDB reads a column of a row group as a whole."""
    file = tmp_path / "a.parquet"
    vectors = np.random.default_rng(0).standard_normal((20_000, 200), np.float32)
    table = pa.table(
        {"vector": pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), 200).cast(pa.list_(pa.float32()))}
    )
    parquet.write_table(table, file)
    with duckdb.connect(config={"memory_limit": "10MB", "temp_directory": str(tmp_path / "spill")}) as opened:
        with pytest.raises(duckdb.Error) as caught:
            opened.execute("select max(hash(vector)) from read_parquet($path)", {"path": str(file)})
        error = reading_error(opened, SOURCE, {"ads": [file]}, DAY, caught.value)
    assert isinstance(error, StorageError)
    assert re.fullmatch(
        rf"ads of {DAY}: Out of Memory Error: .* used\); let DuckDB have more memory \(MTMD_DUCKDB_MEMORY in "
        r"the environment\), or write files of smaller row groups, then run again",
        str(error),
    )

"""Statements of a team's own, and those that read the contract's columns as they are."""

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Preset, SourcesConfig
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.source import LogSource
from mtmd.logs.sql import literal, statement


def test_without_a_folder_the_shipped_statements_read_the_logs() -> None:
    assert LogSource("logs").statement("ads") == statement("source_ads")
    assert set(LogSource("logs").bare_statements()) == {"source_requests", "source_ads", "source_candidates"}


def test_a_folder_has_a_statement_for_each_table(tmp_path: Path) -> None:
    (tmp_path / "source_ads.sql").write_text("-- ours\nselect id as ad_id\nfrom read_parquet($paths)\n")
    source = LogSource("logs", tmp_path)
    assert source.statement("ads").startswith("-- ours")
    with pytest.raises(ConfigError, match=r"source_requests\.sql does not exist; the preset's `sql`"):
        source.bare_statements()
    for table in ("requests", "candidates"):
        (tmp_path / f"source_{table}.sql").write_text("from read_parquet($paths)")
    assert source.bare_statements()["source_ads"] == "select id as ad_id from read_parquet($paths)"


def test_a_file_that_a_statement_names_is_part_of_what_it_computes(tmp_path: Path) -> None:
    names = tmp_path / "it's names.csv"
    for table in ("requests", "ads", "candidates"):
        (tmp_path / f"source_{table}.sql").write_text("from read_parquet($paths)")
    read = f"read_csv({literal(str(names))})"
    (tmp_path / "source_ads.sql").write_text(f"select 'absent.csv' from read_parquet($paths), {read}, {read}")
    names.write_text("code,name\n1,shoes\n")
    first = LogSource("logs", tmp_path).bare_statements()
    assert first["source_ads"].count(hashlib.sha256(names.read_bytes()).hexdigest()) == 1
    assert first["source_requests"] == "from read_parquet($paths)"
    names.write_text("code,name\n1,boots\n")
    second = LogSource("logs", tmp_path).bare_statements()
    assert [table for table in first if first[table] != second[table]] == ["source_ads"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("from f($paths) -- ;\n", "from f($paths) -- ;\n"),
        ("select ';', $$;$$, $paths ;;\n-- the end; really\n/* ; */ ; \n", "select ';', $$;$$, $paths "),
        ('select $paths as ";"', 'select $paths as ";"'),
    ],
)
def test_a_semicolon_that_ends_a_statement_is_left_out(tmp_path: Path, text: str, kept: str) -> None:
    (tmp_path / "source_ads.sql").write_text(text)
    assert LogSource("logs", tmp_path).statement("ads") == kept


def test_a_second_statement_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "source_ads.sql").write_text("select 1; -- one\n\n  select 2\nfrom t")
    with pytest.raises(
        ConfigError, match=r"source_ads\.sql, line 3: a second statement begins here; a table has"
    ):
        LogSource("logs", tmp_path).statement("ads")


def test_a_statement_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "source_ads.sql").write_bytes("select *\n-- für Anzeigen\nfrom $paths".encode("latin-1"))
    with pytest.raises(
        ConfigError, match=r"source_ads\.sql, line 2: b'\\xfc' is no UTF-8 text, .* save the file as"
    ):
        LogSource(tmp_path, tmp_path).statement("ads")


def test_a_statement_that_does_not_read_the_days_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source_ads.sql").write_text("select $day, '$paths' as text")
    with pytest.raises(ConfigError, match=r"source_ads\.sql does not read \$paths, the day's files"):
        LogSource("logs", tmp_path).statement("ads")


def test_a_run_may_read_another_folder_by_the_presets_statements(tiny_preset: Preset) -> None:
    preset = tiny_preset.model_copy(update={"sql": "sql"})
    assert LogSource.of(preset) == LogSource(preset.logs, "sql")
    assert LogSource.of(preset, "elsewhere") == LogSource("elsewhere", "sql")


def _placed(**tables: Any) -> SourcesConfig:
    return SourcesConfig.model_validate(tables)


def test_a_table_in_several_places_has_the_days_and_the_files_of_all(tmp_path: Path) -> None:
    for name in ("eu/2026-01-01", "eu/2026-01-02", "us/2026-01-02", "us/2026-01-03"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "part-0.parquet").touch()
    source = LogSource(tmp_path, tables=_placed(ads={"files": ["eu/{day}/*.parquet", "us/{day}/*.parquet"]}))
    day = date(2026, 1, 2)
    assert source.table_days("ads") == {day}
    assert source.newest_day("ads") == day
    assert source.day_files("ads", day) == [
        tmp_path / f"{region}/2026-01-02/part-0.parquet" for region in ("eu", "us")
    ]
    assert source.available_days() == ()
    overlapping = LogSource(
        tmp_path, tables=_placed(ads={"files": ["eu/{day}/*.parquet", "eu/{day}/part-*.parquet"]})
    )
    assert overlapping.day_files("ads", day) == [tmp_path / "eu/2026-01-02/part-0.parquet"]
    overlapping.refresh(day)  # files are as they are
    assert overlapping.has_day("ads", day)
    assert not overlapping.has_day("ads", date(2026, 1, 3))
    with pytest.raises(LogsError, match=r"us/2026-01-01 does not exist"):
        source.day_files("ads", date(2026, 1, 1))


def test_a_table_without_days_is_named_by_its_places(tmp_path: Path) -> None:
    source = LogSource(tmp_path, tables=_placed(ads={"files": ["eu/{day}.parquet", "/us/{day}.parquet"]}))
    with pytest.raises(
        LogsError, match=r"eu/\{day\}\.parquet and /us/\{day\}\.parquet has no day of ads; write one"
    ):
        source.newest_day("ads")


def test_tables_of_csv_have_a_packaged_statement_of_their_own() -> None:
    source = LogSource("logs", tables=_placed(ads={"format": "csv"}))
    assert source.statement("ads") == statement("source_csv")
    assert source.file("ads").name == "source_csv.sql"
    assert source.statement("requests") == statement("source_requests")

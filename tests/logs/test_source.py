"""Statements of a team's own, and those that read the contract's columns as they are."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import SourcesConfig
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource
from mtmd.logs.sql import statement


def test_without_a_folder_the_shipped_statements_read_the_logs() -> None:
    assert LogSource("logs").statement("ads") == statement("source_ads")
    assert set(LogSource("logs").bare_statements()) == {"source_requests", "source_ads", "source_candidates"}


def test_a_folder_has_a_statement_for_each_table(tmp_path: Path) -> None:
    (tmp_path / "source_ads.sql").write_text("-- ours\nselect id as ad_id\nfrom read_parquet($paths)\n")
    source = LogSource("logs", tmp_path)
    assert source.statement("ads").startswith("-- ours")
    with pytest.raises(ConfigError, match=r"source_requests\.sql can't be read .* the preset's `sql`"):
        source.bare_statements()
    for table in ("requests", "candidates"):
        (tmp_path / f"source_{table}.sql").write_text("from read_parquet($paths)")
    assert source.bare_statements()["source_ads"] == "select id as ad_id from read_parquet($paths)"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("from f($paths) -- ;\n", "from f($paths) -- ;\n"),
        ("from f($paths) where a = '; -- b'", "from f($paths) where a = '; -- b'"),
        ("select ';', $$;$$, $paths ;;\n-- the end; really\n/* ; */ ; \n", "select ';', $$;$$, $paths "),
        ('select $paths as ";"', 'select $paths as ";"'),
        (r"select e'it\'s; a', $q$ $$; $q$, $paths;", r"select e'it\'s; a', $q$ $$; $q$, $paths"),
    ],
)
def test_a_semicolon_that_ends_a_statement_is_left_out(tmp_path: Path, text: str, kept: str) -> None:
    (tmp_path / "source_ads.sql").write_text(text)
    assert LogSource("logs", tmp_path).statement("ads") == kept


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("from f($paths); -- one\n\n  select 2\nfrom t", 3),
        ("select 1);\ncopy (select 2) to '/logs/ads/b.parquet'; from (from f($paths)", 2),
    ],
)
def test_a_second_statement_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    """One that closes a bracket of ours would be run for itself, and may write below the logs."""
    (tmp_path / "source_ads.sql").write_text(text)
    with pytest.raises(ConfigError, match=rf"source_ads\.sql, line {line}: a second statement begins here; "):
        LogSource("logs", tmp_path).statement("ads")


def test_a_statement_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source_ads.sql").write_bytes("select *\n-- für Anzeigen\nfrom $paths".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"source_ads\.sql can't be read .*, in UTF-8"):
        LogSource(tmp_path, tmp_path).statement("ads")


def test_a_statement_that_does_not_read_the_days_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source_ads.sql").write_text("select $day, '$paths' as text")
    with pytest.raises(ConfigError, match=r"source_ads\.sql does not read \$paths, the day's files"):
        LogSource("logs", tmp_path).statement("ads")


def _placed(**tables: Any) -> SourcesConfig:
    return SourcesConfig.model_validate(tables)


def test_a_table_has_days_where_its_template_says(tmp_path: Path) -> None:
    for name in ("2026-01-01", "2026-01-02"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part-0.parquet").touch()
    source = LogSource(tmp_path, tables=_placed(ads={"files": "{day}/*.parquet"}))
    first, day = date(2026, 1, 1), date(2026, 1, 2)
    assert source.table("ads").days() == {first, day}
    assert source.newest_day("ads") == day
    assert source.day_files("ads", day) == [tmp_path / "2026-01-02/part-0.parquet"]
    source.refresh(day)  # files are as they are
    assert (source.has_day("ads", day), source.has_day("ads", date(2026, 1, 3))) == (True, False)
    assert source.available_days() == ()
    with pytest.raises(
        LogsError, match=r"requests/date=\{day\}/\*\.parquet has no day of requests; write one"
    ):
        source.newest_day("requests")


def test_a_day_is_there_when_all_three_tables_have_it(tmp_path: Path) -> None:
    for table in TABLES:
        for name in ("date=2026-01-02", "date=2026-01-01", "date=today", "other"):
            (tmp_path / table / name).mkdir(parents=True)
    (tmp_path / "ads" / "date=2026-01-02").rmdir()
    assert LogSource(tmp_path).available_days() == (date(2026, 1, 1),)

"""Statements of a team's own, and those that read the contract's columns as they are."""

from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.logs.source import LogSource
from mtmd.logs.sql import statement


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
        (tmp_path / f"source_{table}.sql").write_text("select 1")
    assert source.bare_statements()["source_ads"] == "select id as ad_id from read_parquet($paths)"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("select 1 -- ;\n", "select 1 -- ;\n"),
        ("select ';', $$;$$ ;;\n-- the end; really\n/* ; */ ; \n", "select ';', $$;$$ "),
        ('select 1 as ";"', 'select 1 as ";"'),
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


def test_a_run_may_read_another_folder_by_the_presets_statements(tiny_preset: Preset) -> None:
    preset = tiny_preset.model_copy(update={"sql": "sql"})
    assert LogSource.of(preset) == LogSource(preset.logs, "sql")
    assert LogSource.of(preset, "elsewhere") == LogSource("elsewhere", "sql")

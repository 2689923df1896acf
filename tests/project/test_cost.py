"""What a run will read and write, compared with what extraction really writes."""

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtmd.config import Preset
from mtmd.extract.stage import extract_day
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource
from mtmd.project.cost import bytes_in_words, day_bytes
from mtmd.project.findings import Part
from tests.project.conftest import AS_OF, Project


def test_the_size_of_a_shard_is_that_of_its_columns(
    tiny_logs: Path, tiny_preset: Preset, tmp_path: Path
) -> None:
    shard = extract_day(LogSource(tiny_logs), AS_OF, tiny_preset.declarations, tmp_path)
    written = sum(path.stat().st_size for path in Path(shard.path).glob("*.arrow"))
    told = day_bytes(tiny_preset, requests=shard.requests, ads=shard.ads, candidates=shard.candidates)
    assert told == pytest.approx(written, rel=0.2)  # Arrow's own headers are some KiB of a small file
    assert told == 80 * (25 + 4 * (5 + 9 + 64)) + 150 * (9 + 4 * (8 + 7 + 16)) + 597 * (13 + 5 * 3)


@pytest.mark.parametrize(
    ("size", "words"),
    [(1023, "1023 bytes"), (1024, "1.0 KiB"), (3 * 2**29, "1.5 GiB"), (2**51, "2048.0 TiB")],
)
def test_bytes_are_told_in_their_largest_unit(size: int, words: str) -> None:
    assert bytes_in_words(size) == words


def test_rows_files_and_shards_of_the_run_are_told(project: Project) -> None:
    rows, files, shards = project.facts(Part.COST)
    assert rows == "rows: 21 days: about 1,680 requests, 3,150 ads, 12,537 candidates"
    size = sum(p.stat().st_size for p in project.logs.rglob("*.parquet") if p.parent.name > "date=2026-01-02")
    assert files.startswith(f"files: 63 files, {size / 2**20:.1f} MiB; read in about ")
    assert shards == "shards: about 1.3 MiB in artifacts/mine/shards"


def _make_remote(project: Project, tables: Sequence[str]) -> None:
    """Delta tables with all days in the place of files."""
    deltalake = pytest.importorskip("deltalake")
    sections = []
    for table in tables:
        written = str(project.root / "delta" / table)
        for folder in sorted((project.logs / table).iterdir()):
            rows = pq.read_table(next(folder.glob("*.parquet")), partitioning=None)
            day = pa.array([folder.name.removeprefix("date=")] * len(rows))
            deltalake.write_deltalake(written, rows.append_column("dt", day), mode="append")
        project.statement(table, "select * exclude (dt) from read_parquet($paths)")
        sections.append(f'[sources.{table}]\nkind = "delta"\npath = "{written}"\nday_column = "dt"\n')
    project.say(*sections)


@pytest.mark.parametrize(
    ("remote", "told"),
    [
        (("ads",), r"files: 42 files, .* beside those of ads, which are fetched; read in about \d+ s"),
        (TABLES, r"files: those of requests, ads and candidates are fetched; read in about \d+ s"),
    ],
)
def test_files_of_remote_tables_are_not_counted_as_none(
    project: Project, remote: Sequence[str], told: str
) -> None:
    _make_remote(project, remote)
    assert re.fullmatch(told, project.facts(Part.COST)[1])

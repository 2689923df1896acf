"""Logs in three kinds of tables at once: validated and extracted as files are, and a day again when its rows change."""

from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtmd.config import Preset, SourcesConfig
from mtmd.errors import LogsError
from mtmd.extract.shards import read_manifest
from mtmd.extract.stage import extract
from mtmd.logs.source import LogSource
from mtmd.run import RunPlan
from mtmd.validate.stage import validate
from tests.conftest import FIRST_DAY
from tests.extras.tables.conftest import Remote, empty, server

pytestmark = pytest.mark.slow

__all__ = ["server"]
KINDS = {"requests": "postgresql", "ads": "delta", "candidates": "iceberg"}
DAYS = tuple(FIRST_DAY + timedelta(days=n) for n in range(2))


def day_rows(logs: Path, table: str, day: date) -> pa.Table:
    (file,) = LogSource(logs).day_files(table, day)
    read = pq.read_table(file, partitioning=None)
    return read.append_column("day", pa.array([day] * len(read), pa.date32()))


def planned(preset: Preset, logs: Path, artifacts: Path) -> RunPlan:
    return RunPlan(as_of=DAYS[-1], days=DAYS[:-1], preset=preset, logs=str(logs), artifacts=str(artifacts))


def test_days_are_read_like_files_and_again_when_their_rows_change(
    *, tiny_logs: Path, tiny_preset: Preset, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with ExitStack() as stack:
        remotes: dict[str, Remote] = {}
        sections = {}
        for table, kind in KINDS.items():
            remotes[table] = empty(kind, tmp_path / table, stack, request)
            for day in DAYS:
                remotes[table].append(day_rows(tiny_logs, table, day))
            columns = [name for name in day_rows(tiny_logs, table, DAYS[0]).column_names if name != "day"]
            sections[table] = remotes[table].section | {"columns": columns}
        sections["ads"]["path"] = str(tmp_path / "ads" / sections["ads"]["path"])
        preset = tiny_preset.model_copy(update={"sources": SourcesConfig.model_validate(sections)})
        plan = planned(preset, tmp_path, tmp_path / "remote")
        assert plan.source.available_days() == DAYS

        quality = validate(plan)
        usual = planned(tiny_preset, tiny_logs, tmp_path / "files")
        by_files = validate(usual)
        assert [day.passed for day in quality.days] == [True, True]
        assert [day.profile for day in quality.days] == [day.profile for day in by_files.days]
        assert validate(plan).reused == DAYS
        shard, other = (
            read_manifest(Path(extract(run, DAYS[0], found.sources[0]).path))
            for run, found in ((plan, quality), (usual, by_files))
        )
        assert shard.files == other.files
        assert list(shard.sources["ads"]) == ["part-0.parquet"]

        remotes["candidates"].append(day_rows(tiny_logs, "candidates", DAYS[1]).slice(0, 0))
        assert validate(plan).reused == DAYS
        remotes["candidates"].delete(int(day_rows(tiny_logs, "candidates", DAYS[1])["ad_id"][0].as_py()))
        again = validate(plan)
        changed = [
            day for day, old, new in zip(DAYS, quality.sources, again.sources, strict=True) if old != new
        ]
        assert DAYS[1] in changed
        assert again.reused == tuple(day for day in DAYS if day not in changed)
        with pytest.raises(LogsError, match=f"logs of {DAYS[1]} changed after they were validated"):
            extract(plan, DAYS[1], quality.sources[1])

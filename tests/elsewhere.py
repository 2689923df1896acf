"""The same logs in other places and formats than those of the simulated platform."""

from pathlib import Path

import duckdb

from mtmd.config import SourcesConfig
from mtmd.logs.source import LogSource

SOURCES = {
    "requests": {"files": "r/{day}.parquet"},
    "ads": {"files": "a/year={day:%Y}/month={day:%-m}/{day:%d}-*.parquet"},
    "candidates": {"files": "c/{day:%Y%m%d}/*/*.parquet"},
}


def laid_out(logs: Path, folder: Path) -> SourcesConfig:
    """Write all days of `logs` to `folder`: requests a file a day, ads and candidates in two."""
    with duckdb.connect() as connection:
        for day in LogSource(logs).available_days():
            ads = folder / f"a/year={day.year}/month={day.month}/{day:%d}"
            for table, part, path in (
                ("requests", "", folder / f"r/{day}.parquet"),
                ("ads", "limit 3", Path(f"{ads}-0.parquet")),
                ("ads", "offset 3", Path(f"{ads}-1.parquet")),
                ("candidates", "where ad_id % 2 = 0", folder / f"c/{day:%Y%m%d}/eu/part-0.parquet"),
                ("candidates", "where ad_id % 2 = 1", folder / f"c/{day:%Y%m%d}/us/part-0.parquet"),
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                (file,) = LogSource(logs).day_files(table, day)
                connection.execute(
                    f"copy (from read_parquet('{file}', hive_partitioning = false) {part}) to '{path}'"
                )
    return SourcesConfig.model_validate(SOURCES)

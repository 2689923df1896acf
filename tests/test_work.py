"""What a day costs, in counts that DuckDB logs itself: a structural saving that is lost fails here, at any speed."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mtmd.config import Preset, load_preset
from mtmd.extract import stage as extraction
from mtmd.extract.stage import extract_day
from mtmd.logs import digests
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource
from mtmd.run import plan_window
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import simulate
from mtmd.validate import runner
from mtmd.validate.results import DayProfile
from mtmd.validate.runner import validate_day

DAY = date(2026, 1, 2)
FOOTER = 16384  # bytes that DuckDB reads of a file's end to find what is where
LOGGING = "call enable_logging(['FileSystem', 'QueryLog'])"
TABLES_MADE = "select table_name, estimated_size from duckdb_tables()"
REQUESTS = 2000


class Work:
    """What DuckDB logged."""

    def __init__(self, logs: Path, messages: list[tuple[str, str]], tables: dict[str, int]) -> None:
        self.tables = tables  # that were made → rows
        self.statements = sum(kind == "QueryLog" for kind, _ in messages)
        files = [json.loads(message) for kind, message in messages if kind == "FileSystem"]
        self._reads = [entry for entry in files if entry["op"] == "READ"]
        self._logs = logs

    def scans(self, table: str) -> dict[str, int]:
        """How many times the first pages of each column of the day's file were read."""
        (path,) = (self._logs / table / f"date={DAY}").glob("*.parquet")
        size, group = path.stat().st_size, pq.read_metadata(path).row_group(0)
        found: Counter[str] = Counter()
        for column in map(group.column, range(group.num_columns)):
            start = column.dictionary_page_offset or column.data_page_offset
            for read in self._reads:
                first, end = int(read["pos"]), int(read["pos"]) + int(read["bytes"])
                footer = end == size and end - first == FOOTER
                pages = first <= start and start + column.total_compressed_size <= end and not footer
                found[column.path_in_schema.split(".")[0]] += pages and Path(read["path"]) == path
        return dict(found)


@pytest.fixture(scope="module")
def demo() -> Preset:
    return load_preset("demo")


@pytest.fixture(scope="module")
def demo_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days large enough that DuckDB does not read a file as a whole."""
    logs = tmp_path_factory.mktemp("work")
    simulate(
        WorldConfig.sized(0, requests_per_day=REQUESTS, users=1000, ads=2400),
        DAY - timedelta(days=1),
        DAY,
        logs,
    )
    return logs


@pytest.fixture
def extracted(demo_logs: Path, demo: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    messages: list[tuple[str, str]] = []
    tables: dict[str, int] = {}
    session = extraction.session

    @contextmanager
    def logged(spill: Path, _roots: object) -> Iterator[Any]:  # locked settings can't be told to log
        with session(spill) as connection:
            connection.execute(LOGGING)
            yield connection
            messages.extend(connection.execute("select type, message from duckdb_logs").fetchall())
            tables.update(connection.execute(TABLES_MADE).fetchall())

    monkeypatch.setattr(extraction, "session", logged)
    extract_day(LogSource(demo_logs), DAY, demo.declarations, tmp_path)
    return Work(demo_logs, messages, tables)


@pytest.fixture(scope="module")
def day_before(demo_logs: Path, demo: Preset) -> DayProfile:
    return validate_day(LogSource(demo_logs), DAY - timedelta(days=1), demo).profile


@pytest.fixture
def validate(
    demo_logs: Path, demo: Preset, day_before: DayProfile, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[Work, int]]:
    """Validates the day; what it took, and how many expectations there are."""
    messages: list[tuple[str, str]] = []
    tables: dict[str, int] = {}
    database = runner.database

    @contextmanager
    def logged(_roots: object) -> Iterator[Any]:
        with database() as opened:
            opened.rows(LOGGING)
            yield opened
            messages.extend((row["type"], row["message"]) for row in opened.rows("from duckdb_logs"))
            tables.update((row["table_name"], row["estimated_size"]) for row in opened.rows(TABLES_MADE))

    def run() -> tuple[Work, int]:
        monkeypatch.setattr(runner, "database", logged)
        validation = validate_day(LogSource(demo_logs), DAY, demo, [day_before])
        assert validation.passed
        return Work(demo_logs, messages, tables), len(validation.results)

    return run


def test_extraction_reads_each_column_once_and_keys_twice(extracted: Work) -> None:
    assert set(extracted.scans("candidates").values()) == {1}
    requests = extracted.scans("requests")
    assert {name for name, times in requests.items() if times > 1} >= {"request_id", "surface"}
    assert requests["user_vector"] == requests["subject_vector"] == 1
    assert max(requests.values()) == 2


def test_extraction_copies_no_source(extracted: Work) -> None:
    assert extracted.tables.keys() == {"stg_request_keys", "stg_ad_keys"}


def test_extraction_takes_a_dozen_statements(extracted: Work) -> None:
    """Three to describe files, two key tables, their counts, one per table of the shard, and three views."""
    assert extracted.statements <= 13


def test_validation_reads_each_column_once(validate: Callable[[], tuple[Work, int]]) -> None:
    work, _ = validate()
    for table in TABLES:
        assert set(work.scans(table).values()) == {1}


def test_validation_takes_two_statements_an_expectation(validate: Callable[[], tuple[Work, int]]) -> None:
    """Great-expectations asks for the number of rows, then for rows; the rest is what the day is staged with."""
    work, expectations = validate()
    assert work.statements <= 2 * expectations + 40


def test_a_window_with_one_new_day_reads_one_day(
    tiny_logs: Path, tiny_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    sha256_file = digests.sha256_file

    def counted(path: Path) -> str:
        read.append(path.parent.name)
        return sha256_file(path)

    monkeypatch.setattr(digests, "sha256_file", counted)
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60 * 10**9)  # the logs were not written just now

    def extract(as_of: date) -> int:
        days = (*plan_window(as_of, 5), as_of)
        return sum(
            not extract_day(LogSource(tiny_logs), day, tiny_preset.declarations, tmp_path).reused
            for day in days
        )

    assert extract(date(2026, 1, 6)) == 6
    read.clear()
    assert extract(date(2026, 1, 7)) == 1
    assert set(read) == {"date=2026-01-07"}
    assert len(read) == sum(
        len(list((tiny_logs / table / "date=2026-01-07").glob("*.parquet"))) for table in TABLES
    )

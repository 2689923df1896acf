"""Logs that are not as the contract says: each error names the table, the day, the file and the column."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.shards import open_shard
from mtmd.extract.sources import source_rows
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource

DAY = date(2026, 3, 1)
Tables = dict[str, list[dict[str, Any]]]
Write = Callable[..., Path]


@pytest.fixture
def refused(logs: Path, tmp_path: Path, declarations: Declarations) -> Callable[..., None]:
    """`refused(*texts)`: extraction fails with a message that has each of them, and leaves no shard."""

    def check(*texts: str) -> None:
        with pytest.raises(LogsError) as caught:
            extract_day(LogSource(logs), DAY, declarations, tmp_path / "shards")
        for text in ("2026-03-01", *texts):
            assert text in str(caught.value)
        assert not list((tmp_path / "shards" / f"date={DAY}").glob("*"))

    return check


def rewrite(logs: Path, table: str, change: Callable[[pa.Table], pa.Table]) -> Path:
    path = logs / table / f"date={DAY}" / "part-0.parquet"
    pq.write_table(change(pq.ParquetFile(path).read()), path)
    return path


@pytest.mark.parametrize(
    ("table", "column"), [("requests", "vector"), ("ads", "ad_id"), ("candidates", "ctr")]
)
def test_pages_that_cannot_be_read_are_refused(
    logs: Path, table: str, column: str, refused: Callable[..., None]
) -> None:
    path = logs / table / f"date={DAY}" / "part-0.parquet"
    footer = pq.ParquetFile(path).metadata.row_group(0)
    places = {
        footer.column(n).path_in_schema.split(".")[0]: footer.column(n) for n in range(footer.num_columns)
    }
    start = places[column].dictionary_page_offset or places[column].data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 12] = b"\xff" * 12  # the page's header
    path.write_bytes(content)
    refused(str(path), "can't be read", "write the file again")


def test_a_missing_day_and_an_empty_directory_are_named(
    logs: Path, tmp_path: Path, declarations: Declarations, refused: Callable[..., None]
) -> None:
    with pytest.raises(LogsError, match=r"requests of 2026-03-09: .* does not exist"):
        extract_day(LogSource(logs), date(2026, 3, 9), declarations, tmp_path / "shards")
    (logs / "candidates" / f"date={DAY}" / "part-0.parquet").unlink()
    refused("candidates of 2026-03-01", "does not exist")


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        (
            "requests",
            {"request_id": 11},
            "requests of 2026-03-01: 3 of 4 rows have a request_id of their own, a ts",
        ),
        ("requests", {"surface": "inbox"}, "requests of 2026-03-01: 3 of 4 rows"),
        ("requests", {"surface": None}, "requests of 2026-03-01: 3 of 4 rows"),
        ("requests", {"ts": None}, "requests of 2026-03-01: 3 of 4 rows"),
        (
            "requests",
            {"request_id": 99},
            "candidates of 2026-03-01: 3 of 5 rows have a request and an ad of the",
        ),
        ("ads", {"ad_id": 7}, "ads of 2026-03-01: 3 of 4 rows have an ad_id of their own"),
        ("ads", {"product": "video"}, "ads of 2026-03-01: 3 of 4 rows"),
        ("ads", {"ad_id": None}, "ads of 2026-03-01: 3 of 4 rows"),
        ("ads", {"ad_id": 99}, "candidates of 2026-03-01: 3 of 5 rows"),
        ("candidates", {"ad_id": 5}, "candidates of 2026-03-01: 4 of 5 rows"),
        ("candidates", {"impressed": None}, "candidates of 2026-03-01: 4 of 5 rows"),
        ("candidates", {"request_id": None}, "candidates of 2026-03-01: 4 of 5 rows"),
        ("candidates", None, "candidates of 2026-03-01: 0 of 0 rows"),
    ],
)
def test_keys_that_do_not_hold_are_counted(
    *,
    table: str,
    change: dict[str, Any] | None,
    words: str,
    logs: Path,
    day: Tables,
    write: Write,
    refused: Callable[..., None],
) -> None:
    day[table][0] |= change or {}
    write(logs, table, DAY, [] if change is None else day[table])
    refused(words)


@pytest.mark.parametrize("name", ["team[12]", "te*am", "te?m", "a]b", "{1,2}", "**"])
def test_a_folder_is_read_by_its_name_and_never_as_a_pattern(
    logs: Path, tmp_path: Path, day: Tables, write: Write, declarations: Declarations, name: str
) -> None:
    # what the names would match as patterns
    for other in ("team1", "team2", "te-am", "team", "tem", "1", "x"):
        for table in ("requests", "ads", "candidates"):
            write(tmp_path / "all" / other, table, DAY, day[table][:1])
    shutil.copytree(logs, tmp_path / "all" / name)
    expected = extract_day(LogSource(logs), DAY, declarations, tmp_path / "shards")
    found = extract_day(LogSource(tmp_path / "all" / name), DAY, declarations, tmp_path / "others")
    assert (found.requests, found.ads, found.candidates) == (4, 4, 5)
    assert found.fingerprint == expected.fingerprint
    for table in ("requests", "ads", "candidates"):
        assert (Path(found.path) / f"{table}.arrow").read_bytes() == (
            Path(expected.path) / f"{table}.arrow"
        ).read_bytes()
    (raw,) = source_rows(LogSource(tmp_path / "all" / name), "ads", DAY, declarations, "ad_id", [6])
    assert raw["product"] == "shopping"


def test_outcomes_that_are_no_tasks_label_may_be_missing(
    logs: Path, tmp_path: Path, declarations: Declarations
) -> None:
    unused = ["position", "good_clicked", "hidden", "repinned"]
    rewrite(logs, "candidates", lambda table: table.drop_columns(unused))
    rewrite(logs, "requests", lambda table: table.append_column("position", [[0] * 4]))
    with pytest.raises(LogsError, match=r"other columns than declared: position \(not"):
        extract_day(LogSource(logs), DAY, declarations, tmp_path / "shards")
    rewrite(logs, "requests", lambda table: table.drop_columns("position"))
    shard = open_shard(Path(extract_day(LogSource(logs), DAY, declarations, tmp_path / "shards").path))
    assert shard.position.tolist() == [-1] * 5
    assert shard.impressed.tolist() == [1, 0, 0, 1, 1]
    assert shard.labels.tolist() == [[0, 0], [-1, -1], [-1, -1], [1, 1], [1, -1]]

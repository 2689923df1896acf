"""Two days of logs small enough to work out by hand, and a writer that damages them on purpose."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtmd.config import Declarations, Domains, Task
from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.features import feature
from mtmd.logs.contract import table_columns
from mtmd.logs.encoding import arrow_schema
from mtmd.logs.source import LogSource

DAY = date(2026, 3, 1)
NEXT_DAY = date(2026, 3, 2)

Rows = list[dict[str, Any]]


def request(request_id: int, surface: str, **features: Any) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "ts": datetime(2026, 3, 1, 12),
        "surface": surface,
        "user_id": 7,
        "country": "fr",
        "activity": 3.0,
        "vector": [0.5, -0.5],
    } | features


def ad(ad_id: int, product: str, **features: Any) -> dict[str, Any]:
    return {"ad_id": ad_id, "product": product, "goal": "click", "bid": 1.5, "topic": 4} | features


def candidate(request_id: int, ad_id: int, ctr: float | None, **rest: Any) -> dict[str, Any]:
    return {"request_id": request_id, "ad_id": ad_id, "ctr": ctr, "impressed": False} | rest


def shown(position: int, clicked: bool, outbound: bool | None) -> dict[str, Any]:
    return {
        "impressed": True,
        "position": position,
        "clicked": clicked,
        "good_clicked": False,
        "outbound_clicked": outbound,
        "hidden": False,
        "repinned": False,
    }


def hand_made_day() -> dict[str, Rows]:
    """Four requests (13 has no candidate), four ads (6 is never one) and five candidates, out of order."""
    return {
        "requests": [
            request(12, "search", country=None, vector=None),
            request(11, "home_feed", activity=None),
            request(10, "search", user_id=8, activity=-3.0, vector=[1.0, 2.0]),
            request(13, "home_feed"),
        ],
        "ads": [
            ad(5, "shopping", bid=None),
            ad(9, "standard", topic=None),
            ad(7, "standard"),
            ad(6, "shopping"),
        ],
        "candidates": [
            candidate(10, 7, 0.25, octr=0.125),
            candidate(12, 5, 0.5, **shown(2, True, None)),
            candidate(10, 5, 0.75),
            candidate(11, 9, 0.0625, octr=0.03125, **shown(1, False, False)),
            candidate(12, 7, 0.375, octr=0.25, **shown(1, True, True)),
        ],
    }


def write_table(
    logs: Path, table: str, day: date, rows: Rows, *, name: str = "part-0.parquet", schema: pa.Schema = None
) -> Path:
    path = logs / table / f"date={day}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema or SCHEMAS[table]), path)
    return path


DECLARED = Declarations(
    domains=Domains(
        surfaces=("home_feed", "search"),
        products=("standard", "shopping"),
        tasks=(
            Task(name="ctr", label="clicked"),
            Task(name="octr", label="outbound_clicked", parent="ctr", products=("standard",)),
        ),
    ),
    features=(
        feature(name="user_id", side="query", kind="categorical", type="BIGINT", buckets=1000),
        feature(name="country", side="query", kind="categorical", buckets=50, shallow=True),
        feature(name="activity", side="query", kind="continuous", log1p=True),
        feature(name="vector", side="query", kind="embedding", width=2),
        feature(name="bid", side="item", kind="continuous"),
        feature(name="goal", side="item", kind="categorical", buckets=8, shallow=True),
        feature(name="topic", side="item", kind="categorical", type="INTEGER", buckets=100),
    ),
    hash_seed=3,
)
SCHEMAS = {table: arrow_schema(columns) for table, columns in table_columns(DECLARED).items()}


@pytest.fixture
def declarations() -> Declarations:
    return DECLARED


@pytest.fixture
def day() -> dict[str, Rows]:
    """The hand-made tables, to change before they are written."""
    return hand_made_day()


@pytest.fixture
def write() -> Callable[..., Path]:
    """`write(logs, table, day, rows, name=…, schema=…)`: one Parquet file."""
    return write_table


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The hand-made day as 2026-03-01 and as 2026-03-02."""
    root = tmp_path / "logs"
    for when in (DAY, NEXT_DAY):
        for table, rows in hand_made_day().items():
            write_table(root, table, when, rows)
    return root


@pytest.fixture
def shard(logs: Path, tmp_path: Path, declarations: Declarations) -> Shard:
    return open_shard(
        Path(extract_day(LogSource(logs), DAY, declarations, tmp_path / "shards").path), verify=True
    )

"""Requests and users with text ids, ads with UUIDs: from logs to `/rank`, each id as the logs have it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from mtmd.config import Preset
from mtmd.export.bundle import bundle_id, export_bundle
from mtmd.export.fresh_process import RawRows, check_answers, check_fresh_process, sample_raw_rows
from mtmd.extract.batches import day_batches
from mtmd.extract.shards import Shard, open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.contract import id_number
from mtmd.logs.source import LogSource
from mtmd.model.mtmd.network import MTMD
from mtmd.model.ranker import build_model
from mtmd.publish.stage import publish
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.serve.http.intake import Settings
from mtmd.store.files import write_json
from mtmd.store.workspace import Workspace
from mtmd.validate.runner import validate_day
from tests.serve.http.conftest import Client, serving

pytestmark = pytest.mark.slow

DAYS = (date(2026, 1, 1), date(2026, 1, 2))
DAY = DAYS[-1]
PRESET = Preset.model_validate(
    {
        "name": "texts",
        "logs": "unused",
        "ids": {"request": "VARCHAR", "user": "VARCHAR", "ad": "VARCHAR"},
        "domains": {
            "surfaces": ["home_feed"],
            "products": ["shopping"],
            "tasks": [{"name": "ctr", "label": "clicked"}],
        },
        "features": [
            {"name": "user_id", "side": "query", "kind": "categorical", "buckets": 500},
            {"name": "country", "side": "query", "kind": "categorical", "buckets": 50, "shallow": True},
            {"name": "ad_id", "side": "item", "kind": "categorical", "buckets": 500},
            {"name": "goal", "side": "item", "kind": "categorical", "buckets": 8, "shallow": True},
        ],
        "data": {"min_domain_rows": 5},
        "model": {
            "expert_widths": [8],
            "shallow_widths": [4],
            "router_widths": [4],
            "cross_layers": 1,
            "cross_rank": 4,
            "norm_min_rows": 4,
            "emb_deep": 4,
        },
        "training": {"batch_requests": 32, "loss_weights": {"ctr": 1.0}},
    }
)
_UUID = "'6f1c2a9e-0b7d-4c58-9a43-' || lpad(cast(ad_id as varchar), 12, '0')"
SELECTIONS = {  # ads have DuckDB's UUID, candidates its text: one ad all the same
    "requests": "select 'req/' || request_id as request_id, ts, surface, 'ü-' || user_id as user_id, country "
    "from {requests} where surface = 'home_feed'",
    "ads": f"select cast({_UUID} as uuid) as ad_id, product, goal, bid from {{ads}} where product = 'shopping'",
    "candidates": f"select 'req/' || request_id as request_id, {_UUID} as ad_id, ctr, impressed, clicked "
    "from {candidates} semi join (from {requests} where surface = 'home_feed') using (request_id) "
    "semi join (from {ads} where product = 'shopping') using (ad_id)",
}


@dataclass(frozen=True)
class TextIds:
    """Two days of logs, the shard of the second, and a model of it that is live."""

    source: LogSource
    shards: tuple[Shard, ...]
    model: MTMD
    bundle: Path
    workspace: Workspace
    rows: RawRows


@pytest.fixture(scope="module")
def text_ids(tiny_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> TextIds:
    root = tmp_path_factory.mktemp("ids")
    _write_logs(tiny_logs, root / "logs")
    source, workspace = LogSource(root / "logs"), Workspace(root / "line")
    refs = [extract_day(source, day, PRESET.declarations, workspace.shards) for day in DAYS]
    shards = tuple(open_shard(Path(ref.path)) for ref in refs)
    model = build_model("mtmd", PRESET)
    assert isinstance(model, MTMD)
    for batch in day_batches(shards[-1], PRESET.declarations, 32):
        model.observe(batch)
    model.eval()
    registry = Registry(workspace.root)

    def build(directory: Path) -> None:
        export_bundle(model, PRESET, directory)
        write_json(directory / "metrics.json", {})

    manifest = ModelManifest(
        model_id="first",
        as_of=DAY,
        bundle_id=bundle_id(model, PRESET),
        window={},
        git_commit=None,
        seeds={},
        packages={},
    )
    registry.add(build, manifest)
    registry.promote("first", DAY, "good", 0)
    publish(workspace, source, DAY)
    rows = sample_raw_rows(source, shards[-1], PRESET.declarations)
    return TextIds(source, shards, model, registry.path("first"), workspace, rows)


def _write_logs(tiny: Path, logs: Path) -> None:
    with duckdb.connect() as connection:
        for day in DAYS:
            tables = {
                table: f"read_parquet('{tiny / table}/date={day}/*.parquet', hive_partitioning = false)"
                for table in SELECTIONS
            }
            for table, selection in SELECTIONS.items():
                folder = logs / table / f"date={day}"
                folder.mkdir(parents=True)
                connection.execute(
                    f"copy ({selection.format(**tables)}) to '{folder}/a.parquet' (format parquet)"
                )


@pytest.fixture(scope="module")
def client(text_ids: TextIds) -> Iterator[Client]:
    with serving(text_ids.workspace.root, Settings()) as client:
        yield client


def test_such_logs_hold_every_expectation(text_ids: TextIds) -> None:
    before = validate_day(text_ids.source, DAYS[0], PRESET).profile
    validated = validate_day(text_ids.source, DAY, PRESET, [before])
    assert validated.failures == ()


def test_a_shard_has_a_number_of_each_id_in_the_order_of_the_ids(text_ids: TextIds) -> None:
    with duckdb.connect() as connection:
        logs = text_ids.source.root
        ids = {
            table: [key for (key,) in connection.execute(
                f"select cast({key} as varchar) as id from '{logs}/{table}/date={DAY}/*.parquet' order by id"
            ).fetchall()]
            for table, key in (("requests", "request_id"), ("ads", "ad_id"))
        }  # fmt: skip
    shard = text_ids.shards[-1]
    assert shard.request_id.tolist() == [id_number(one) for one in ids["requests"]]
    assert shard.ad_id.tolist() == [id_number(one) for one in ids["ads"]]
    assert ids["ads"][0].startswith("6f1c2a9e-0b7d-4c58-9a43-")


def test_the_bundle_answers_raw_rows_as_the_model_does(text_ids: TextIds) -> None:
    assert all(row["request_id"].startswith("req/") for row in text_ids.rows.requests)
    assert all(row["user_id"].startswith("ü-") for row in text_ids.rows.requests)
    assert all(row["ad_id"] == str(UUID(row["ad_id"])) for row in text_ids.rows.ads)
    report = check_fresh_process(text_ids.bundle, text_ids.shards[-1], text_ids.rows, PRESET)
    assert report.passed, report.detail
    assert "1 surfaces × 1 products" in check_answers(text_ids.bundle)


def test_the_service_ranks_with_ids_as_the_logs_have_them(client: Client, text_ids: TextIds) -> None:
    requests = list(text_ids.rows.requests)
    named = [row["ad_id"] for row in text_ids.rows.ads]
    unknown = str(UUID(int=7))
    status, answer = client.post("/rank", {"requests": requests, "ad_ids": [*named, unknown]})
    assert status == 200, answer
    assert [own["request_id"] for own in answer["requests"]] == [row["request_id"] for row in requests]
    for own in answer["requests"]:
        assert {ad["ad_id"] for ad in own["ads"]} == {row["ad_id"] for row in text_ids.rows.ads}
    assert answer["unpublished"] == [unknown]
    _, every = client.post("/rank", {"requests": requests[:1], "top_k": 500})
    assert len(every["requests"][0]["ads"]) == text_ids.shards[-1].ads

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Preset, SourcesConfig
from mtmd.mirrors.datasets import Dataset, log_tables, stored

PG = {"kind": "postgresql", "connection": "ADS_DATABASE", "table": "ads", "day_column": "day"}
ICEBERG = {"kind": "iceberg", "table": "lake.ads", "day_column": "day"}
DELTA = {"kind": "delta", "day_column": "day"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, ("file", "{logs}/ads")),
        ({"files": "raw/{day}/ads.parquet"}, ("file", "{logs}/raw")),
        ({"files": "/data/year={day:%Y}/m={day:%m}/d={day:%d}/*.parquet"}, ("file", "/data")),
        (PG, ("postgres://db.internal:5432", "shop.public.ads")),
        (PG | {"table": "raw.ads"}, ("postgres://db.internal:5432", "shop.raw.ads")),
        (ICEBERG | {"catalog": "prod"}, ("iceberg://prod", "lake.ads")),
        (
            ICEBERG | {"catalog": "prod", "properties": {"uri": "https://me:secret@catalog:8181/v1"}},
            ("iceberg://catalog:8181", "lake.ads"),
        ),
        (ICEBERG | {"table": "lake/v1.metadata.json"}, ("file", "{logs}/lake/v1.metadata.json")),
        (DELTA | {"path": "s3://bucket/lake/ads"}, ("s3://bucket", "lake/ads")),
        (
            DELTA | {"path": "abfss://logs@account.dfs.core.windows.net/lake/ads"},
            ("abfss://logs@account.dfs.core.windows.net", "lake/ads"),
        ),
        (DELTA | {"path": "file:///lake/ads"}, ("file", "/lake/ads")),
    ],
)
def test_a_table_is_named_by_where_it_is(
    tiny_preset: Preset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    monkeypatch.setenv("ADS_DATABASE", "postgresql://me:secret@db.internal/shop")
    found = log_tables(_with(tiny_preset, ads=source), str(tmp_path))
    assert found["ads"] == (Dataset(expected[0], expected[1].replace("{logs}", str(tmp_path))),)


def test_a_database_that_the_environment_does_not_name_keeps_its_table(tiny_preset: Preset) -> None:
    assert log_tables(_with(tiny_preset, ads=PG), "logs")["ads"] == (Dataset("postgres", "public.ads"),)


@pytest.mark.parametrize(
    ("connection", "host"),
    [
        ("postgresql://me:secret@a.internal:5433,b.internal:5434/shop", "a.internal:5433"),
        ("postgresql://me:secret@a.internal,b.internal/shop?target_session_attrs=any", "a.internal:5432"),
        ("postgresql://[::1]:5433/shop", "::1:5433"),
    ],
)
def test_a_database_on_several_hosts_is_named_by_the_first(
    tiny_preset: Preset, monkeypatch: pytest.MonkeyPatch, connection: str, host: str
) -> None:
    monkeypatch.setenv("ADS_DATABASE", connection)
    found = log_tables(_with(tiny_preset, ads=PG), "logs")["ads"]
    assert found == (Dataset(f"postgres://{host}", "shop.public.ads"),)


def test_tables_that_share_a_folder_are_told_apart_by_their_files(
    tiny_preset: Preset, tmp_path: Path
) -> None:
    files = {name: {"files": f"{{day}}/{name}.parquet"} for name in ("requests", "ads")}
    found = log_tables(_with(tiny_preset, **files), str(tmp_path))
    assert found["ads"] == (Dataset("file", f"{tmp_path}/{{day}}/ads.parquet"),)
    assert found["requests"] == (Dataset("file", f"{tmp_path}/{{day}}/requests.parquet"),)
    assert found["candidates"] == (Dataset("file", f"{tmp_path}/candidates"),)


def test_each_of_several_places_is_a_dataset(tiny_preset: Preset, tmp_path: Path) -> None:
    places = {"files": ("eu/{day}/ads.parquet", "us/{day}/ads.parquet")}
    found = log_tables(_with(tiny_preset, ads=places), str(tmp_path))
    assert found["ads"] == (Dataset("file", f"{tmp_path}/eu"), Dataset("file", f"{tmp_path}/us"))


def test_logs_in_a_bucket_are_named_by_their_objects(tiny_preset: Preset) -> None:
    ads = {"files": "s3://other/raw/{day}/ads.parquet"}
    found = log_tables(_with(tiny_preset, ads=ads, candidates=DELTA | {"path": "lake"}), "s3://logs/team/")
    assert found == {
        "requests": (Dataset("s3://logs", "team/requests"),),
        "ads": (Dataset("s3://other", "raw"),),
        "candidates": (Dataset("s3://logs", "team/lake"),),
    }
    together = {name: {"files": f"s3://logs/{{day}}/{name}.parquet"} for name in ("requests", "ads")}
    assert log_tables(_with(tiny_preset, **together), "logs")["ads"] == (
        Dataset("s3://logs", "{day}/ads.parquet"),
    )


def test_artifacts_in_a_bucket_have_one_name_on_all_machines(machine: Callable[[str], Path]) -> None:
    assert stored(machine("a") / "models") == stored(machine("b") / "models")
    assert stored(machine("a") / "models") == Dataset("s3://art", "team/line/models")


def _with(preset: Preset, **tables: dict[str, Any]) -> Preset:
    return preset.model_copy(update={"sources": SourcesConfig.model_validate(tables)})

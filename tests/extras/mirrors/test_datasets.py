from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Preset, SourcesConfig
from mtmd.extras.mirrors.events import Dataset, log_tables, stored

PG = {"kind": "postgresql", "connection": "ADS_DATABASE", "table": "ads", "day_column": "day"}
ICEBERG = {"kind": "iceberg", "table": "lake.ads", "day_column": "day"}
DELTA = {"kind": "delta", "day_column": "day"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, ("file", "{logs}/ads")),
        ({"files": "raw/{day}/ads.parquet"}, ("file", "{logs}/raw")),
        ({"files": "{day}/ads.parquet"}, ("file", "{logs}/{day}/ads.parquet")),
        ({"files": "/data/year={day:%Y}/m={day:%m}/d={day:%d}/*.parquet"}, ("file", "/data")),
        (PG, ("postgresql", "ads")),
        (ICEBERG | {"catalog": "prod"}, ("iceberg", "lake.ads")),
        (DELTA | {"path": "s3://bucket/lake/ads"}, ("delta", "s3://bucket/lake/ads")),
    ],
)
def test_a_table_is_named_by_where_it_is(
    tiny_preset: Preset, tmp_path: Path, source: dict[str, Any], expected: tuple[str, str]
) -> None:
    found = log_tables(_with(tiny_preset, ads=source), str(tmp_path))
    assert found["ads"] == (Dataset(expected[0], expected[1].replace("{logs}", str(tmp_path))),)


def test_each_of_several_places_is_a_dataset(tiny_preset: Preset, tmp_path: Path) -> None:
    places = {"files": ("eu/{day}/ads.parquet", "us/{day}/ads.parquet")}
    found = log_tables(_with(tiny_preset, ads=places), str(tmp_path))
    assert found["ads"] == (Dataset("file", f"{tmp_path}/eu"), Dataset("file", f"{tmp_path}/us"))


def test_logs_in_a_bucket_are_named_by_their_objects(tiny_preset: Preset) -> None:
    ads = {"files": "s3://other/raw/{day}/ads.parquet"}
    found = log_tables(_with(tiny_preset, ads=ads), "s3://logs/team/")
    assert found == {
        "requests": (Dataset("s3://logs", "team/requests"),),
        "ads": (Dataset("s3://other", "raw"),),
        "candidates": (Dataset("s3://logs", "team/candidates"),),
    }


def test_artifacts_in_a_bucket_have_one_name_on_all_machines(machine: Callable[[str], Path]) -> None:
    assert stored(machine("a") / "models") == stored(machine("b") / "models")
    assert stored(machine("a") / "models") == Dataset("s3://art", "team/line/models")


def _with(preset: Preset, **tables: dict[str, Any]) -> Preset:
    return preset.model_copy(update={"sources": SourcesConfig.model_validate(tables)})

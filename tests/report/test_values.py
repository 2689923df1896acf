"""Values of two windows, where the whole run of tests/report/test_stage.py has no such features."""

import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb

from mtmd.config import Feature, Preset
from mtmd.extract.shards import Days, ShardRef
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.registry.registry import Registry
from mtmd.report.values import ValueChange, value_changes
from mtmd.store.workspace import Workspace
from tests.conftest import FIRST_DAY
from tests.registry.conftest import fill_bundle, manifest_of

MODEL = "a"
COUNTRIES_OF_ADS = (("at", "be"), ("be", "ch"), ("ch", "de", "dk"))  # by day


def _deliver(place: Path, tiny_logs: Path, preset: Preset) -> list[ShardRef]:
    """Shards of days whose ads have countries too."""
    refs = []
    for number, countries in enumerate(COUNTRIES_OF_ADS):
        day = FIRST_DAY + timedelta(days=number)
        for table in ("requests", "ads", "candidates"):
            name = f"{table}/date={day}"
            shutil.copytree(tiny_logs / name, place / "logs" / name)
        (file,) = (place / f"logs/ads/date={day}").iterdir()
        rows = f"read_parquet('{file}', hive_partitioning = false)"
        country = f"{list(countries)}[1 + ad_id % {len(countries)}]"
        duckdb.sql(f"copy (select *, {country} as country from {rows}) to '{place / 'new'}' (format parquet)")
        shutil.move(place / "new", file)
        refs.append(
            extract_day(LogSource(place / "logs"), day, preset.declarations, _line(place, preset).shards)
        )
    return refs


def _line(place: Path, preset: Preset) -> Workspace:
    return Workspace.of(str(place / "artifacts"), preset)


def test_of_a_name_that_both_sides_have_each_feature_is_counted(
    tiny_logs: Path, tiny_preset: Preset, tmp_path: Path
) -> None:
    added = Feature(name="country", side="item", kind="categorical", type="VARCHAR", buckets=1000)
    preset = Preset.model_validate(tiny_preset.model_dump() | {"features": (*tiny_preset.features, added)})
    refs = _deliver(tmp_path, tiny_logs, preset)
    window = {ref.day: ref.fingerprint for ref in refs[:2]}
    manifest = manifest_of(MODEL, 3).model_copy(update={"window": window})
    workspace = _line(tmp_path, preset)
    Registry(workspace.root).add(partial(fill_bundle, preset, model_id=MODEL), manifest)
    days = Days(window=tuple(refs[1:]), held_out=refs[2])
    found, why = value_changes(workspace, days, preset.declarations, MODEL)
    own = {change.feature: change for change in found}
    assert why == ""
    assert own["item.country"] == ValueChange("item.country", new=2, gone=1, both=2)
    requests = tmp_path / "logs/requests/*/*.parquet"
    ((countries,),) = duckdb.execute(f"select count(distinct country) from '{requests}'").fetchall()
    assert own["query.country"] == ValueChange("query.country", new=0, gone=0, both=countries)

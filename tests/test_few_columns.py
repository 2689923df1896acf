"""Logs with only what a preset of two tasks uses, in a team's own types: validated, extracted, evaluated."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from mtmd.config import Preset
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.extract.shards import open_shard
from mtmd.extract.snapshot import read_ads
from mtmd.extract.stage import extract_day
from mtmd.logs.source import LogSource
from mtmd.monitor.profiles import profile_features
from mtmd.validate.results import DayValidation, Status
from mtmd.validate.runner import validate_day

pytestmark = pytest.mark.slow

DAY = date(2026, 1, 2)
_ID = "(request_id // 1000000000 - 739600) * 10000 + request_id % 1000000000"  # day and number, in 32 bits
_USED = "ctr, gctr, impressed, clicked, good_clicked"
SELECTIONS = {
    "exact": {
        "requests": f"* replace (cast({_ID} as bigint) as request_id)",
        "ads": "* replace (cast(cast(bid as decimal(18, 4)) as float) as bid)",
        "candidates": f"cast({_ID} as bigint) as request_id, ad_id, {_USED}",
    },
    "teams": {  # what a warehouse may have: narrower ids, doubles, decimals, and times with a zone
        "requests": f"* replace (cast({_ID} as integer) as request_id, cast(ts as timestamptz) as ts)",
        "ads": "* replace (ad_id::integer as ad_id, bid::decimal(18, 4) as bid, price::double as price)",
        "candidates": f"cast({_ID} as integer) as request_id, ad_id::usmallint as ad_id, {_USED}".replace(
            "ctr,", "ctr::double as ctr,", 1
        ),
    },
}


@dataclass(frozen=True)
class TwoTasks:
    """One day of logs in two forms: as declared, and as a team has them."""

    preset: Preset
    exact: LogSource
    teams: LogSource


@pytest.fixture(scope="module")
def two_tasks(tiny_logs: Path, tiny_preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> TwoTasks:
    root = tmp_path_factory.mktemp("two")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for form, selections in SELECTIONS.items():
            for table, selection in selections.items():
                for day in (DAY - timedelta(days=1), DAY):
                    at = f"{table}/date={day}"
                    (root / form / at).mkdir(parents=True)
                    source = f"read_parquet('{tiny_logs / at}/*.parquet', hive_partitioning = false)"
                    connection.execute(
                        f"copy (select {selection} from {source}) to '{root / form / at}/a.parquet' (format parquet)"
                    )
    content = tiny_preset.model_dump()
    content["domains"]["tasks"] = content["domains"]["tasks"][:2]
    del content["model"]["emb_deep"]["octr"], content["training"]["loss_weights"]["octr"]
    preset = Preset.model_validate(content)
    return TwoTasks(preset, LogSource(root / "exact"), LogSource(root / "teams"))


def _validated(source: LogSource, preset: Preset) -> DayValidation:
    before = validate_day(source, DAY - timedelta(days=1), preset).profile
    return validate_day(source, DAY, preset, [before])


def test_such_logs_hold_every_expectation(two_tasks: TwoTasks) -> None:
    exact, teams = (_validated(source, two_tasks.preset) for source in (two_tasks.exact, two_tasks.teams))
    assert teams.passed
    assert teams.profile == exact.profile
    assert {result.status for result in teams.results} == {Status.PASSED}


def test_such_logs_give_the_same_shard_profile_and_evaluation(two_tasks: TwoTasks, tmp_path: Path) -> None:
    declarations = two_tasks.preset.declarations
    files = []
    for source in (two_tasks.exact, two_tasks.teams):
        root = tmp_path / Path(source.root).name
        path = Path(extract_day(source, DAY, declarations, root).path)
        features = profile_features(source, DAY, declarations, root / "profiles")
        files.append([one.read_bytes() for one in (*sorted(path.glob("*.arrow")), features)])
    assert files[0] == files[1]
    ads = [list(read_ads(source, DAY, declarations)) for source in (two_tasks.exact, two_tasks.teams)]
    for one, other in zip(*ads, strict=True):
        np.testing.assert_equal(
            (one.ad_id, one.bid, one.rows.continuous), (other.ad_id, other.bid, other.rows.continuous)
        )
    day = HeldOutDay.of(open_shard(path), declarations)
    predictions = {"mtmd": np.full(day.teacher.shape, -2.0)}
    report = evaluate_predictors(DAY, declarations, day, predictions, two_tasks.preset.evaluation)
    for where in report.aggregates:
        assert report.get("mtmd", where).impressions == int(day.impressed.sum())

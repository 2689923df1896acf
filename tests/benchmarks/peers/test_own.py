from datetime import timedelta
from pathlib import Path

from benchmarks.peers.own import own_model
from benchmarks.peers.table import comparison_table
from benchmarks.runs import extracted, plan_of
from mtmd.config import Preset
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.extract.shards import open_shard
from tests.conftest import FIRST_DAY


def test_a_model_that_was_trained_before_has_no_rows_a_second(
    tiny_preset: Preset, tiny_logs: Path, tmp_path: Path
) -> None:
    training = tiny_preset.training.model_copy(update={"epochs": 1})
    preset = tiny_preset.model_copy(update={"training": training})
    as_of = FIRST_DAY + timedelta(days=3)
    plan = plan_of(preset, as_of, window_days=3, logs=str(tiny_logs), artifacts=str(tmp_path))
    *window, last = extracted(plan, plan.all_days)
    day, said = open_shard(Path(last.path)), list[str]()
    tables = []
    for _ in range(2):
        scores, cost = own_model(plan, "pooled", window, day, said.append)
        report = evaluate_predictors(
            as_of,
            preset.declarations,
            HeldOutDay.of(day, preset.declarations),
            {"pooled": scores},
            preset.evaluation,
            candidate="pooled",
        )
        rows = comparison_table(report, {"pooled": cost}).texts()
        tables.append({row[0]: row[-1] for row in rows if not row[1]})
    assert said == ["pooled: trained", "pooled: found in the artifacts"]
    first, second = tables
    speeds = {"training rows/s", "training rows/s × MFLOP"}
    assert all(float(first[speed].replace(",", "")) > 0 for speed in speeds)
    assert {speed: second[speed] for speed in speeds} == dict.fromkeys(speeds, "–")
    assert {name: first[name] for name in first.keys() - speeds} == {
        name: second[name] for name in second.keys() - speeds
    }

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mtmd.config import IdsConfig, Preset
from mtmd.errors import BundleError, EvaluationError
from mtmd.evaluate import stage as evaluate_stage
from mtmd.evaluate.stage import registered_scores
from mtmd.export import stage as export_stage
from mtmd.extract.shards import open_shard
from mtmd.registry.incumbent import Incumbent
from mtmd.train.stage import Trained
from tests.daily import Done


def _named(trained: Trained) -> Trained:
    return trained.model_copy(update={"key": "f" * 64})  # another candidate with the same weights


def test_the_model_id_holds_the_day_and_the_trainings_key(done: Done) -> None:
    mtmd = done.trained[0]
    day, digits = export_stage.model_id(done.plan, mtmd, done.days.held_out).split("-")
    assert (day, len(digits)) == (f"{done.plan.as_of:%Y%m%d}", 10)
    others = {
        export_stage.model_id(done.plan, _named(mtmd), done.days.held_out),
        export_stage.model_id(done.plan, mtmd, done.days.window[0]),
    }
    assert len({name.split("-")[1] for name in others} - {digits}) == 2


def test_without_a_champion_every_rival_is_evaluated_on_every_slice(done: Done) -> None:
    report = done.evaluated.report
    assert set(report.predictors) == {"mtmd", "per_slice", "pooled", "constant"}
    assert len(report.slices) == 15
    assert done.evaluated.incumbent == Incumbent()
    assert done.evaluated.reused


def test_a_champion_whose_files_were_altered_is_not_compared_with(done_live: Done) -> None:
    trained = (_named(done_live.trained[0]), *done_live.trained[1:])
    next((done_live.registry.models).glob("*/query_search.onnx")).write_bytes(b"altered")
    with pytest.raises(BundleError, match=r"query_search\.onnx of model"):
        evaluate_stage.evaluate(done_live.plan, trained, done_live.days, "20260121-other")


def test_aregistered_scores_as_the_model_that_it_was_exported_from(done_live: Done) -> None:
    trained = (_named(done_live.trained[0]), *done_live.trained[1:])
    held = evaluate_stage.evaluate(done_live.plan, trained, done_live.days, "20260121-other")
    assert held.incumbent.compared == done_live.exported.model_id
    for where in held.report.slices:
        own, champion = held.report.get("mtmd", where), held.report.get("champion", where)
        assert champion.logmae == pytest.approx(own.logmae, rel=1e-3)


def test_a_champion_with_another_tree_of_tasks_is_compared(done_live: Done, tiny_preset: Preset) -> None:
    """What depends on what is each model's own affair: the slices are the same."""
    domains = tiny_preset.domains
    tasks = [task.model_copy(update={"parent": None}) for task in domains.tasks]
    tasks[0] = tasks[0].model_copy(update={"products": domains.products})  # all, as when it is left out
    changed = domains.model_copy(update={"constrained": False, "tasks": tuple(tasks)})
    preset = Preset.model_validate(tiny_preset.model_dump() | {"domains": changed.model_dump()})
    shard = open_shard(Path(done_live.days.held_out.path))
    scores = registered_scores(done_live.plan, done_live.exported.model_id, shard)
    plan = done_live.plan.model_copy(update={"preset": preset})
    assert registered_scores(plan, done_live.exported.model_id, shard).tobytes() == scores.tobytes()


def test_a_champion_that_learned_from_scores_reads_a_day_without(
    done_live: Done, tiny_preset: Preset, tmp_path: Path
) -> None:
    given, model = done_live.plan, done_live.exported.model_id
    scores = registered_scores(given, model, open_shard(Path(done_live.days.held_out.path)))
    logs = shutil.copytree(given.logs, tmp_path / "logs")
    (file,) = (logs / "candidates" / f"date={given.as_of}").glob("*.parquet")
    table = pq.ParquetFile(file).read()
    pq.write_table(table.drop_columns(list(tiny_preset.domains.score_tasks)), file)
    wider = {"buckets": 999}
    changed = [one.model_dump() | (wider if one.name == "country" else {}) for one in tiny_preset.features]
    preset = Preset.model_validate(tiny_preset.model_dump() | {"features": changed})
    plan = given.model_copy(update={"preset": preset, "logs": str(logs), "artifacts": str(tmp_path)})
    shutil.copytree(given.workspace.root / "models", plan.workspace.root / "models")
    shard = open_shard(Path(done_live.days.held_out.path))
    assert registered_scores(plan, model, shard).tobytes() == scores.tobytes()


@pytest.mark.parametrize(
    ("domains", "ids", "why"),
    [
        ({"products": ("shopping", "standard")}, {}, "cannot be compared slice by slice"),
        ({"surfaces": ("home_feed", "search")}, {}, "cannot be compared slice by slice"),
        ({}, {"ad": "VARCHAR"}, r"'ids of requests and ads': \('BIGINT', 'VARCHAR'\).* give the preset"),
    ],
)
def test_a_champion_of_other_domains_or_ids_is_refused(
    done_live: Done, tiny_preset: Preset, domains: dict[str, tuple[str, ...]], ids: dict[str, str], why: str
) -> None:
    """Rows are in the order of the domains, and of the ids."""
    changed = {"domains": tiny_preset.domains.model_copy(update=domains), "ids": IdsConfig(**ids)}
    plan = done_live.plan.model_copy(update={"preset": tiny_preset.model_copy(update=changed)})
    shard = open_shard(Path(done_live.days.held_out.path))
    with pytest.raises(EvaluationError, match=why):
        registered_scores(plan, done_live.exported.model_id, shard)

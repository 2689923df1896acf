"""Ablations: after the decision of a daily run, and as a flow of their own."""

from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from mtmd.config import variants
from mtmd.errors import ConfigError
from mtmd.evaluate.report import EVERYTHING
from mtmd.extract import stage as extract_stage
from mtmd.extract.window import window_fingerprint
from mtmd.flows.ablation import ablation
from mtmd.report.stages import factors_table
from mtmd.report.tables import plain
from mtmd.run import plan_run
from mtmd.train.stage import training_key
from mtmd.validate import stage as validate_stage
from tests.flows.runs import AS_OF, TINY, Run, copied, published, run_daily

pytestmark = pytest.mark.slow
DAILY = ("no_domain_adaptation", "no_dcn", "no_normalisation", "downsampling")


@pytest.fixture(scope="module")
def daily(first_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The first run once more, now with its ablations."""
    artifacts = copied(first_run.artifacts, tmp_path_factory.mktemp("ablation") / "artifacts")
    return run_daily(as_of=AS_OF, logs=first_run.logs, artifacts=artifacts, ablations=True)


def _weekly(logs: Path | str, artifacts: Path | str, *names: str, **more: Any) -> Any:
    """The weekly flow with one seed."""
    places = {"logs": str(logs), "artifacts": str(artifacts)}
    return ablation(AS_OF, preset=TINY, seeds=[0], names=list(names), **places, **more)


def test_the_daily_run_trains_the_rows_of_table_6(daily: Run) -> None:
    assert daily.summary.words.endswith("is already champion")
    assert len(list((daily.root / "trained").glob("mtmd-*"))) >= 1 + len(DAILY)
    found = daily.published
    text = found["ablation"]
    assert str(AS_OF) in text
    for name in DAILY:
        assert f"| {variants('mtmd')[name].factor} |" in text
    assert text.count("Contribution to LogMAE") == 4  # all tasks, and each of three
    page = Path(daily.summary.places["report"]).read_text()
    for name in DAILY:
        assert f'<th scope="row">{variants("mtmd")[name].factor}</th>' in page


def test_the_weekly_flow_reuses_what_was_trained_and_trains_the_rest(daily: Run) -> None:
    """Of the same artifacts: one variant that the daily run has trained, and one more."""
    weekly = _weekly(daily.logs, daily.artifacts, "no_dcn", "unconstrained")
    (report,) = weekly.reports
    assert report.predictors == ("mtmd", "no_dcn", "unconstrained")
    assert (weekly.seeds, weekly.missing) == ((0,), ())
    trained = {path.name for path in (daily.root / "trained").glob("mtmd-*")}
    assert _weekly(daily.logs, daily.artifacts, "no_dcn", "unconstrained") == weekly
    assert {path.name for path in (daily.root / "trained").glob("mtmd-*")} == trained
    assert [row[0] for row in factors_table(weekly.reports, variants("mtmd").values()).rows] == [
        "DCN V2",
        "constrained modelling",
    ]
    assert report.compared("no_dcn", EVERYTHING).improvement is not None


def test_a_variant_whose_training_fails_is_reported_and_the_others_are_compared(
    daily: Run, tmp_path: Path
) -> None:
    """A file lies where the training of `no_routing` would put its checkpoints."""
    artifacts = copied(daily.artifacts, tmp_path / "artifacts")
    plan = plan_run(AS_OF, TINY, logs=str(daily.logs), artifacts=str(artifacts))
    sources = validate_stage.validate(plan).sources
    window = [extract_stage.extract(plan, *day) for day in zip(plan.days, sources[:-1], strict=True)]
    preset = plan.changed("no_routing", 0).preset
    work = plan.workspace.work("mtmd", training_key("mtmd", window_fingerprint(window), preset))
    work.write_text("in the way")
    state = _weekly(plan.logs, plan.artifacts, "no_dcn", "no_routing", return_state=True)
    ablated = state.result()
    (why,) = ablated.missing
    assert why.startswith("train no_routing, seed 0: ")
    assert work.name in why
    assert ablated.reports[0].predictors == ("mtmd", "no_dcn")
    identity = state.state_details.flow_run_id
    assert identity is not None
    assert f"- ✗ **not compared**: {plain(why)}" in published(identity)["ablation"]


def test_wrong_parameters_are_refused_before_anything_runs(first_run: Run, tmp_path: Path) -> None:
    places = {"logs": str(first_run.logs), "artifacts": str(tmp_path / "artifacts")}
    with pytest.raises(ConfigError, match="ablation variant 'no_luck' is not known"):
        ablation(AS_OF, preset=TINY, names=["no_luck"], **places)
    for seeds in ([], [0, -1], [0, 2**63]):
        with pytest.raises(ParameterTypeError, match="seeds"):
            ablation(AS_OF, preset=TINY, seeds=seeds, **places)
    assert not (tmp_path / "artifacts").exists()

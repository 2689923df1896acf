"""The simulated A/B test as a flow: what it trains, compares and publishes."""

import re
from pathlib import Path

import pytest
from prefect.exceptions import ParameterTypeError

from mtmd.config.preset_files import preset_path
from mtmd.errors import ConfigError, LogsError, RegistryError
from mtmd.extract import stage as extract_stage
from mtmd.extract.shards import ShardRef
from mtmd.extras.abtest import stage as abtest_stage
from mtmd.extras.abtest.daily import ab_gate
from mtmd.extras.abtest.flow import ab_test
from mtmd.extras.abtest.outcome import BASELINE, CANDIDATE, POOLED, ABTest, ArmComparison
from mtmd.extras.abtest.page import outcome_tables, whole_tables
from mtmd.extras.abtest.settings import FunnelConfig
from mtmd.extras.abtest.stage import find_ab_test
from mtmd.registry.registry import Registry
from mtmd.report.text import plain
from mtmd.run import RunPlan, plan_run
from mtmd.store.files import read_json
from mtmd.train import stage as train_stage
from mtmd.train.stage import Trained
from mtmd.validate import stage as validate_stage
from tests.daily import run_stages
from tests.flows.runs import AS_OF, LINE, TINY, Run, copied, published, run_daily

SLOTS = FunnelConfig().slots
BOUNDS = ("oracle", "heavyweight", "chance")


@pytest.fixture(scope="module")
def artifacts(first_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(first_run.artifacts, tmp_path_factory.mktemp("ab-test") / "artifacts")


@pytest.fixture(scope="module")
def tested(first_run: Run, artifacts: Path) -> tuple[ABTest, dict[str, str]]:
    index = artifacts / LINE / "index.html"
    index.unlink()
    state = ab_test(
        AS_OF,
        preset=TINY,
        samples=5,
        requests=60,
        logs=str(first_run.logs),
        artifacts=str(artifacts),
        return_state=True,
    )
    identity = state.state_details.flow_run_id
    assert identity is not None
    assert str(AS_OF) in index.read_text()
    return state.result(), published(identity)


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tests' preset, with the test for a gate."""
    path = tmp_path_factory.mktemp("preset") / "gated.toml"
    path.write_text(
        f"{preset_path(TINY).read_text()}\n[extras.abtest]\ngate = true\nsamples = 5\nrequests = 60\n"
    )
    return str(path)


@pytest.fixture(scope="module")
def gated(first_run: Run, preset: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The first run's day by that preset, before anything was promoted."""
    artifacts = tmp_path_factory.mktemp("gated") / "artifacts"
    copied(first_run.artifacts, artifacts, champion=False)
    return run_daily(as_of=AS_OF, logs=first_run.logs, artifacts=artifacts, preset=preset)


def window_of(plan: RunPlan) -> list[ShardRef]:
    sources = validate_stage.validate(plan).sources
    return [extract_stage.extract(plan, *day) for day in zip(plan.days, sources[:-1], strict=True)]


def models(plan: RunPlan, variants: tuple[str | None, ...] = (None, "unconstrained")) -> list[Trained]:
    """What the flows have trained."""
    window = window_of(plan)
    trained = [train_stage.train(plan, kind, window) for kind in (BASELINE, POOLED)]
    trained += [train_stage.train(plan, "mtmd", window, variant=variant) for variant in variants]
    assert all(one.reused for one in trained)
    return trained


def test_it_publishes_the_papers_tables_and_those_of_truth_and_chance(
    tested: tuple[ABTest, dict[str, str]],
) -> None:
    found, artifacts = tested
    text = artifacts["ab-test"]
    for title in (
        "Table 2, by surface: mtmd against per_slice",
        "Table 3, by product",
        "Table 4, by goal",
        "Table 5, constrained against unconstrained",
        "What the truth wins: oracle against per_slice",
        "What chance loses: chance against per_slice",
    ):
        assert f"**{title}" in text
    for metric in ("CPC", "CTR", "GCTR", "OCTR", "HDR", "RPR"):
        assert re.search(rf"^\|  \|.* {metric} \|", text, re.MULTILINE), metric
    assert "\n| home feed | " in text
    assert "\n| conversion | " in text
    assert plain(found.words.split(",")[0]) in text
    assert set(found.used) == {CANDIDATE, BASELINE, POOLED, "unconstrained", *BOUNDS}
    assert all(0.3 < used <= 1.0 for used in found.used.values())
    assert all(0.9 * SLOTS < shown <= SLOTS for shown in found.impressions.values())


def test_who_knows_the_truth_wins_and_who_knows_nothing_loses(
    tested: tuple[ABTest, dict[str, str]],
) -> None:
    found, _ = tested
    for treatment, better in (("oracle", True), ("chance", False)):
        changes = {c.metric: c.change for c in found.of(BASELINE, treatment) if c.kind == "all"}
        assert (changes["CTR"] > 0) is better
        assert (changes["HDR"] < 0) is better
    aligned = {name: own[0].kept for name, own in found.alignment.items()}
    assert aligned["heavyweight"] == 1.0 > aligned["oracle"] > aligned["mtmd"] > aligned["chance"]


def test_a_test_that_was_run_is_taken_from_where_it_is(
    tested: tuple[ABTest, dict[str, str]], first_run: Run, artifacts: Path
) -> None:
    plan = plan_run(AS_OF, TINY, logs=str(first_run.logs), artifacts=str(artifacts))
    trained, ran = models(plan), list[tuple[int, int]]()

    def hear(done: int, of: int) -> None:
        ran.append((done, of))

    assert abtest_stage.ab_test(plan, trained, samples=5, requests=60, on_sample=hear) == tested[0]
    assert ran == []
    with pytest.raises(ConfigError, match=r"models \['per_slice'\] are missing"):
        abtest_stage.ab_test(plan, trained[1:], samples=5, requests=60)
    with pytest.raises(ConfigError, match=r"samples \(4\) must be at least 5"):
        abtest_stage.ab_test(plan, trained, samples=4, requests=60)
    elsewhere = plan.model_copy(update={"logs": str(artifacts)})
    with pytest.raises(LogsError, match="are not of a simulated world"):
        abtest_stage.ab_test(elsewhere, trained, samples=5, requests=60)


def test_the_champion_is_held_against_as_it_is_served(first_run: Run, artifacts: Path) -> None:
    """It is this very model: what is left is the rounding of its export."""
    found = ab_test(
        AS_OF,
        preset=TINY,
        samples=5,
        requests=60,
        control="champion",
        logs=str(first_run.logs),
        artifacts=str(artifacts),
    )
    assert set(found.used) == {CANDIDATE, "champion", BASELINE, POOLED, "unconstrained", *BOUNDS}
    assert found.rivals == ("champion", BASELINE, POOLED)
    assert found.words.startswith("mtmd against champion: CPC ")
    for change in found.of("champion", CANDIDATE):
        assert change.change is None or abs(change.change) < 1e-3
    titles = [table.title for table in outcome_tables(found)]
    assert titles[0] == "All rankers against champion, all impressions"
    assert titles[2] == "Table 2, by surface: mtmd against champion"


def test_the_champion_stands_beside_the_others_where_one_is_named(first_run: Run, artifacts: Path) -> None:
    """Another candidate of the day, of another held-out shard, is compared with what is live."""
    plan = plan_run(AS_OF, TINY, logs=str(first_run.logs), artifacts=str(artifacts))
    trained = models(plan, variants=(None,))
    live = Registry(plan.workspace.root).champion()
    assert live is not None
    found = abtest_stage.ab_test(plan, trained, samples=5, requests=50, champion=live.model_id)
    assert found.rivals == (BASELINE, POOLED, "champion")
    assert abtest_stage.champion_beside(plan, trained[2], window_of(plan)[-1]) == live.model_id
    assert found.follows == {"HDR": "CTR", "RPR": "CTR"}
    assert {row[0] for row in whole_tables(found)[1].rows} == {f"against {name}" for name in found.rivals}
    other = abtest_stage.ab_test(plan, trained, samples=5, requests=50, control="champion")
    assert (other.control, other.used) == ("champion", found.used)  # the same arms, and another comparison
    assert other.of("champion", CANDIDATE) == found.of("champion", CANDIDATE)


def test_the_champion_that_the_candidate_is_compared_with_is_the_control_not_the_live_one(
    first_run: Run, artifacts: Path
) -> None:
    """After its promotion the live one is the candidate itself, and every change would be 0."""
    plan = plan_run(AS_OF, TINY, logs=str(first_run.logs), artifacts=str(artifacts))
    trained, displaced = models(plan, variants=(None,)), "20260120-0123456789"
    with pytest.raises(RegistryError, match=displaced):  # it is asked for, and not there
        abtest_stage.ab_test(plan, trained, samples=5, requests=60, control="champion", champion=displaced)


def test_a_champion_that_is_not_there_is_an_error(first_run: Run, tmp_path: Path) -> None:
    alone = copied(first_run.artifacts, tmp_path / "artifacts", champion=False)
    plan = plan_run(AS_OF, TINY, logs=str(first_run.logs), artifacts=str(alone))
    trained = models(plan, variants=(None,))[1:]
    other = trained[1].model_copy(update={"variant": "unconstrained"})  # is never loaded
    with pytest.raises(RegistryError, match="has no champion to be the control"):
        abtest_stage.ab_test(plan, [trained[1], other], samples=5, requests=60, control="champion")


def test_wrong_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterTypeError, match="samples"):
        ab_test(AS_OF, preset=TINY, samples=4, artifacts=str(tmp_path))


def test_a_daily_run_asks_the_gate_where_its_preset_does(gated: Run) -> None:
    """Nothing is trained for it, and what it says decides."""
    summary = gated.summary
    assert summary.reused["trained models"] == "3 of 3"
    assert len(list((gated.root / "trained").iterdir())) == 3
    (place,) = gated.root.glob("evaluations/*/ab_test.json")
    found = ABTest.model_validate(read_json(place))
    assert (found.samples, found.funnel.requests) == (5, 60)
    assert set(found.used) == {CANDIDATE, BASELINE, POOLED, *BOUNDS}
    (gate,) = (gate for gate in summary.verdict.gates if gate.name == "a/b test")
    assert gate == ab_gate(found, 0.05)
    assert summary.promoted is gate.passed
    told = gated.published
    assert plain(found.words.split(",")[0]) in told["ab-test"]
    assert "Table 5" not in told["ab-test"]
    assert f"- {'✓ **a/b test**: pass' if gate.passed else '✗ **a/b test**: fail'}, " in told["verdict"]


def test_who_knows_bids_alone_would_be_blocked(tested: tuple[ABTest, dict[str, str]]) -> None:
    """The same test, with the ranker by chance for a candidate."""
    lost = ArmComparison(control=BASELINE, treatment=CANDIDATE, changes=tested[0].of(BASELINE, "chance"))
    gate = ab_gate(tested[0].model_copy(update={"comparisons": (lost,)}), 0.05)
    assert not gate.passed
    assert "metrics over all impressions are worse than with the per-slice baselines (" in gate.detail


def test_its_page_has_the_test(first_run: Run, gated: Run) -> None:
    page = Path(gated.summary.places["report"]).read_text()
    assert '<section id="ab-test">' in page
    assert "5 samples of 60 simulated requests of 2026-01-21" in page
    assert "had no part in the decision" not in page
    assert '<section id="ab-test">' not in Path(first_run.summary.places["report"]).read_text()


def test_a_rerun_takes_the_test_from_where_it_is(gated: Run, preset: str) -> None:
    """Also when the candidate is champion by then."""
    (record,) = gated.root.glob("evaluations/*/ab_test.json")
    before = record.stat()
    done = run_stages(gated.logs, gated.artifacts, preset=preset)
    again = done.decide(tested=(ab_gate(abtest_stage.ab_test(done.plan, done.trained), 0.05),))
    assert again.repeated
    assert again.verdict == gated.summary.verdict
    assert again.places == gated.summary.places
    assert [path.stat() for path in gated.root.glob("evaluations/*/ab_test.json")] == [before]


def test_a_test_of_the_presets_size_is_found_and_no_other(
    tested: tuple[ABTest, dict[str, str]], first_run: Run, artifacts: Path, preset: str
) -> None:
    """With Table 5: the page of a run that is written after it has it."""
    plan = plan_run(AS_OF, preset, logs=str(first_run.logs), artifacts=str(artifacts))
    window = window_of(plan)
    trained = models(plan)[:3]
    assert find_ab_test(plan, trained, window) == tested[0]
    other = plan_run(AS_OF, TINY, logs=str(first_run.logs), artifacts=str(artifacts))
    assert find_ab_test(other, trained, window) is None
    assert find_ab_test(plan.model_copy(update={"logs": str(artifacts)}), trained, window) is None

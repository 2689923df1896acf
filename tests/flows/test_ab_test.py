"""The simulated A/B test as a flow: what it trains, compares and publishes."""

from pathlib import Path

import pytest
from prefect.exceptions import ParameterTypeError

from flows.ab_test import ab_test
from mtmd import stages
from mtmd.errors import ConfigError, LogsError, RegistryError
from mtmd.stages import ABTest, RunPlan, Trained
from mtmd.stages.ab_test import BASELINE, CANDIDATE
from mtmd.world import FunnelConfig
from tests.flows.runs import AS_OF, TINY, Run, copied, published

FUNNEL = FunnelConfig(requests=60)


@pytest.fixture(scope="module")
def artifacts(first_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(first_run.artifacts, tmp_path_factory.mktemp("ab-test") / "artifacts")


@pytest.fixture(scope="module")
def tested(first_run: Run, artifacts: Path) -> tuple[ABTest, dict[str, str]]:
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
    return state.result(), published(identity)


def models(plan: RunPlan, variants: tuple[str | None, ...] = (None, "unconstrained")) -> list[Trained]:
    """What the flows have trained."""
    sources = stages.validate(plan).sources
    window = [stages.extract(plan, *day) for day in zip(plan.days, sources[:-1], strict=True)]
    trained = [stages.train(plan, "per_slice", window)]
    trained += [stages.train(plan, "mtmd", window, variant=variant) for variant in variants]
    assert all(one.reused for one in trained)
    return trained


def test_it_publishes_the_papers_tables_and_their_bounds(tested: tuple[ABTest, dict[str, str]]) -> None:
    found, artifacts = tested
    text = artifacts["ab-test"]
    for title in (
        "Table 2, by surface: mtmd against per_slice",
        "Table 3, by product",
        "Table 4, by goal",
        "Table 5, constrained against unconstrained",
        "What can be won: oracle against per_slice",
        "What can be lost: chance against per_slice",
    ):
        assert f"**{title}" in text
    assert "|  | CPC | CTR | GCTR | OCTR | HDR | RPR |" in text
    assert "\n| home feed | " in text
    assert "\n| conversion | " in text
    assert found.words in text
    assert set(found.used) == {CANDIDATE, BASELINE, "unconstrained", "oracle", "heavyweight", "chance"}
    for name, used in found.used.items():
        assert 0.3 < used <= 1.0
        assert f"| {name} | {used:.1%} | " in text
    assert all(0.9 * FUNNEL.slots < shown <= FUNNEL.slots for shown in found.impressions.values())


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
    plan = stages.plan_run(AS_OF, TINY, logs=str(first_run.logs), artifacts=str(artifacts))
    trained, ran = models(plan), []
    assert stages.ab_test(plan, trained, samples=5, funnel=FUNNEL, on_sample=ran.append) == tested[0]
    assert ran == []
    with pytest.raises(ConfigError, match=r"models \['unconstrained'\] are missing"):
        stages.ab_test(plan, trained[:2], samples=5, funnel=FUNNEL)
    with pytest.raises(ConfigError, match=r"samples \(4\) must be at least 5"):
        stages.ab_test(plan, trained, samples=4, funnel=FUNNEL)
    elsewhere = plan.model_copy(update={"logs": str(artifacts)})
    with pytest.raises(LogsError, match="are not of a simulated world"):
        stages.ab_test(elsewhere, trained, samples=5, funnel=FUNNEL)


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
    assert set(found.used) == {CANDIDATE, "champion", "unconstrained", "oracle", "heavyweight", "chance"}
    assert found.words.startswith("mtmd against champion: CPC ")
    for change in found.of("champion", CANDIDATE):
        assert change.change is None or abs(change.change) < 1e-3
    assert found.tables()[0].title == "Table 2, by surface: mtmd against champion"


def test_a_champion_that_is_not_there_is_an_error(first_run: Run, tmp_path: Path) -> None:
    alone = copied(first_run.artifacts, tmp_path / "artifacts", champion=False)
    plan = stages.plan_run(AS_OF, TINY, logs=str(first_run.logs), artifacts=str(alone))
    trained = models(plan, variants=(None,))[1:]
    other = trained[0].model_copy(update={"variant": "unconstrained"})  # is never loaded
    with pytest.raises(RegistryError, match="has no champion to be the control"):
        stages.ab_test(plan, [trained[0], other], samples=5, funnel=FUNNEL, control="champion")


def test_wrong_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterTypeError, match="samples"):
        ab_test(AS_OF, preset=TINY, samples=4, artifacts=str(tmp_path))

"""The simulated A/B test as a flow: what it trains, compares and publishes."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.config import Preset
from mtmd.config.preset_files import preset_path
from mtmd.errors import ConfigError, LogsError, RegistryError
from mtmd.extract import stage as extract_stage
from mtmd.extract.shards import ShardRef
from mtmd.extras.abtest import stage as abtest_stage
from mtmd.extras.abtest.flow import _words, ab_test, outcome_tables
from mtmd.extras.abtest.stage import BASELINE, ABTest
from mtmd.registry.registry import Registry
from mtmd.report.tables import plain
from mtmd.run import RunPlan, plan_run
from mtmd.train import stage as train_stage
from mtmd.train.stage import Trained
from mtmd.validate import stage as validate_stage
from tests.extras.abtest.made import planted
from tests.flows.runs import AS_OF, LINE, TINY, Run, copied, published

NOTHING: dict[str, float | None] = dict.fromkeys(("CPC", "CTR", "GCTR", "OCTR"))


@pytest.fixture(scope="module")
def artifacts(first_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(first_run.artifacts, tmp_path_factory.mktemp("ab-test") / "artifacts")


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("preset") / "small.toml"
    path.write_text(f"{preset_path(TINY).read_text()}\n[extras.abtest]\nsamples = 5\nrequests = 60\n")
    return str(path)


@pytest.fixture(scope="module")
def plan(first_run: Run, artifacts: Path, preset: str) -> RunPlan:
    return plan_run(AS_OF, preset, logs=str(first_run.logs), artifacts=str(artifacts))


@pytest.fixture(scope="module")
def window(plan: RunPlan) -> list[ShardRef]:
    sources = validate_stage.validate(plan).sources
    return [extract_stage.extract(plan, *day) for day in zip(plan.days, sources[:-1], strict=True)]


@pytest.fixture(scope="module")
def trained(plan: RunPlan, window: list[ShardRef]) -> list[Trained]:
    found = [train_stage.train(plan, kind, window) for kind in ("mtmd", BASELINE, "pooled")]
    assert all(one.reused for one in found)
    return found


@pytest.fixture(scope="module")
def tested(first_run: Run, artifacts: Path, preset: str) -> tuple[ABTest, dict[str, str]]:
    index = artifacts / LINE / "index.html"
    index.unlink()
    state = ab_test(
        AS_OF, preset=preset, logs=str(first_run.logs), artifacts=str(artifacts), return_state=True
    )
    identity = state.state_details.flow_run_id
    assert identity is not None
    assert str(AS_OF) in index.read_text()
    return state.result(), published(identity)


def test_it_publishes_the_papers_tables(tested: tuple[ABTest, dict[str, str]]) -> None:
    found, artifacts = tested
    text = artifacts["ab-test"]
    for title in ("Table 2, by surface: mtmd against per_slice", "Table 3, by product", "Table 4, by goal"):
        assert f"**{title}" in text
    assert "\n| home feed | " in text
    assert "\n| conversion | " in text
    assert plain(found.words.split(",")[0]) in text
    assert found.rivals == (BASELINE, "pooled")


def test_a_test_is_taken_from_where_it_is_and_others_logs_are_refused_before_they_are_read(
    tested: tuple[ABTest, dict[str, str]], plan: RunPlan, trained: list[Trained], tmp_path: Path
) -> None:
    assert abtest_stage.ab_test(plan, trained, on_sample=lambda _: pytest.fail("it runs again")) == tested[0]
    with pytest.raises(ConfigError, match=r"models \['per_slice'\] are missing"):
        abtest_stage.ab_test(plan, trained[:1])
    for table in ("requests", "ads", "candidates"):
        (tmp_path / table).symlink_to(Path(plan.logs) / table)
    with pytest.raises(LogsError, match="are not of a simulated world"):
        ab_test(AS_OF, preset=TINY, logs=str(tmp_path), artifacts=str(tmp_path / "artifacts"))
    assert not list(tmp_path.glob("artifacts/*/*/*"))


def test_the_champion_is_compared_as_it_is_served(
    plan: RunPlan, trained: list[Trained], window: list[ShardRef]
) -> None:
    """It is this very model: what is left is the rounding of its export."""
    live = Registry(plan.workspace.root).require_champion().model_id
    # another candidate of the day, of another held-out shard, is compared with what is live
    assert abtest_stage.champion_beside(plan, trained[0], window[-1]) == live
    found = abtest_stage.ab_test(plan, trained, champion=live)
    assert found.rivals == (BASELINE, "champion", "pooled")
    for change in found.comparisons["champion"]:
        assert change.change is None or abs(change.change) < 1e-3
    with pytest.raises(RegistryError, match="20260120-0123456789"):
        abtest_stage.ab_test(plan, trained, champion="20260120-0123456789")


def test_the_candidate_stands_against_each_rival_then_in_the_papers_tables() -> None:
    tested = planted("pooled", "champion", CTR=3.0)
    rivals, *papers = outcome_tables(tested)
    assert {row[0]: row[2] for row in rivals.texts()} == {
        "against per_slice": "3.05% [0.91, 5.22]",
        "against pooled": "1.01% [−1.09, 3.14]",
        "against champion": "1.01% [−1.09, 3.14]",
    }
    assert [table.title[:7] for table in papers] == ["Table 2", "Table 3", "Table 4"]


def test_in_words_only_what_chance_does_not_explain_differs() -> None:
    head = "Against the per-slice baselines, over all impressions: "
    assert _words(planted(CPC=-3.0, CTR=3.0, GCTR=2.0, OCTR=-3.0)) == (
        f"{head}better in CPC and CTR; worse in OCTR; not to be told apart in GCTR."
    )
    assert _words(planted(**NOTHING)) == f"{head}nothing to compare."
    assert planted(CTR=3.0, OCTR=None).words == (
        "mtmd against per_slice: CPC +0.00% [-2.07%, +2.12%], CTR +3.05% [+0.91%, +5.22%], "
        "GCTR +0.00% [-2.07%, +2.12%], OCTR undefined"
    )


def test_more_slots_than_ads_that_are_kept_are_refused(tiny_preset: Preset) -> None:
    values: dict[str, Any] = tiny_preset.model_dump() | {"extras": {"abtest": {"keep": 3}}}
    with pytest.raises(ValidationError, match=r"slots \(4\) must not exceed keep \(3\).*raise keep"):
        Preset.model_validate(values)

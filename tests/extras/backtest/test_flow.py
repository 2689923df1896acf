"""The backtest as a flow: what it trains, takes, writes and publishes; it promotes nothing."""

from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from mtmd.errors import TrainingError
from mtmd.extras.backtest.flow import backtest
from mtmd.extras.backtest.report import Backtest
from mtmd.store.files import read_json
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied, published

QUICK = 'base = "tiny"\nname = "quick"\n[training]\nepochs = 1\n[evaluation]\nresamples = 100\n'
ENTERED = {"with_": ["small:model.expert_widths=[8]"], "rivals": ["pooled"]}


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("preset") / "quick.toml"
    path.write_text(QUICK)
    return str(path)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backtest") / "artifacts"


def run(preset: str, logs: Path, artifacts: Path, **asked: Any) -> State[Backtest]:
    return backtest(
        preset=preset, logs=str(logs), artifacts=str(artifacts), return_state=True, **{"last": NEXT} | asked
    )


@pytest.fixture(scope="module")
def done(prefect_server: str, tiny_logs: Path, preset: str, artifacts: Path) -> State[Backtest]:
    return run(preset, tiny_logs, artifacts, days=2, **ENTERED)


def times(artifacts: Path) -> dict[str, int]:
    return {
        str(path.relative_to(artifacts)): path.stat().st_mtime_ns
        for folder in ("trained", "evaluations", "backtests", "shards/date=*")
        for path in artifacts.glob(f"*/{folder}/*/*")
    }


def test_every_contestant_is_compared_with_the_first_on_every_day(
    done: State[Backtest], artifacts: Path
) -> None:
    found = done.result()
    assert found.days == (AS_OF, NEXT)
    assert [one.name for one in found.results] == ["quick", "small", "pooled"]
    first, *others = found.results
    assert (first.verdict, first.gains) == (None, {})
    for one in others:
        assert one.verdict in {"better", "worse", "not distinguishable"}
        for figure in ("rows", "slices"):
            gains = [day.value for day in one.by_day[figure]]
            own, reference = one.figures[figure], first.figures[figure]
            assert gains == pytest.approx([1.0 - a / b for a, b in zip(own, reference, strict=True)])
            assert min(gains) <= one.gains[figure].value <= max(gains)
        assert "AUC" in one.gains
        assert min(one.seconds) > 0.0
    assert len(list(artifacts.glob("quick/trained/mtmd-*"))) == 4
    assert len(list(artifacts.glob("quick/trained/pooled-*"))) == 2


def test_the_page_the_record_and_the_artifact_say_the_same(done: State[Backtest], artifacts: Path) -> None:
    found = done.result()
    (place,) = artifacts.glob(f"quick/backtests/{NEXT}-*")
    assert str(place) == found.path
    assert Backtest.model_validate(read_json(place / "report.json") | {"path": str(place)}) == found
    page = (place / "report.html").read_text()
    assert page.count("<svg") == 2
    identity = done.state_details.flow_run_id
    assert identity is not None
    artifact = published(identity)["backtest"]
    for shown in (page, artifact):
        for one in found.results[1:]:
            assert f"{one.name}: {one.verdict}" in shown
        assert "Intervals are over 2 days and their requests" in shown
    assert artifact.count("data:image/svg+xml") == 2
    assert (artifacts / "quick" / "index.html").is_file()


def test_again_it_takes_everything_and_more_contestants_train_alone(
    done: State[Backtest], tiny_logs: Path, preset: str, artifacts: Path
) -> None:
    before = times(artifacts)
    assert run(preset, tiny_logs, artifacts, days=2, **ENTERED).result() == done.result()
    assert times(artifacts) == before
    changes = [*ENTERED["with_"], "wide:model.cross_layers=0"]
    more = run(preset, tiny_logs, artifacts, days=2, **ENTERED | {"with_": changes}).result()
    after = times(artifacts)
    assert {name: after[name] for name in before} == before
    assert len({Path(name).parent for name in after.keys() - before.keys() if "/trained/" in name}) == 2
    assert [one.name for one in more.results] == ["quick", "small", "wide", "pooled"]
    assert more.results[1].figures == done.result().results[1].figures


def test_it_takes_what_the_daily_job_trained_and_leaves_the_champion(first_run: Run, tmp_path: Path) -> None:
    """One day: a smaller claim."""
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    champion, trained = artifacts / LINE / "champion.json", set((artifacts / LINE / "trained").iterdir())
    before = champion.read_bytes()
    state = run(TINY, first_run.logs, artifacts, last=AS_OF, days=1, rivals=["pooled"])
    found = state.result()
    assert champion.read_bytes() == before
    assert set((artifacts / LINE / "trained").iterdir()) == trained
    assert len(list((artifacts / LINE / "history").iterdir())) == 1
    assert found.words.startswith(f"{AS_OF} alone: pooled ")
    assert found.results[1].days_to_decide is None
    report = first_run.summary.report
    for task in ("ctr", "gctr", "octr"):
        (logmae,) = found.results[0].figures[f"LogMAE {task}"]
        (where,) = [one for one in report.aggregates if one.task == task]
        assert logmae == pytest.approx(report.get("mtmd", where).logmae)
    text = (Path(found.path) / "report.html").read_text()
    assert "One day: intervals are over its requests alone. Another day may say otherwise" in text


def test_trainings_that_fail_are_named_when_the_others_are_done(
    prefect_server: str, tiny_logs: Path, preset: str, artifacts: Path, done: State[Backtest]
) -> None:
    """Its rate is so high that no loss is finite."""
    with pytest.raises(
        TrainingError, match=rf"1 of 2 failed: train hot for {NEXT}, seed 0: .* must be finite"
    ):
        run(preset, tiny_logs, artifacts, days=1, with_=["hot:training.learning_rate=1e30"]).result(
            raise_on_failure=True
        )

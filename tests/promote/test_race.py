"""Contestants: days before the day choose which of its models is the candidate."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.config import Preset
from mtmd.promote.stage import with_candidate
from mtmd.publish.stage import publish
from mtmd.registry.records import ORIGIN, SUMMARY, origin
from mtmd.report import sections
from mtmd.run import Race, RunPlan, plan_run
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Live
from mtmd.store.workspace import write_record
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied, run_daily
from tests.promote.test_rollback import served
from tests.train.windows import with_rival, with_training

# At the tests' usual rate the pooled two-tower is worse than the constant.
CONTESTANT = '[promotion]\ncontestants = ["pooled"]\nshare = 0.25\n[rivals.pooled]\nlearning_rate = 0.01\n'
OVER = "mean error over 4 of the 7 days before"
WORSE, BETTER = {"mtmd": 0.5, "pooled": 0.6}, {"mtmd": 0.5, "pooled": 0.4}


@pytest.fixture
def plan(next_day: Run, tmp_path: Path) -> RunPlan:
    """The second day's plan with a contestant, on a copy of its artifacts without the records of its runs."""
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    shutil.rmtree(artifacts / LINE / "runs")
    (tmp_path / "race.toml").write_text(f'base = "{TINY}"\nname = "{LINE}"\n{CONTESTANT}')
    return plan_run(NEXT, str(tmp_path / "race.toml"), logs=str(next_day.logs), artifacts=str(artifacts))


def record(plan: RunPlan, run: Run, back: int, errors: dict[str, float], **changes: object) -> None:
    """What a run leaves of a day so many days before the plan's, with other errors in its report."""
    report = run.summary.report
    metrics = [m.model_copy(update={"logmae": errors.get(m.predictor, 9.0)}) for m in report.metrics]
    report = report.model_copy(update={"metrics": tuple(metrics)} | changes)
    day = plan.as_of - timedelta(days=back)
    summary = run.summary.model_copy(update={"as_of": day, "report": report})
    place = plan.workspace.root / "runs" / f"{day}-{'0' * 10}-{'0' * 6}"
    write_record(place / SUMMARY, summary, seal=True)
    made = origin(run.root / "runs" / Path(run.summary.places["run"]).name)
    assert made is not None
    made = made.model_copy(update={"preset": plan.preset.model_dump(mode="json")})
    write_record(place / ORIGIN, made, seal=True)


def chosen(plan: RunPlan, preset: Preset | None = None) -> tuple[str, int]:
    """The candidate's kind, and how many days chose it."""
    made = with_candidate(plan.model_copy(update={"preset": preset or plan.preset}))
    return made.candidate, len(made.race.days) if made.race else 0


def test_the_lowest_mean_goes_and_of_equal_ones_or_too_few_days_the_presets_own() -> None:
    def race(*errors: tuple[float, float]) -> Race:
        days = {date(2026, 1, 1 + n): dict(zip("ab", both, strict=True)) for n, both in enumerate(errors)}
        return Race(contestants=("a", "b"), days=days)

    better, worse = (0.25, 0.125), (0.125, 0.25)
    assert race(better, better, better, worse).words == f"b, because it has the lowest {OVER}"
    own = "a, the preset's own model, because"
    assert race(better, better, worse, worse).words == f"{own} no contestant has a lower {OVER}"
    few, words = race(better, better, better), "3 of the 7 days before have numbers of all contestants, and 4"
    assert (few.chosen, few.words) == ("a", f"{own} {words} are needed")
    (table,) = sections.race(race(better, (0.5, 0.375)))[0].blocks
    days = (("2026-01-01", 0.25, 0.125), ("2026-01-02", 0.5, 0.375))
    assert getattr(table, "rows", None) == (("mean", 0.375, 0.25), *days)


def test_the_week_before_chooses_and_not_the_day_itself_or_a_later_one(plan: RunPlan, next_day: Run) -> None:
    assert chosen(plan) == ("mtmd", 0)
    for back, errors in enumerate((WORSE, *[BETTER] * 7, WORSE)):  # the last is too old
        record(plan, next_day, back, errors)
    record(plan, next_day, -1, {"mtmd": 0.0, "pooled": 9.0})
    assert chosen(plan) == ("pooled", 7)
    record(plan, next_day, 3, {"mtmd": 0.0, "pooled": 9.0})
    assert chosen(plan) == ("mtmd", 7)
    lost = plan.as_of - timedelta(days=3)
    assert chosen(plan, plan.preset.model_copy(update={"left_out": {lost: "lost"}})) == ("pooled", 6)


def test_a_day_counts_where_all_were_trained_on_it_as_they_are_today(plan: RunPlan, next_day: Run) -> None:
    for back in range(1, 8):
        record(plan, next_day, back, BETTER)
    others = (with_rival(plan.preset, "pooled", embedding=3), with_training(plan.preset, epochs=9))
    assert [chosen(plan, other) for other in others] == [("mtmd", 0)] * 2
    record(plan, next_day, 1, BETTER, ages={"pooled": 3})
    found = next_day.summary.report.metrics
    record(plan, next_day, 2, BETTER, metrics=tuple(m for m in found if m.predictor != "pooled"))
    assert chosen(plan) == ("pooled", 5)


def test_the_flow_promotes_a_rival_to_a_share_of_users_and_a_rollback_brings_mtmd_back(
    plan: RunPlan, next_day: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for back in range(1, 5):
        record(plan, next_day, back, BETTER)
    publish(plan.workspace, plan.source, AS_OF)  # whoever answers the others gets the newest ads, too
    given = {"logs": next_day.logs, "artifacts": Path(plan.artifacts), "preset": str(tmp_path / "race.toml")}
    run = run_daily(as_of=NEXT, **given)
    summary, mtmd = run.summary, next_day.summary.model_id
    answers = f"{summary.model_id} answers 0.25 of the users, {mtmd} the others"
    assert (summary.words, summary.verdict.champion) == (f"promoted; {answers}", mtmd)
    assert summary.report.candidate == "pooled"
    manifest = run.registry.manifest(summary.model_id)
    assert (manifest.architecture, manifest.rival) == ("plain", "pooled")
    service = Live(run.root, Settings())
    assert served(service) == (summary.model_id, NEXT)
    assert service.serving is not None
    assert service.serving.others is not None
    assert (service.serving.others.ranker.model_id, service.serving.others.day) == (mtmd, NEXT)

    options = ["--preset", given["preset"], "--artifacts", plan.artifacts]
    assert main(["status", *options]) == 0
    assert answers in " ".join(capsys.readouterr().out.split())
    for wrong in ([], ["--share", "0.5", "--full"]):
        assert main(["rollout", *wrong, *options]) == 1
        assert "name one of them" in capsys.readouterr().err
    few = ["--share", "0.5", "--logs", str(next_day.logs)]
    for words, said in ((["--full"], "answers all users"), (few, "answers 0.5 of the users")):
        assert main(["rollout", *words, *options, "--reason", "it does well"]) == 0
        assert f"{summary.model_id} {said}" in " ".join(capsys.readouterr().out.split())
    assert run.registry.history()[-1].reason == "0.5 of the users: it does well"
    assert served(service) == (summary.model_id, NEXT + timedelta(days=1))
    assert service.serving.others.day == NEXT + timedelta(days=1)
    info = run.registry.path(mtmd) / "bundle.json"
    content = info.read_bytes()
    info.write_bytes(b"{}")
    assert (
        f"; {mtmd} keeps the ads that it has: {info} of model" in publish(plan.workspace, plan.source).words
    )
    info.write_bytes(content)
    for text in (run.published["verdict"], Path(summary.places["run"], "report.md").read_text()):
        assert f"pooled, because it has the lowest {OVER}" in text
        assert "| pooled" in text
    again = run_daily(as_of=NEXT, **given).summary
    assert again.words == f"{summary.model_id} is already champion"
    assert main(["rollout", "--stop", *options, "--logs", str(next_day.logs)]) == 0
    assert served(service) == (mtmd, NEXT + timedelta(days=1))
    assert service.serving.others is None
    assert main(["rollout", "--stop", *options]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"no rollout is on: {mtmd} answers all users (last change: rollback, the rollout was" in said

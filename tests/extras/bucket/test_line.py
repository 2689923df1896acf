"""A line with logs and artifacts in a bucket, by settings only: what a local line has, on every machine."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.config import load_preset
from mtmd.extract.shards import read_manifest
from mtmd.jobs.clean_up import clean_up
from mtmd.promote.rollback import rollback
from mtmd.publish.stage import publish
from mtmd.registry.registry import Registry
from mtmd.report.index import update_index
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Live
from mtmd.store.stores import store_of
from mtmd.store.workspace import Workspace
from tests.buckets import S3
from tests.daily import run_stages
from tests.faults.bucket_line import uploaded
from tests.flows.runs import AS_OF, LINE, TINY, Run

LOGS, ARTIFACTS = "s3://logs/team", "s3://art/team"


@pytest.fixture
def buckets(s3: S3, first_run: Run, machine: Callable[[str], Path]) -> S3:
    """The logs, and what takes long of the first run: another machine made it, and was lost before it could decide."""
    shutil.copytree(first_run.logs, s3.path(LOGS))
    root = machine("lost").parent / LINE
    for path in first_run.root.glob("trained/*"):
        if path.is_dir():
            final = root / path.relative_to(first_run.root)
            shutil.copytree(path, final)
            store_of(final).commit(final)
    machine("a")
    return s3


def test_a_day_in_a_bucket_is_as_on_a_disk_and_all_machines_share_it(
    buckets: S3, first_run: Run, machine: Callable[[str], Path], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    done = run_stages(LOGS, ARTIFACTS)
    assert {model.reused for model in done.trained} == {True}
    assert {day.reused for day in done.days.all} == {False}
    summary = done.decide()
    assert summary.promoted
    assert publish(done.plan.workspace, done.plan.source, AS_OF).made
    for day in done.days.all:
        (local,) = first_run.root.glob(f"shards/date={day.day}/*")
        assert Path(day.path).name == local.name
        assert read_manifest(Path(day.path)).files == read_manifest(local).files
    model = first_run.summary.model_id
    assert summary.model_id == model
    assert done.registry.manifest(model).files == first_run.registry.manifest(model).files

    machine("b")
    again = run_stages(LOGS, ARTIFACTS)
    assert {model.reused for model in again.trained} == {day.reused for day in again.days.all} == {True}
    assert (len(again.quality.reused), again.evaluated.reused, again.exported.reused) == (21, True, True)
    assert again.decide().words == f"{model} is already champion"
    assert not publish(again.plan.workspace, again.plan.source, AS_OF).made

    monkeypatch.setenv("MTMD_ARTIFACTS", ARTIFACTS)
    root = machine("c").parent / LINE
    live = Live(root, Settings())
    assert live.refresh()
    assert live.serving is not None
    assert live.serving.ranker.model_id == model
    for command in ("status", "runs"):
        assert main([command, "--preset", TINY, "--json"]) == 0
    status, runs = _two_documents(capsys.readouterr().out)
    assert status["champion"]["model_id"] == model
    assert [run["model_id"] for run in runs] == [model]
    assert main(["show", model, "--preset", TINY]) == 0
    assert main(["rollback", "--preset", TINY, "--reason", "try"]) == 1
    assert "there is no other model before the live one" in capsys.readouterr().err
    update_index(ARTIFACTS, TINY)
    assert model in buckets.path(f"{ARTIFACTS}/{LINE}/index.html").read_text()
    assert LINE in buckets.path(f"{ARTIFACTS}/index.html").read_text()

    _clean_up_removes_old_outputs_of_the_bucket(buckets, Workspace(root))


def _two_documents(text: str) -> tuple[dict, list]:  # type: ignore[type-arg]
    first, end = json.JSONDecoder().raw_decode(text)
    return first, json.loads(text[end:])


def _clean_up_removes_old_outputs_of_the_bucket(buckets: S3, workspace: Workspace) -> None:
    """Shards of days that are too old; the champion and its ads stay."""
    retention = load_preset(TINY).retention.model_copy(update={"shards": 10})
    cleaned = clean_up(workspace, retention, dry_run=False)
    assert {output.kind for output in cleaned.removed} >= {"shards"}
    assert min(output.bytes for output in cleaned.removed if output.kind == "shards") > 1000
    days = {
        path.name
        for path in buckets.path(f"{ARTIFACTS}/{LINE}/shards").glob("*")
        if any(path.rglob("*.arrow"))
    }
    assert days == {f"date={AS_OF - timedelta(days=n)}" for n in range(11)}
    champion = Registry(workspace.root).require_champion().model_id
    assert Registry(workspace.root).verify(champion).is_dir()


def test_a_rollback_ends_well_where_the_bucket_is_gone_after_the_flip(
    first_run: Run, next_day: Run, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads an error tries again, and a second rollback goes back further."""
    line = uploaded(next_day, first_run, tmp_path, s3, monkeypatch)
    s3.dies_after = 2  # the history's object of the change before, which is there, and the pointer
    done = rollback(Workspace(line.root), "bad conversions")
    s3.dies_after = None
    assert done.champion.model_id == first_run.summary.model_id
    assert (done.ads, done.champion.previous) == (f"its published ads are those of {AS_OF}", None)
    assert Registry(line.root).champion() == done.champion


@pytest.mark.parametrize("command", [("status",), ("show", "champion"), ("rollback", "--reason", "try")])
def test_a_command_says_that_the_bucket_does_not_exist(
    machine: Callable[[str], Path], capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    machine("a")
    assert main([*command, "--preset", TINY, "--artifacts", "s3://none/team"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "can't be read" in said
    assert "see that the bucket exists" in said

"""Mirrors that can't be reached: runs and people are told so, and nothing else changes."""

import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelling
from pydantic import ValidationError

from mtmd.cli import main
from mtmd.config import Preset
from mtmd.extras.mirrors import stage
from mtmd.extras.mirrors.settings import Settings
from mtmd.extras.mirrors.stage import mirror, mirror_within
from mtmd.flows.daily_retrain import daily_retrain
from mtmd.train.stage import training_key
from tests.extras.mirrors.conftest import Mirrored, mirrored_preset
from tests.flows.runs import AS_OF, LINE, Run, copied, run_daily

NO_ADDRESS = "the environment variable MLFLOW_TRACKING_URI is not set"


@pytest.fixture
def preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny preset with mirrors, and an environment that says nothing of where they are."""
    for name in ("MLFLOW_TRACKING_URI", "OPENLINEAGE_URL"):
        monkeypatch.delenv(name, raising=False)
    return mirrored_preset(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("to", ["mlfow"]), ("model", "a/b"), ("model", "it's"), ("seconds", 4), ("uri", "http://x")],
)
def test_what_is_no_setting_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        Settings.model_validate({key: value})


def test_mirrors_change_no_name(tiny_preset: Preset) -> None:
    plain = tiny_preset.model_dump(mode="json")
    told = Preset.model_validate(plain | {"extras": plain["extras"] | {"mirrors": {"to": ["mlflow"]}}})
    assert training_key("mtmd", "window", told) == training_key("mtmd", "window", tiny_preset)


def test_the_command_says_what_is_not_up_to_date(
    mirrored: Mirrored, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mirror", "--preset", mirrored.file, "--artifacts", mirrored.artifacts]) == 1
    said = capsys.readouterr()
    assert f"✗ mlflow: {NO_ADDRESS}" in said.out
    assert "not up to date: openlineage, mlflow; mend what the lines above name" in said.err
    assert main(["mirror", "--preset", "tiny", "--artifacts", mirrored.artifacts]) == 1
    assert "preset 'tiny' has no mirrors; list them in its [extras.mirrors]" in capsys.readouterr().err


def test_a_process_is_ended_when_its_time_is_up_and_its_last_words_are_told(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    monkeypatch.setattr(sys, "executable", str(program))
    for script, words in (
        ("exec sleep 60", "✗ there was no end within 0.2 s; the next run or `mtmd mirror` goes on"),
        ("echo first >&2; echo last >&2; exit 3", "last"),
        ("exit 3", "✗ status 3"),
    ):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        assert mirror_within(mirrored.file, mirrored.artifacts, 0.2) == (words, False)


def test_words_have_no_credentials_and_no_lines(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> tuple[str, bool]:
        try:
            raise OSError("http://me:secret@host/api\n  failed" + "x" * 500)
        except OSError as error:
            raise ValueError("no answer") from error

    monkeypatch.setitem(stage._MIRRORS, "mlflow", broken)
    state = mirror(mirrored.workspace, mirrored.preset)[1]
    assert state.words.startswith("no answer: http://***@host/api failedxxx")
    assert (len(state.words), state.words[-1]) == (400, "…")


def test_reinstating_warns_where_a_mirror_is_behind(
    mirrored: Mirrored, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    registry = mirrored.line.registry
    registry.promote("b1", registry.manifest("b1").as_of, "all gates passed", 1)
    registry.rollback("bad", lambda directory: None)
    given = ["--preset", mirrored.file, "--artifacts", mirrored.artifacts, "--reason", "it was the logs"]
    assert main(["reinstate", "b1", *given]) == 0
    assert "may be promoted again" in capsys.readouterr().out
    assert "the mirrors are not up to date: " in caplog.text
    assert NO_ADDRESS in caplog.text


def test_a_run_that_is_not_mirrored_decides_as_ever_and_says_so(
    first_run: Run, preset: str, tmp_path: Path
) -> None:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    run = run_daily(as_of=AS_OF, logs=first_run.logs, artifacts=artifacts, preset=preset)
    assert run.state.is_completed()
    assert run.summary.repeated  # mirrors are in no name of an output
    said = run.published["mirrors"]
    assert said.startswith("## ✗ The mirrors are not up to date\n")
    assert "MLFLOW_TRACKING_URI is not set" in said.replace("\\", "")
    start, end = _waiting(artifacts)
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert {start["run"]["runId"], end["run"]["runId"]} == {str(run.id)}
    days = end["inputs"][0]["inputFacets"]["subset"]["inputCondition"]["partitions"]
    assert (days[0]["identifier"], days[-1]["identifier"], len(days)) == (
        "date=2026-01-01",
        f"date={AS_OF}",
        21,
    )


def test_a_run_that_fails_or_is_cancelled_says_why_in_its_last_event(
    first_run: Run, preset: str, tmp_path: Path
) -> None:
    """Prefect calls the hook of a cancellation when it begins."""
    artifacts = tmp_path / "artifacts"
    run = run_daily(as_of=AS_OF, logs=tmp_path / "nowhere", artifacts=artifacts, preset=preset)
    assert run.state.is_failed()
    given = {"as_of": str(AS_OF), "preset": preset, "artifacts": str(artifacts)}
    cancelled = FlowRun(flow_id=uuid4(), parameters=given)
    state: State[Any] = Cancelling(message="by a person")
    for hook in daily_retrain.on_cancellation_hooks:
        hook(daily_retrain, cancelled, state)
    start, failed, aborted = _waiting(artifacts)
    assert [event["eventType"] for event in (start, failed, aborted)] == ["START", "FAIL", "ABORT"]
    assert "nowhere" in failed["run"]["facets"]["errorMessage"]["message"]
    assert aborted["run"]["facets"]["errorMessage"]["message"] == "by a person"


def _waiting(artifacts: Path) -> list[dict[str, Any]]:
    """The events that wait, oldest first."""
    return [json.loads(path.read_text()) for path in sorted((artifacts / LINE).glob("mirrors/events/*.json"))]

"""An MLflow that can't be reached: runs and people are told so, and nothing else changes."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.cli import main
from mtmd.config import Preset
from mtmd.extras.mirrors import Settings, hooks, mlflow_server
from mtmd.train.stage import training_key
from tests.extras.mirrors.conftest import Mirrored, mirrored_preset
from tests.flows.runs import AS_OF, Run, copied, run_daily

NO_ADDRESS = "the environment variable MLFLOW_TRACKING_URI is not set"


@pytest.mark.parametrize(
    ("key", "value"),
    [("mlflow", "x"), ("model", "a/b"), ("model", "it's"), ("seconds", 4), ("uri", "http://x")],
)
def test_what_is_no_setting_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        Settings.model_validate({key: value})


def test_mirrors_change_no_name(tiny_preset: Preset) -> None:
    plain = tiny_preset.model_dump(mode="json")
    told = Preset.model_validate(plain | {"extras": plain["extras"] | {"mirrors": {"mlflow": True}}})
    assert training_key("mtmd", "window", told) == training_key("mtmd", "window", tiny_preset)


def test_the_command_says_what_is_not_up_to_date(
    mirrored: Mirrored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["mirror", "--preset", mirrored.file, "--artifacts", mirrored.artifacts]
    assert main(given) == 1
    assert f"error: {NO_ADDRESS}" in capsys.readouterr().err

    def broken(*_: object) -> None:
        raise OSError("http://me:secret@host/api\n  failed")

    monkeypatch.setattr(mlflow_server, "mirror", broken)
    assert main(given) == 1
    assert "MLflow is not up to date: http://***@host/api failed\n" in capsys.readouterr().err
    assert main(["mirror", "--preset", "tiny", "--artifacts", mirrored.artifacts]) == 1
    assert "preset 'tiny' has no mirror; set mlflow = true" in capsys.readouterr().err


def test_a_process_is_ended_when_its_time_is_up_and_its_last_words_are_told(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "program"
    monkeypatch.setattr(sys, "executable", str(program))
    quick = Settings.model_construct(mlflow=True, seconds=1)
    monkeypatch.setattr(Preset, "extra", lambda *_: quick)
    for script, words in (
        ("exec sleep 60", "MLflow is not up to date: there was no end within 1 s; nothing depends on it"),
        ("echo first >&2; echo last >&2; exit 3", "last; nothing depends on it"),
        ("exit 3", "MLflow is not up to date: status 3; "),
    ):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        hooks.changed(mirrored.file, mirrored.artifacts)
        assert caplog.messages[-1].startswith(words)


def test_reinstating_warns_where_a_mirror_is_behind(
    mirrored: Mirrored, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    registry = mirrored.line.registry
    registry.promote("b1", registry.manifest("b1").as_of, "all gates passed", 1)
    registry.rollback("bad", lambda directory: None)
    given = ["--preset", mirrored.file, "--artifacts", mirrored.artifacts, "--reason", "it was the logs"]
    assert main(["reinstate", "b1", *given]) == 0
    assert "may be promoted again" in capsys.readouterr().out
    assert NO_ADDRESS in caplog.text


def test_a_run_that_is_not_mirrored_decides_as_ever_and_says_so(
    first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    preset = mirrored_preset(tmp_path)
    run = run_daily(as_of=AS_OF, logs=first_run.logs, artifacts=artifacts, preset=preset)
    assert run.state.is_completed()
    assert run.summary.repeated  # mirrors are in no name of an output
    assert NO_ADDRESS in caplog.text

"""Mirrors that fail: their states say so, in the words of what failed, and nothing raises."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mtmd.extras.mirrors.stage import mirror, mirror_within
from mtmd.extras.mirrors.state import place as state_of
from mtmd.extras.mirrors.state import read_state
from tests.extras.mirrors.conftest import Mirrored

without_mlflow = pytest.mark.skipif(find_spec("mlflow") is not None, reason="mlflow is installed")


def test_without_an_address_the_state_names_the_variable(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (state,) = mirror(mirrored.workspace, mirrored.preset, names=("mlflow",))
    assert not state.current
    assert state.words.startswith("the environment variable MLFLOW_TRACKING_URI is not set")
    assert read_state(mirrored.workspace, "mlflow") == state


@without_mlflow
def test_a_process_of_its_own_says_that_the_library_is_missing(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    (state,) = mirror_within(mirrored.file, mirrored.artifacts, 60, ("mlflow",))
    assert not state.current
    assert state.words == (
        "mlflow is not installed, which this mirror needs; install it: pip install 'mtmd[mlflow]'"
    )


def test_a_process_is_ended_when_its_time_is_up(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hangs))
    states = mirror_within(mirrored.file, mirrored.artifacts, 0.01)
    assert [state.mirror for state in states] == ["mlflow", "openlineage"]
    for state in states:
        assert not state.current
        assert state.words == "there was no end within 0.01 s; `mtmd mirror` tries again"
        assert read_state(mirrored.workspace, state.mirror) == state


def test_a_process_that_breaks_leaves_its_last_words(mirrored: Mirrored) -> None:
    place = state_of(mirrored.workspace, "openlineage")
    place.parent.mkdir(parents=True)
    place.parent.chmod(0o755)
    place.with_suffix(".lock").mkdir()  # it can't be locked, so nothing can be sent
    (state,) = mirror_within(mirrored.file, mirrored.artifacts, 60, ("openlineage",))
    assert not state.current
    assert "openlineage.lock" in state.words


def test_a_preset_without_mirrors_starts_nothing(mirrored: Mirrored) -> None:
    assert mirror_within("tiny", mirrored.artifacts) == ()
    assert not (mirrored.workspace.root / "mirrors").exists()

"""What a training says while it runs, without a terminal."""

import logging
from datetime import date
from typing import Any
from uuid import uuid4

import httpx
import pytest

from mtmd.flows import progress
from mtmd.flows.progress import TrainingProgress
from mtmd.train.results import Progress


def _at(step: int, validation_loss: float | None = None) -> Progress:
    return Progress(
        kind="mtmd", epoch=1 + (step - 1) // 10, epochs=2, step=step, steps=20, train_loss=0.5,
        validation_loss=validation_loss, rows_per_s=1000.0,
    )  # fmt: skip


def _said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, **patched: Any) -> list[str]:
    """The lines of a training of two epochs, reported three times each; its artifact needs a server."""
    for name, value in patched.items():
        monkeypatch.setattr(progress, name, value)
    monkeypatch.setattr(progress, "get_run_logger", logging.getLogger)
    monkeypatch.setattr(progress, "create_progress_artifact", lambda **_: uuid4())
    monkeypatch.setattr(progress, "update_progress_artifact", lambda *_, **__: None)
    with caplog.at_level(logging.INFO), TrainingProgress("mtmd", date(2026, 1, 25)) as told:
        for step in (3, 6, 10, 13, 16, 20):
            told(_at(step, 0.25 if step % 10 == 0 else None))
    return caplog.messages


def test_an_epoch_has_a_line_at_its_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert _said(monkeypatch, caplog) == [
        "mtmd epoch 1/2: train 0.50000, validation 0.25000, 1000 rows/s",
        "mtmd epoch 2/2: train 0.50000, validation 0.25000, 1000 rows/s",
    ]


def test_a_long_epoch_has_lines_in_between(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said = _said(monkeypatch, caplog, _LINE_S=0.0)
    assert len(said) == 6
    assert said[:2] == [f"mtmd epoch 1/2: {share} % of the training, 1000 rows/s" for share in (15, 30)]


def test_a_server_that_is_gone_holds_a_training_up_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Prefect's client asks such a server for a minute, each time."""
    monkeypatch.setattr(progress, "get_run_logger", logging.getLogger)
    monkeypatch.setattr(progress, "create_progress_artifact", lambda **_: uuid4())
    asked: list[float] = []

    def unreachable(_: Any, *, progress: float) -> None:
        asked.append(progress)
        raise httpx.ConnectError("no server")

    monkeypatch.setattr(progress, "update_progress_artifact", unreachable)
    with TrainingProgress("mtmd", date(2026, 1, 25)) as told:
        for step in (3, 6, 10, 13, 16, 20):
            told(_at(step))
    assert asked == [15.0]
    assert caplog.messages == ["training progress is not shown any more: no server"]

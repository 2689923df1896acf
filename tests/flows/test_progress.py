"""What a training says while it runs."""

import logging

import pytest

from mtmd.flows import steps
from mtmd.train.results import Progress


def _said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, line_s: float) -> list[str]:
    """The lines of a training of two epochs, reported three times each."""
    monkeypatch.setattr(steps, "_LINE_S", line_s)
    monkeypatch.setattr(steps, "get_run_logger", logging.getLogger)
    with caplog.at_level(logging.INFO):
        tell = steps._told("mtmd")
        for step in (3, 6, 10, 13, 16, 20):
            tell(
                Progress(
                    epoch=1 + (step - 1) // 10, epochs=2, step=step, steps=20, train_loss=0.5,
                    validation_loss=0.25 if step % 10 == 0 else None, rows_per_s=1000.0,
                )
            )  # fmt: skip
    return caplog.messages


def test_an_epoch_has_a_line_at_its_end_and_a_long_one_lines_in_between(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ends = [f"mtmd epoch {epoch}/2: train 0.50000, validation 0.25000, 1000 rows/s" for epoch in (1, 2)]
    assert _said(monkeypatch, caplog, 60.0) == ends
    caplog.clear()
    said = _said(monkeypatch, caplog, 0.0)
    assert said[:3] == [*(f"mtmd epoch 1/2: {n} % of the training, 1000 rows/s" for n in (15, 30)), ends[0]]
    assert len(said) == 6

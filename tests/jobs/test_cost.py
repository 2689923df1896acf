"""What a day would take, from the records of the last runs."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from mtmd.jobs.cost import PastCost, training_seconds, window_rows
from mtmd.registry.records import RunOrigin
from mtmd.store.files import write_json, write_text
from mtmd.store.workspace import Workspace

DAY = date(2026, 1, 1)


def _ran(workspace: Workspace, number: int, rows: int, seconds: float) -> None:
    run = workspace.root / "runs" / f"run-{number}"
    made_with = RunOrigin(
        preset={}, formats={}, git_commit=None, packages={}, window_rows=rows, training_seconds=seconds
    )
    write_json(run / "origin.json", made_with.model_dump(mode="json"))
    write_json(run / "summary.json", {"number": number})


def _fitted(workspace: Workspace, kind: str, number: int, seconds: float) -> None:
    epoch = {
        "epoch": 1,
        "train_loss": 0.1,
        "validation_loss": 0.1,
        "validation_logmae": {},
        "seconds": seconds,
    }
    fit = {
        "kind": kind, "epochs": [epoch], "best_epoch": 1, "stopped_early": False, "rows_per_s": 1.0,
        "parameters": 1, "embedding_parameters": 0, "precision": "float32",
    }  # fmt: skip
    write_json(workspace.root / "trained" / f"{kind}-{number}" / "fit.json", fit)


def test_the_last_five_runs_are_summed_up_by_their_medians(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert PastCost.of(workspace) is None
    write_json(tmp_path / "runs" / "older" / "summary.json", {})  # an older version wrote no origin
    for number, (rows, seconds) in enumerate(
        [(1, 900.0), (100, 10.0), (100, 20.0), (200, 60.0), (100, 40.0)]
    ):
        _ran(workspace, number, rows, seconds)
    _ran(workspace, 5, 100, 30.0)  # the sixth: the first, an outlier, is not among the last five
    assert PastCost.of(workspace) == PastCost(
        runs=5, rows=100, seconds=30.0, fastest=10.0, slowest=60.0, per_row=0.3
    )


def test_a_day_that_trains_all_costs_by_its_rows_and_others_by_the_kinds_they_train(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    past = PastCost(runs=1, rows=100, seconds=30.0, fastest=30.0, slowest=30.0, per_row=0.3)
    for number, seconds in enumerate((5.0, 7.0, 90.0)):
        _fitted(workspace, "pooled", number, seconds)
    # its training is made again, no more
    write_text(tmp_path / "trained" / "pooled-damaged" / "fit.json", "{")
    assert training_seconds(workspace, past, [], whole=False, rows=None) == 0.0
    assert training_seconds(workspace, past, ["mtmd", "pooled"], whole=True, rows=200) == pytest.approx(60.0)
    assert training_seconds(workspace, past, ["mtmd", "pooled"], whole=True, rows=None) == pytest.approx(30.0)
    assert training_seconds(workspace, past, ["pooled"], whole=False, rows=200) == 7.0
    assert training_seconds(workspace, past, ["mtmd"], whole=False, rows=200) is None
    assert training_seconds(workspace, None, ["mtmd", "pooled"], whole=True, rows=200) is None


def test_days_without_a_shard_count_as_the_mean_of_the_others(tmp_path: Path) -> None:
    days = {DAY + timedelta(days=number): tmp_path / str(number) for number in range(3)}
    assert window_rows(days, {}) is None
    (tmp_path / "0").mkdir()  # damaged: it has no manifest
    assert window_rows(days, {}) is None
    known = dict(zip(days.values(), (100, None, 300), strict=True))
    assert window_rows(days, known) == 600

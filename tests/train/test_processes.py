"""Trainings in processes of their own: the same bits, errors in their own words, and none that is left running."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from threading import Event

import psutil
import pytest
import torch

from mtmd.config import Preset
from mtmd.errors import TrainingError
from mtmd.extract.shards import ShardRef
from mtmd.extract.stage import extract_day
from mtmd.extract.window import window_fingerprint
from mtmd.logs.source import LogSource
from mtmd.run import RunPlan
from mtmd.store.files import sha256_file, write_text
from mtmd.train import processes, stage
from mtmd.train.results import FILE, WEIGHTS, Progress
from tests.conftest import FIRST_DAY
from tests.train.windows import with_extra, with_rival

pytestmark = pytest.mark.slow
DAYS = tuple(FIRST_DAY + timedelta(days=n) for n in range(2))


@pytest.fixture(scope="module")
def window(tiny_logs: Path, tiny_preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> list[ShardRef]:
    root = tmp_path_factory.mktemp("shards")
    return [extract_day(LogSource(tiny_logs), day, tiny_preset.declarations, root) for day in DAYS]


@pytest.fixture(scope="module")
def here(window: list[ShardRef], tiny_preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of what this process learns."""
    return weights(stage.train(plan_in(tmp_path_factory.mktemp("here"), tiny_preset), "pooled", window))


def plan_in(place: Path, preset: Preset) -> RunPlan:
    as_of = DAYS[-1] + timedelta(days=1)
    return RunPlan(as_of=as_of, days=DAYS, preset=preset, logs="logs", artifacts=str(place))


def weights(trained: stage.Trained) -> str:
    return sha256_file(Path(trained.path) / WEIGHTS)


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "mtmd.train.processes" in one.cmdline()[-1]]


def test_a_process_learns_the_same_bits_and_what_it_says_is_heard(
    here: str, window: list[ShardRef], tiny_preset: Preset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan, reports = plan_in(tmp_path, tiny_preset), list[Progress]()
    key = stage.training_key("pooled", window_fingerprint(window), tiny_preset)
    write_text(plan.workspace.work("pooled", key) / FILE, "no checkpoint")
    with processes.apart(torch.get_num_threads()):
        trained = stage.train(plan, "pooled", window, reports.append)
    assert weights(trained) == here
    assert [one.epoch for one in reports if one.validation_loss is not None] == [1, 2, 3]
    assert "the training begins anew" in caplog.text
    assert children() == []


def test_what_fails_in_a_process_is_raised_as_it_is(
    window: list[ShardRef], tiny_preset: Preset, tmp_path: Path
) -> None:
    plan = plan_in(tmp_path, with_rival(tiny_preset, "pooled", learning_rate=1e30))
    with processes.apart(1), pytest.raises(TrainingError, match=r"^pooled: .* must be finite"):
        stage.train(plan, "pooled", window)
    strange = type("StrangeError", (Exception,), {})("odd")  # no module has it
    assert repr(processes._portable(strange)) == "RuntimeError('StrangeError: odd')"


def test_a_process_that_is_killed_is_named_and_the_next_run_goes_on(
    here: str, window: list[ShardRef], tiny_preset: Preset, tmp_path: Path
) -> None:
    plan, reports = plan_in(tmp_path, tiny_preset), list[Progress]()

    def kill(progress: Progress) -> None:
        if progress.validation_loss is not None:
            for child in children():
                child.kill()

    with processes.apart(1), pytest.raises(TrainingError, match=r"^pooled: its process ended with status -9"):
        stage.train(plan, "pooled", window, kill)
    assert weights(stage.train(plan, "pooled", window, reports.append)) == here
    assert min(one.epoch for one in reports) == 2


def test_leaving_ends_what_runs_and_begins_nothing_more(
    window: list[ShardRef], tiny_preset: Preset, tmp_path: Path
) -> None:
    plan, began = plan_in(tmp_path, tiny_preset), Event()
    with ThreadPoolExecutor(1) as pool:
        with processes.apart(1):
            call = partial(stage.train, plan, on_progress=lambda _: began.set())
            runs = [pool.submit(copy_context().run, call, kind, window) for kind in ("per_slice", "pooled")]
            assert began.wait(120)
            left = time.monotonic()
        first, second = (str(run.exception()) for run in runs)
    assert time.monotonic() - left < 5
    assert children() == []
    assert first.startswith("per_slice: ended before it was done, because the run ends; run again")
    assert second.startswith("not begun, because the run ends")


def test_a_process_ends_with_the_one_that_started_it(
    window: list[ShardRef], tiny_preset: Preset, tmp_path: Path
) -> None:
    job = stage.TrainingJob(
        plan=plan_in(tmp_path, tiny_preset), kind="per_slice", variant=None, window=tuple(window), start=None,
        work=str(tmp_path / "work"), directory=str(tmp_path),
    )  # fmt: skip
    ours, theirs = Pipe()
    command = [sys.executable, "-c", processes._CODE.format(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        ours.send((job.model_dump_json(), 1))
        assert isinstance(ours.recv(), Progress)
        ours.close()
        assert process.wait(10) == 1


@pytest.mark.parametrize(
    ("threads", "trainings", "shares", "spinning"),
    [(1, 3, (1, 1), (1, 1)), (2, 3, (2, 1), (2, 1)), (2, 1, (1, 1), (1, 2)), (8, 3, (3, 1), (3, 2))],
)
def test_trainings_have_a_thread_each_and_share_all_where_threads_may_spin(
    threads: int,
    trainings: int,
    shares: object,
    spinning: object,
    tiny_preset: Preset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    for expected in (shares, spinning):
        assert processes.shared(trainings, tiny_preset) == expected
        assert processes.shared(trainings, with_extra(tiny_preset, "ranks", count=2)) == (1, threads)
        monkeypatch.setenv("GOMP_SPINCOUNT", "5000")


def test_a_training_of_this_process_has_one_thread_and_others_have_theirs_again() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with processes.sharing(1, 1), ThreadPoolExecutor() as pool:
            assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

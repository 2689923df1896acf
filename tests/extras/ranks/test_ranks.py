"""Several ranks: they read parts of one rank's batches, and learn what one rank learns."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor

from mtmd.config import Preset
from mtmd.errors import ConfigError, TrainingError
from mtmd.extract.shards import ShardRef
from mtmd.extract.stage import extract_day
from mtmd.extract.window import Share
from mtmd.extras.ranks import launcher
from mtmd.logs.source import LogSource
from mtmd.model.batch import Batch
from mtmd.run import RunPlan
from mtmd.store.files import write_text
from mtmd.train import stage
from mtmd.train.results import FILE, MOMENTS, WEIGHTS, FitResult, Progress
from tests.conftest import FIRST_DAY
from tests.train.windows import pinned_preset, with_extra, with_training

pytestmark = pytest.mark.slow

CLOSE = 1e-4  # relative difference of losses that summation in another order may make


@pytest.fixture(scope="module")
def tiny_preset() -> Preset:
    """The tiny preset, whatever its training settings become."""
    return pinned_preset()


def selective(preset: Preset) -> Preset:
    """Few values of every categorical feature of one value are admitted."""
    features = tuple(
        feature.model_copy(update={"min_count": 2}) if feature.kind == "categorical" else feature
        for feature in preset.features
    )
    return Preset.model_validate(preset.model_copy(update={"features": features}).model_dump())


@pytest.fixture(scope="module")
def preset(tiny_preset: Preset) -> Preset:
    """Two epochs; a batch is a small part of a day. Moments are kept, for a warm start."""
    kept = with_extra(selective(tiny_preset), "warmstart", on=True)
    return with_training(kept, epochs=2, batch_requests=48)


@pytest.fixture(scope="module")
def window(tiny_logs: Path, preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> list[ShardRef]:
    root = tmp_path_factory.mktemp("shards")
    days = [FIRST_DAY + timedelta(days=n) for n in range(2)]
    return [extract_day(LogSource(tiny_logs), day, preset.declarations, root) for day in days]


@pytest.fixture(scope="module")
def of_two(window: list[ShardRef], preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> stage.Trained:
    """What two ranks learn undisturbed."""
    return stage.train(plan_in(tmp_path_factory.mktemp("two"), preset, ranks=2), "mtmd", window)


def plan_in(artifacts: Path, preset: Preset, ranks: int = 1, **training: object) -> RunPlan:
    days = tuple(FIRST_DAY + timedelta(days=n) for n in range(2))
    return RunPlan(
        as_of=days[-1] + timedelta(days=1),
        days=days,
        preset=with_extra(with_training(preset, **training), "ranks", count=ranks),
        logs="logs",
        artifacts=str(artifacts),
    )


def weights(trained: stage.Trained) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_file(Path(trained.path) / WEIGHTS)
    return found


def losses(fit: FitResult) -> list[float]:
    return [
        value
        for one in fit.epochs
        for value in (one.train_loss, one.validation_loss, *one.validation_logmae.values())
    ]


# ---- what a rank reads ---------------------------------------------------------------------------


def test_ranks_read_disjoint_requests_of_the_same_batches(
    window: list[ShardRef], preset: Preset, tmp_path: Path
) -> None:
    plan = plan_in(tmp_path, preset)
    whole = stage.window_data(plan, window)
    parts = [stage.window_data(plan, window, Share(rank, 3)) for rank in range(3)]
    assert all(part.steps(48) == whole.steps(48) for part in parts)
    batches = zip(whole.epoch(1, 48), *(part.epoch(1, 48) for part in parts), strict=True)
    for batch, *of_ranks in batches:
        assert_parts(batch, of_ranks)
    held_out = zip(whole.validation(48), *(part.validation(48) for part in parts), strict=True)
    for batch, *of_ranks in held_out:
        assert_parts(batch, of_ranks)
    first, own = next(whole.epoch(0, 48)), next(parts[1].epoch(0, 48))
    assert torch.equal(first.candidate, own.candidate)  # statistics are those of the whole
    none = list(stage.window_data(plan, window, Share(63, 64)).epoch(1, 48))  # no request of any batch
    assert [len(batch.candidate) for batch in none] == [0] * whole.steps(48)


def assert_parts(batch: Batch, parts: list[Batch]) -> None:
    candidates = torch.cat([part.candidate for part in parts])
    assert torch.equal(candidates.sort().values, batch.candidate.sort().values)
    sizes = [len(part.query.continuous) for part in parts]
    assert max(sizes) - min(sizes) <= 1


# ---- what ranks learn ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mtmd", "per_slice"])
def test_two_ranks_learn_what_one_learns(
    kind: str, window: list[ShardRef], preset: Preset, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    one = stage.train(plan_in(tmp_path, preset), kind, window)
    if kind == "mtmd":
        two: stage.Trained = request.getfixturevalue("of_two")
    else:
        two = stage.train(plan_in(tmp_path, preset, ranks=2), kind, window)
    assert one.key != two.key
    assert (Path(two.path) / MOMENTS).exists() == (kind == "mtmd")
    assert losses(two.fit) == pytest.approx(losses(one.fit), rel=CLOSE)
    assert [epoch.rows for epoch in two.fit.epochs] == [epoch.rows for epoch in one.fit.epochs]
    files = [{path.name for path in Path(own.path).iterdir()} for own in (one, two)]
    assert files[0] == files[1]
    first, second = weights(one), weights(two)
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-2, atol=1e-3)


def ranks_in(place: Path) -> dict[str, int]:
    """Process ids of the ranks whose outputs are below a place, by their number."""
    found = {}
    for directory in Path("/proc").iterdir():
        try:
            if not directory.name.isdecimal() or str(place) not in (directory / "cmdline").read_text():
                continue
            variables = (directory / "environ").read_bytes().decode().split("\0")
        except OSError:
            continue
        found |= {
            one.removeprefix("RANK="): int(directory.name) for one in variables if one.startswith("RANK=")
        }
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc")
def test_a_rank_that_is_killed_ends_the_others_and_the_next_run_goes_on(
    of_two: stage.Trained,
    window: list[ShardRef],
    preset: Preset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = plan_in(tmp_path / "killed", preset, ranks=2)
    seen: dict[str, int] = {}

    def kill(progress: Progress) -> None:
        if progress.validation_loss is not None and not seen:
            seen.update(ranks_in(tmp_path))
            os.kill(seen["1"], signal.SIGKILL)

    with monkeypatch.context() as patched:
        patched.setattr(launcher, "_RANK", "tests.extras.ranks.waiting")
        with pytest.raises(TrainingError, match=r"(2 ranks|of 2\)).* goes on from its last checkpoint"):
            stage.train(plan, "mtmd", window, kill)
    assert sorted(seen) == ["0", "1"]
    assert ranks_in(tmp_path) == {}
    work = list((plan.workspace.root / "work").glob(f"*/{FILE}"))
    assert len(work) == 1
    reports: list[Progress] = []
    again = stage.train(plan, "mtmd", window, reports.append)
    assert {report.epoch for report in reports} == {2}
    assert losses(again.fit) == losses(of_two.fit)
    first, second = weights(again), weights(of_two)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_rank_ends_with_the_process_that_started_it(
    window: list[ShardRef], preset: Preset, tmp_path: Path
) -> None:
    """Its standard input is closed then; here it waits for another rank that never comes."""
    job = stage.TrainingJob(
        plan=plan_in(tmp_path, preset, ranks=2),
        kind="mtmd",
        variant=None,
        window=tuple(window),
        start=None,
        work=str(tmp_path / "work"),
        directory=str(tmp_path),
    )
    write_text(tmp_path / "job.json", job.model_dump_json())
    command = [sys.executable, "-m", "mtmd.extras.ranks.rank", str(tmp_path / "job.json")]
    environment = os.environ | {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "9",
                                "OMP_NUM_THREADS": "1"}  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        assert process.wait(120) == 1
        assert process.stdout.read() == b""  # it says nothing of its own


def test_what_a_rank_finds_wrong_is_said_in_its_words(
    window: list[ShardRef], preset: Preset, tmp_path: Path
) -> None:
    plan = plan_in(tmp_path, preset, ranks=2, learning_rate=1e30, max_gradient_norm=1e30)
    with pytest.raises(TrainingError, match=r"mtmd: .* must be finite.*\(said by rank \d of 2\)"):
        stage.train(plan, "mtmd", window)
    assert not list((plan.workspace.root / "trained").iterdir())


# ---- what is refused -----------------------------------------------------------------------------


def test_a_batch_of_fewer_requests_than_ranks_is_refused(tiny_preset: Preset) -> None:
    values = tiny_preset.model_dump()
    values["training"]["batch_requests"] = 1
    Preset.model_validate(values)
    values["extras"]["ranks"] |= {"count": 2}
    with pytest.raises(ValidationError, match=r"count \(2\) must be at most training.batch_requests \(1\)"):
        Preset.model_validate(values)


def test_more_ranks_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch, tiny_preset: Preset) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    preset = with_extra(with_training(tiny_preset, device="auto"), "ranks", count=2)
    with pytest.raises(
        ConfigError, match=r"extras.ranks.count \(2\) must be at most the number of GPUs \(1\)"
    ):
        stage.require_machine(preset)

"""What a row costs as logs grow, for docs/scale.md: `python -m benchmarks.scale_rates --factors 1 4 16`.

The whole daily job without Prefect on simulated logs: a window of three days and a held-out day, one epoch, no warm
start. A factor multiplies requests, users, ads and the buckets of their ids. Rates are rows a second of processor time.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from benchmarks.day_cost import processor_seconds
from benchmarks.plain_job import KINDS, plain_job
from benchmarks.runs import plan_of, print_measured
from mtmd.config import load_preset
from mtmd.jobs.simulation import simulate_days
from mtmd.promote.stage import DayRun
from mtmd.report.tables.evaluation import Column, Table
from mtmd.run import RunPlan

AS_OF, DAYS = date(2026, 1, 25), 3
_SIMULATED = {"requests_per_day": 1000, "users": 3000, "ads": 2400}  # the demo's
_IDS = {"user_id": 40_000, "ad_id": 40_000}
_PRESET = """base = "{base}"
name = "scale-rates"
logs = "logs"
[training]
epochs = 1
start = "fresh"
"""


@dataclass(frozen=True)
class Measured:
    """Of one size of logs."""

    factor: int
    trained: int  # candidates of the window
    held_out: int  # candidates of the held-out day
    log_bytes: int  # of all days
    shard_bytes: int
    seconds: dict[str, float]  # processor seconds by stage

    @property
    def rows(self) -> int:
        return self.trained + self.held_out

    def rate(self, stage: str) -> float:
        """Rows of the stage a second."""
        rows = {"validation and shards": self.rows, "evaluation": self.held_out}.get(stage, self.trained)
        return rows / self.seconds[stage]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when a day of logs is refused."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale_rates", description=__doc__)
    parser.add_argument(
        "--preset", default="demo", help="whose features and models are taken; simulated logs"
    )
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    options = parser.parse_args(arguments)
    return print_measured(options, lambda: table([measured(options.preset, one) for one in options.factors]))


def measured(base: str, factor: int) -> Measured:
    """Simulate logs of the demo's size times the factor and run their last day; the folder is removed afterwards."""
    load_preset(base)  # a wrong one is named as it was given
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "preset.toml").write_text(preset_text(base, factor), encoding="utf-8")
        preset, logs = str(folder / "preset.toml"), folder / "logs"
        size = {key: value * factor for key, value in _SIMULATED.items()}
        simulate_days(AS_OF, preset, days=DAYS + 1, logs=str(logs), **size)
        plan = plan_of(
            load_preset(preset), AS_OF, window_days=DAYS, logs=str(logs), artifacts=str(folder / "artifacts")
        )
        return of_run(plan, factor)


def of_run(plan: RunPlan, factor: int) -> Measured:
    """Run this day, and count what it read and wrote."""
    run, seconds = _run(plan)
    return Measured(
        factor=factor,
        trained=sum(ref.candidates for ref in run.days.window),
        held_out=run.days.held_out.candidates,
        log_bytes=_bytes(Path(plan.logs)),
        shard_bytes=_bytes(plan.workspace.shards),
        seconds=seconds,
    )


def table(found: Sequence[Measured]) -> Table:
    """A column for each size."""
    columns = (Column(name="what", kind="text"), *(Column(name=f"{one.factor} ×") for one in found))
    rows = [
        ("candidates trained on", *(f"{one.trained:,}" for one in found)),
        ("logs, bytes a candidate", *(f"{one.log_bytes / one.rows:.1f}" for one in found)),
        ("shards, bytes a candidate", *(f"{one.shard_bytes / one.rows:.1f}" for one in found)),
        *(
            (f"{stage}, rows/s", *(f"{one.rate(stage):,.0f}" for one in found))
            for stage in ("validation and shards", *(f"training, {kind}" for kind in KINDS), "evaluation")
        ),
        *(
            (f"{stage}, s", *(f"{one.seconds[stage]:.1f}" for one in found))
            for stage in ("export and proofs", "decision, ads and page")
        ),
    ]
    title = f"The daily job by size, {DAYS} days and one epoch, {torch.get_num_threads()} thread(s)"
    return Table(title=title, columns=columns, rows=tuple(rows))


def preset_text(base: str, factor: int) -> str:
    """The preset of logs that are so many times the demo's: as many more buckets, one epoch.

    A path is seen from the current folder, and the file that has this text is in another one.
    """
    base = str(Path(base).resolve()) if base.endswith(".toml") else base
    own = "".join(f"[change_features.{name}]\nbuckets = {size * factor}\n" for name, size in _IDS.items())
    return _PRESET.format(base=base) + own


def _run(plan: RunPlan) -> tuple[DayRun, dict[str, float]]:
    seconds: dict[str, float] = {}

    @contextmanager
    def clock(stage: str) -> Iterator[None]:
        before = processor_seconds()
        yield
        seconds[stage] = processor_seconds() - before

    run, _ = plain_job(plan, clock)
    return run, seconds


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    raise SystemExit(main())

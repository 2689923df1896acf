"""What more rows bring: `python -m benchmarks.data_sizes demo --as-of 2026-01-25 --epochs 1 3`.

MTMD, the per-slice baselines and the pooled two-tower, each trained as in the daily job, for every combination of the
presets, held-out days, window lengths and epochs that are named. So it answers two questions: does the lead over the
rivals change with the number of users and ads, and how many days should a window have? Errors are means over slices;
the lead is the mean of what MTMD gains in each slice. Without the step to the newest day's level, so that presets which
take it and presets which don't can be compared; `--level` keeps it.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import torch
from rich.console import Console

from benchmarks.curves import curves
from benchmarks.runs import add_seeds, as_trained, extracted, plan_of, timed_training, told
from benchmarks.seeds import MODELS, report_of
from mtmd.config import Preset, load_preset
from mtmd.evaluate.report import EvaluationReport
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.store.files import write_text

RIVALS = MODELS[1:]


class Point(NamedTuple):
    """One combination, measured."""

    preset: str
    as_of: date
    days: int  # of training
    epochs: int
    seed: int
    rows: int  # candidates of the training days
    seconds: float | None  # of processor time, trainings of all three models; None if one was there already
    report: EvaluationReport

    def error(self, model: str) -> float:
        """LogMAE on the held-out day, mean of slices."""
        return fmean(self._by_slice(model))

    def lead(self, rival: str) -> float:
        """What MTMD gains over a rival, mean of slices."""
        pairs = zip(self._by_slice("mtmd"), self._by_slice(rival), strict=True)
        return fmean(1 - own / other for own, other in pairs)

    def _by_slice(self, model: str) -> list[float]:
        found = (self.report.get(model, where).logmae for where in self.report.slices)
        return [float("nan") if value is None else value for value in found]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line per combination, then the table; exit status 1 when the logs are wrong."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    points = []
    for point in measured(options):
        points.append(point)
        console.print(_said(point), markup=False)
        if options.output is not None:
            write_text(options.output, table(points).markdown())
    console.print(table(points).markdown(), markup=False)
    if options.picture is not None:
        write_text(options.picture, picture(points))
    return 0


def measured(options: argparse.Namespace) -> Iterator[Point]:
    """Every combination of the options, one after the other."""
    for name, as_of, days in product(options.presets, options.as_of, options.window_days or [None]):
        preset = load_preset(name)
        preset = preset if options.level else as_trained(preset)
        for epochs, seed in product(options.epochs or [preset.training.epochs], options.seeds):
            plan = plan_of(
                _training(preset, epochs, seed),
                as_of,
                window_days=days,
                logs=options.logs,
                artifacts=options.artifacts,
            )
            yield _point(plan)


def table(points: Iterable[Point]) -> Table:
    """One row per combination."""
    rows: list[tuple[Cell, ...]] = [
        (
            point.preset,
            str(point.as_of),
            point.days,
            point.epochs,
            point.seed,
            point.rows,
            *(point.error(model) for model in MODELS),
            *(f"{point.lead(rival):+.1%}" for rival in RIVALS),
            None if point.seconds is None else round(point.seconds),
        )
        for point in points
    ]
    columns = (
        *(Column(name=name, kind="text") for name in ("preset", "held out")),
        *(Column(name=name, kind="count") for name in ("days", "epochs", "seed", "rows")),
        *(Column(name=model) for model in MODELS),
        *(Column(name=f"vs {rival}", kind="text") for rival in RIVALS),
        Column(name="processor seconds", kind="count"),
    )
    title = "LogMAE against the teacher on the held-out day, mean of slices"
    return Table(title=title, columns=columns, rows=tuple(rows))


def picture(points: Sequence[Point]) -> str:
    """MTMD's lead against the window's rows, as SVG: a line per rival and number of epochs."""
    series = {
        f"{rival.replace('_', '-')}, {epochs} {'pass' if epochs == 1 else 'passes'}": [
            (point.rows, 100 * point.lead(rival)) for point in points if point.epochs == epochs
        ]
        for rival, epochs in product(RIVALS, dict.fromkeys(point.epochs for point in points))
    }
    return curves("MTMD's lead in LogMAE, %, mean of slices", "rows of the window", series)


def _point(plan: RunPlan) -> Point:
    shards = extracted(plan, plan.all_days)
    seconds = [timed_training(plan, kind, shards[:-1])[1] for kind in MODELS]
    known = [one for one in seconds if one is not None]
    return Point(
        preset=plan.preset.name,
        as_of=plan.as_of,
        days=len(plan.days),
        epochs=plan.preset.training.epochs,
        seed=plan.preset.training.seed,
        rows=sum(shard.candidates for shard in shards[:-1]),
        seconds=sum(known) if len(known) == len(seconds) else None,
        report=report_of(plan, shards),
    )


def _training(preset: Preset, epochs: int, seed: int) -> Preset:
    changed = preset.training.model_copy(update={"epochs": epochs, "seed": seed})
    return preset.model_copy(update={"training": changed})


def _said(point: Point) -> str:
    leads = ", ".join(f"{point.lead(rival):+.1%} over {rival}" for rival in RIVALS)
    return (
        f"{point.preset}, {point.as_of}, {point.days} days, epochs {point.epochs}, seed {point.seed}, "
        f"{point.rows:,} rows: mtmd {point.error('mtmd'):.4f}; {leads}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_sizes", description=__doc__)
    parser.add_argument("presets", nargs="+", metavar="PRESET", help="names, or paths to .toml files")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, nargs="+", required=True, help="the held-out days"
    )
    parser.add_argument(
        "--window-days", type=int, nargs="+", help="training days before each; default: the preset's"
    )
    parser.add_argument("--epochs", type=int, nargs="+", help="passes over the rows; default: the preset's")
    add_seeds(parser, (0,), "of the trainings")
    parser.add_argument("--level", action="store_true", help="with the step to the newest day's level")
    parser.add_argument("--logs", help="where the log tables are; default: each preset's")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the lead against rows as SVG")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

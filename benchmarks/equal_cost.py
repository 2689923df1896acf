"""What models make of the same time: `python -m benchmarks.equal_cost --as-of 2026-01-25`.

Each model is trained anew for each number of epochs, with its own learning rate and a whole schedule of warm-up and
cosine; then it is held against the held-out day. Time is processor time on one thread, so that others on the machine
count little. MTMD and its rivals are always there; peers (`benchmarks.peers`) where they are installed, and variants of
MTMD (mtmd/config/variants.toml) that are named.
"""

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.peers.catalogue import (
    PEERS,
    add_recipe_options,
    build_peer,
    installed,
    learning_rates,
    require_widths,
)
from benchmarks.peers.features import Peer, window_moments
from benchmarks.peers.train import fit_peer
from benchmarks.runs import daily_plan, extracted, told, window_parser
from mtmd.config import Preset, variant
from mtmd.errors import ConfigError
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.metrics import clip_log_p
from mtmd.evaluate.predictors import score_day
from mtmd.extract.shards import Shard, ShardRef, open_shard
from mtmd.extract.window import WindowData
from mtmd.model.ranker import RankingModel
from mtmd.report.tables import Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.store.files import write_text
from mtmd.train.stage import window_data
from mtmd.train.step import choose_precision
from mtmd.train.trainer import fit

RIVALS = ("per_slice", "pooled")
Point = tuple[float, float]  # processor seconds, LogMAE


class Trial(NamedTuple):
    """One training: its processor seconds, and LogMAE on the held-out day by task."""

    model: str
    epochs: int
    seconds: float
    logmae: tuple[float, ...]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; exit status 1 for wrong options or logs."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    if not (options.epochs or options.more):
        raise ConfigError("--epochs and --more name no training; give one of them, such as --more pooled=28")
    plan = daily_plan(options).changed(None, options.seed)
    *window, last = extracted(plan, plan.all_days)
    day = open_shard(Path(last.path))
    trials = _trials(plan, window, day, options, lambda words: console.print(words, markup=False))
    tasks = plan.preset.domains.task_names
    gains = gain_table(trials)
    tables = [trial_table(trials, tasks), *([gains] if gains.rows else [])]
    text = "\n".join(table.markdown() for table in tables)
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def trial_table(trials: Sequence[Trial], tasks: Sequence[str]) -> Table:
    """A row per training."""
    columns = (
        Column(name="model", kind="text"),
        Column(name="epochs", kind="count"),
        Column(name="processor seconds", kind="count"),
        *(Column(name=task) for task in tasks),
        Column(name="mean of tasks"),
    )
    rows = tuple(
        (one.model, one.epochs, round(one.seconds), *one.logmae, fmean(one.logmae)) for one in trials
    )
    return Table(title="LogMAE on the held-out day by time of training", columns=columns, rows=rows)


def gain_table(trials: Sequence[Trial]) -> Table:
    """Gains of MTMD and its variants over rivals and peers, at the seconds of each training of theirs.

    A gain is in LogMAE, as the mean over tasks. One over a rival whose longest training took less is marked `≤`: in
    the rest of the time the rival would have come closer. Without a training of MTMD or a variant there are no rows.
    """
    lines = _lines(trials)
    candidates = [name for name in lines if name not in (*RIVALS, *PEERS)]
    others = [name for name in lines if name not in candidates]
    rows: list[tuple[Cell, ...]] = [
        (model, round(seconds), logmae, *(_gain(logmae, lines[name], seconds) for name in others))
        for model in candidates
        for seconds, logmae in lines[model]
    ]
    columns = (
        Column(name="model", kind="text"),
        Column(name="processor seconds", kind="count"),
        Column(name="LogMAE"),
        *(Column(name=f"gain over {name}", kind="text") for name in others),
    )
    return Table(
        title="MTMD and its variants at equal time; a dash where no training took so little, ≤ where none took so long",
        columns=columns,
        rows=tuple(rows),
    )


def _gain(logmae: float, line: Sequence[Point], seconds: float) -> str:
    """Over what a rival reaches in these seconds; `≤` where its longest training took less."""
    there = logmae_at(line, seconds)
    if there is None:
        return "–"
    bound = "≤ " if seconds > max(taken for taken, _ in line) else ""
    return f"{bound}{1.0 - logmae / there:+.1%}"


def logmae_at(line: Sequence[Point], seconds: float) -> float | None:
    """What a model reaches in these seconds: between two trainings by the logarithm of their seconds.

    Beyond the longest training its own figure; None before the shortest.
    """
    line = sorted(line)
    if seconds < line[0][0]:
        return None
    x, y = zip(*line, strict=True)
    return float(np.interp(math.log(seconds), np.log(x), y))


def _lines(trials: Sequence[Trial]) -> Mapping[str, list[Point]]:
    lines: dict[str, list[Point]] = {}
    for one in trials:
        lines.setdefault(one.model, []).append((one.seconds, fmean(one.logmae)))
    return lines


def _trials(
    plan: RunPlan,
    window: Sequence[ShardRef],
    day: Shard,
    options: argparse.Namespace,
    say: Callable[[str], None],
) -> list[Trial]:
    """Train every model for every number of epochs, all models before the next number; then what `--more` names."""
    if unknown := sorted(set(options.peers) - set(PEERS)):
        raise ConfigError(f"peers {unknown} are not known; use some of {list(PEERS)}")
    candidate = plan.preset.candidate
    changed = [variant(name, candidate).name for name in options.variants]
    peers = [name for name in options.peers or PEERS if installed()]
    rates = learning_rates(options, options.peers or list(PEERS))
    require_widths(options.widths)
    names = [candidate, *RIVALS, *changed, *peers]
    wanted = [(name, epochs) for epochs in sorted(options.epochs) for name in names]
    judged, trials = HeldOutDay.of(day, plan.preset.declarations), []
    for name, epochs in [*wanted, *_more(options.more, names)]:
        asked = _with_epochs(plan, epochs)
        if name in changed:
            asked = asked.changed(name)
        data = window_data(asked, window)  # a variant may see a share of the requests
        started = time.process_time()
        model = (
            _trained_peer(name, asked.preset, data, rates[name], options.widths)
            if name in PEERS
            else _trained(name, asked.preset, data)
        )
        seconds = time.process_time() - started
        logmae = logmae_of(score_day(model, day, plan.preset.declarations), judged)
        trials.append(Trial(name, epochs, seconds, logmae))
        say(f"{name}, {epochs} epochs: {seconds:.0f} s, LogMAE {fmean(logmae):.4f}")
    return trials


def _more(pairs: Sequence[str], names: Sequence[str]) -> list[tuple[str, int]]:
    """`NAME=EPOCHS` pairs; raises ConfigError for one that is not."""
    found = []
    for pair in pairs:
        name, _, epochs = pair.partition("=")
        if name not in names or not epochs.isdecimal() or int(epochs) < 1:
            raise ConfigError(f"--more {pair!r} must be one of {list(names)} and a number, such as pooled=28")
        found.append((name, int(epochs)))
    return found


def _with_epochs(plan: RunPlan, epochs: int) -> RunPlan:
    training = plan.preset.training.model_copy(update={"epochs": epochs})
    return plan.model_copy(update={"preset": plan.preset.model_copy(update={"training": training})})


def _trained_peer(
    name: str, preset: Preset, data: WindowData, learning_rate: float, widths: Sequence[int]
) -> Peer:
    model = build_peer(name, preset, window_moments(data, preset.training.batch_requests), widths)
    fit_peer(model, data, preset, learning_rate, choose_precision(preset.training))
    return model


def _trained(name: str, preset: Preset, data: WindowData) -> RankingModel:
    kind = name if name in RIVALS else preset.candidate
    with TemporaryDirectory() as work:
        return fit(kind, data, preset, Path(work))[0]


def logmae_of(log_p: NDArray[np.floating], day: HeldOutDay) -> tuple[float, ...]:
    """LogMAE of each task over the rows that the day has a score of."""
    with np.errstate(invalid="ignore"):
        error = np.abs(clip_log_p(log_p) - np.log(day.teacher))
    return tuple(float(value) for value in np.nanmean(error, axis=0))


def _parser() -> argparse.ArgumentParser:
    parser = window_parser("equal_cost", __doc__)
    parser.set_defaults(threads=1)
    parser.add_argument("--seed", type=int, default=0, help="of the trainings")
    parser.add_argument(
        "--epochs",
        type=int,
        nargs="*",
        default=[2, 5, 10],
        help="of every model's trainings; none: --more alone",
    )
    parser.add_argument("--more", nargs="*", default=(), metavar="NAME=EPOCHS", help="further trainings")
    parser.add_argument("--variants", nargs="*", default=(), metavar="NAME", help="of MTMD, such as no_dcn")
    parser.add_argument("--peers", nargs="*", default=(), metavar="NAME", help=", ".join(PEERS))
    add_recipe_options(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

"""Search settings on the window's validation requests: `python -m benchmarks.tune benchmarks/searches/demo.toml`.

A search file names a preset, a held-out day and tries: each changes the preset's values and is trained as the daily
job trains, with every seed. The held-out day is never read, unless `next_day` asks for it. What was trained before is
taken from the artifacts, so a search that was stopped goes on. The figure that settings are chosen by is the LogMAE
against the teacher on the validation requests, as the mean over slices, so that small domains count as much as large
ones. Beside it stands the error on each slice's fifth of highest scores, as what is ranked low is never shown. Of tasks
that learn from actions the error is log loss.
"""

import argparse
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import torch
from pydantic import Field, field_validator
from rich.console import Console
from torch import Tensor

from benchmarks.runs import extracted, plan_of
from mtmd.config import Domains, Frozen, Preset, Slice, load_preset
from mtmd.config.preset_files import CHANGE, laid_over
from mtmd.errors import ConfigError, MtmdError
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_day
from mtmd.extract.shards import Shard, ShardRef, open_shard
from mtmd.extract.window import WindowData
from mtmd.model.ranker import RankingModel
from mtmd.report.tables import Column, Table
from mtmd.run import RunPlan
from mtmd.store.files import write_text
from mtmd.train.stage import load_trained, train, window_data
from mtmd.train.step import bernoulli_kl

TOP = 0.2


class Try(Frozen):
    """One setting of one kind of model."""

    name: str
    kind: str | None = Field(None, description="a rival's name; the candidate when left out")
    patch: dict[str, Any] = Field({}, description="sections and keys of the preset, with other values")
    change_features: dict[str, dict[str, Any]] = Field(
        {}, description="as in a preset with a base: settings of its features that differ"
    )


class Search(Frozen):
    """A search file."""

    preset: str
    as_of: date = Field(description="the held-out day; the window is the days before it")
    window_days: int | None = Field(None, ge=1, description="the preset's when left out")
    logs: str | None = Field(None, description="likewise")
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    next_day: bool = Field(
        False,
        description="measure on `as_of` as well; for a day before the one that you hold out",
    )
    tries: tuple[Try, ...] = Field(min_length=1)

    @field_validator("seeds")
    @classmethod
    def _each_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        """One that is named twice would make the deviation over seeds smaller than it is."""
        return tuple(dict.fromkeys(seeds))


class Found(Frozen):
    """A setting's figures on the validation requests, one per seed."""

    name: str
    kind: str
    slices: tuple[float, ...] = Field(description="mean LogMAE over slices")
    top: float = Field(description="LogMAE of each slice's top fifth, over all their rows, mean over seeds")
    tasks: dict[str, float] = Field(description="LogMAE over all rows of the task, mean over seeds")
    next_day: float | None = Field(
        description="LogMAE on the day after the window, mean over slices and seeds"
    )
    epochs: str
    rows_per_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the search's table; exit status 1 for a file or logs that are wrong."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    try:
        said = tomllib.loads(options.search.read_text(encoding="utf-8"))
        asked = {"as_of": options.as_of, "window_days": options.window_days}
        search = Search.model_validate(
            said | {key: value for key, value in asked.items() if value is not None}
        )
        table = run(search, options.artifacts, console)
    except (MtmdError, ValueError, OSError) as error:
        console.print(f"error: {error}", markup=False)
        return 1
    console.print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


def run(search: Search, artifacts: str, console: Console) -> Table:
    """Train and measure every try."""
    preset = load_preset(search.preset)
    found = []
    for one in search.tries:
        changed = patched(preset, one)
        plan = plan_of(
            changed, search.as_of, window_days=search.window_days, logs=search.logs, artifacts=artifacts
        )
        shards = extracted(plan, plan.all_days if search.next_day else plan.days)
        found.append(_measure(plan, one, search.seeds, shards))
        console.print(f"{one.name} ({found[-1].kind}): {fmean(found[-1].slices):.4f}", markup=False)
    return _table(found, preset, search, search.window_days or preset.window_days)


class Errors(NamedTuple):
    """The validation rows of a slice: |ln p̂ − ln teacher| and the teacher's scores, (N,) each."""

    error: Tensor
    teacher: Tensor

    @property
    def of_top(self) -> Tensor:
        """The errors of the fifth with the highest scores, one row at least: what survives a cut."""
        count = max(1, round(TOP * len(self.teacher)))
        return self.error[self.teacher.topk(count).indices]


def validation_logmae(
    model: RankingModel, data: WindowData, batch_requests: int = 1024
) -> dict[Slice, float]:
    """LogMAE against the teacher of each slice that the validation requests have."""
    errors = validation_errors(model, data, batch_requests)
    return {where: float(found.error.mean()) for where, found in errors.items()}


def validation_errors(
    model: RankingModel, data: WindowData, batch_requests: int = 1024
) -> dict[Slice, Errors]:
    """The errors of each slice that the validation requests have."""
    with torch.inference_mode():
        rows = [(batch.pair_domain, model(batch), batch.teacher) for batch in data.validation(batch_requests)]
    return errors_by_slice(data.declarations.domains, *map(torch.cat, zip(*rows, strict=True)))


def errors_by_slice(domains: Domains, domain: Tensor, log_p: Tensor, teacher: Tensor) -> dict[Slice, Errors]:
    """The errors of each slice that has a score or action. domain (P,) integers; log_p, teacher (P, T)."""
    acts = torch.tensor([task.from_actions for task in domains.tasks])
    error = torch.where(acts, bernoulli_kl(log_p, teacher), (log_p - teacher.log()).abs()).double()
    found = {}
    for where in domains.slices:
        place = domains.domains.index((where.surface, where.product))
        task = domains.task_names.index(where.task)
        own = (domain == place) & ~teacher[:, task].isnan()
        if own.any():
            found[where] = Errors(error[own, task], teacher[own, task])
    return found


def next_day_logmae(model: RankingModel, data: WindowData, shard: Shard) -> float:
    """LogMAE on the day after the window, mean over slices."""
    day = HeldOutDay.of(shard, data.declarations)
    columns = (day.domain, score_day(model, shard, data.declarations), day.teacher)
    errors = errors_by_slice(data.declarations.domains, *map(torch.from_numpy, columns))
    return fmean(float(one.error.mean()) for one in errors.values())


def patched(preset: Preset, one: Try) -> Preset:
    """The preset with a try's values; raises ConfigError naming the try."""
    try:
        changes = one.patch | ({CHANGE: one.change_features} if one.change_features else {})
        return Preset.model_validate(laid_over(preset.model_dump(mode="json"), changes, Path(preset.name)))
    except ValueError as error:
        raise ConfigError(f"try {one.name!r} does not fit preset {preset.name!r}:\n{error}") from error


def _measure(plan: RunPlan, one: Try, seeds: Sequence[int], shards: Sequence[ShardRef]) -> Found:
    """The shards are those of the window, and the next day's where that is measured."""
    window, after = shards[: len(plan.days)], [open_shard(Path(ref.path)) for ref in shards[len(plan.days) :]]
    slices, tops, tasks, best, speeds, next_day = [], [], [], [], [], []
    kind = one.kind or plan.preset.candidate
    for seed in seeds:
        own = plan.changed(None, seed)
        trained = train(own, kind, window)
        model, data = load_trained(own, trained), window_data(own, window)
        errors = validation_errors(model, data)
        slices.append(fmean(float(one.error.mean()) for one in errors.values()))
        tops.append(float(torch.cat([one.of_top for one in errors.values()]).mean()))
        of_slices = {
            task: fmean(float(one.error.mean()) for where, one in errors.items() if where.task == task)
            for task in plan.preset.domains.action_tasks
        }
        tasks.append(of_slices | trained.fit.epochs[trained.fit.best_epoch - 1].validation_logmae)
        best.append(f"{trained.fit.best_epoch}/{len(trained.fit.epochs)}")
        speeds.append(trained.fit.rows_per_s)
        next_day += [next_day_logmae(model, data, shard) for shard in after]
    return Found(
        name=one.name,
        kind=kind,
        slices=tuple(slices),
        top=fmean(tops),
        tasks={task: fmean(by_task[task] for by_task in tasks) for task in plan.preset.domains.task_names},
        next_day=fmean(next_day) if next_day else None,
        epochs=" ".join(best),
        rows_per_s=fmean(speeds),
    )


def _table(found: Sequence[Found], preset: Preset, search: Search, days: int) -> Table:
    columns = (
        Column(name="try", kind="text"),
        Column(name="model", kind="text"),
        Column(name="LogMAE, mean of slices"),
        Column(name="± seeds"),
        Column(name="top fifth"),
        *(Column(name=task) for task in preset.domains.task_names),
        *([Column(name="next day, mean of slices")] if search.next_day else []),
        Column(name="best epoch", kind="text"),
        Column(name="rows/s", kind="count"),
    )
    title = f"Validation LogMAE, {preset.name}, {days} days before {search.as_of}, seeds {list(search.seeds)}"
    return Table(title=title, columns=columns, rows=tuple(tuple(_row(one)) for one in found))


def _row(one: Found) -> Iterator[str | float | int | None]:
    yield from (one.name, one.kind, fmean(one.slices))
    yield stdev(one.slices) if len(one.slices) > 1 else None
    yield from (one.top, *one.tasks.values())
    if one.next_day is not None:
        yield one.next_day
    yield from (one.epochs, round(one.rows_per_s))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tune", description=__doc__)
    parser.add_argument("search", type=Path, help="a search file, such as benchmarks/searches/demo.toml")
    parser.add_argument("--as-of", type=date.fromisoformat, help="another held-out day than the file's")
    parser.add_argument("--window-days", type=int, help="another number of days before it")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

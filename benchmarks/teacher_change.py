"""What a change of the teacher does on KuaiRand: `python -m benchmarks.teacher_change --source …`.

The import scores each block of days by teachers that never saw it (`mtmd/teacher/cross_fit.py`), so a held-out day may
have other teachers than the days of its window. Here the teachers are fitted again, and those of the window score the
held-out day too, each weighed by the candidates that it scored in the window. The mean is what a model would predict
that learned the window's scores perfectly but could not tell which teachers gave them. The models are compared with the
day's own scores, as everywhere else, and with this mean, as if the teacher had not changed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.runs import daily_plan, extracted, print_measured, window_parser
from benchmarks.seeds import MODELS
from mtmd.config import Slice
from mtmd.errors import LogsError
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_day
from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import Shard, ShardRef, open_shard
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.sources.kuairand.mapping import Exposures, map_exposures
from mtmd.sources.kuairand.source import Source, read_source
from mtmd.sources.kuairand.teacher_inputs import teacher_inputs, teaching_rows
from mtmd.teacher.config import TeacherConfig
from mtmd.teacher.cross_fit import NEWEST, BlockTeachers
from mtmd.teacher.rows import Ints
from mtmd.train.stage import load_trained, train

WINDOW = "window's teachers"
RIVALS = MODELS[1:]
_SAME = 1e-3  # mean |ln a − ln b| of scores of the same teachers: another machine may differ in last bits

Scores = NDArray[np.float32]
Compared = tuple[EvaluationReport, EvaluationReport]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when the logs are wrong, or not of the source."""
    parser = window_parser("teacher_change", __doc__, (0, 1, 2))
    parser.add_argument(
        "--source", type=Path, required=True, help="what the logs were imported from, with seed 0"
    )
    parser.set_defaults(preset="kuairand")
    options = parser.parse_args(arguments)

    def measured() -> Table:
        plan = daily_plan(options)
        torch.set_num_threads(options.threads)
        shards = extracted(plan, plan.all_days)
        unchanged = window_scores(
            options.source, plan.days, open_shard(Path(shards[-1].path)), TeacherConfig()
        )
        return change([compared(plan.changed(None, seed), shards, unchanged) for seed in options.seeds])

    return print_measured(options, measured)


def window_scores(source: Path, days: Sequence[date], shard: Shard, config: TeacherConfig) -> Scores:
    """(P, T): the mean score that the teachers of these days give to the candidates of a later day.

    Raises LogsError for a day that taught some of them, and for logs that were not imported from `source`.
    """
    tables = read_source(source)
    exposures, _ = map_exposures(tables)
    teachers = BlockTeachers.of(teacher_inputs(tables, exposures), teaching_rows(exposures), config, seed=0)
    rows = _rows_of(shard, tables, exposures)
    if (teachers.block[rows] != NEWEST).any():
        raise LogsError(
            f"as_of ({shard.day}) must be one of the last two days in {source}: earlier days teach"
        )
    own = teachers.scores(NEWEST, rows)
    if not np.abs(np.log(own) - np.log(shard.teacher.numpy())).mean() <= _SAME:
        raise LogsError(f"the scores of {shard.day} must be those of an import of {source} with seed 0")
    in_window = (exposures.day >= _number(days[0])) & (exposures.day <= _number(days[-1]))
    blocks, counts = np.unique(teachers.block[in_window], return_counts=True)
    scores = [own if block == NEWEST else teachers.scores(int(block), rows) for block in blocks]
    return np.average(scores, axis=0, weights=counts).astype(np.float32)


def _rows_of(shard: Shard, source: Source, exposures: Exposures) -> Ints:
    """(P,) which exposure each candidate of a day is."""
    ads = source.videos["video_id"].to_numpy()[exposures.video]
    places = {
        key: row for row, key in enumerate(zip(exposures.request_id.tolist(), ads.tolist(), strict=True))
    }
    requests, wanted_ads = shard.request_id[shard.request_row.long()], shard.ad_id[shard.ad_row.long()]
    wanted = list(zip(requests.tolist(), wanted_ads.tolist(), strict=True))
    if missing := [key for key in wanted if key not in places]:
        raise LogsError(
            f"{shard.day} has {len(missing)} candidates that the source lacks, such as {missing[0]}"
        )
    return np.array([places[key] for key in wanted])


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def compared(plan: RunPlan, shards: Sequence[ShardRef], unchanged: Scores) -> Compared:
    """One seed's models against the day's own scores, and against those of the window's teachers."""
    declarations, held_out = plan.preset.declarations, open_shard(Path(shards[-1].path))
    day = HeldOutDay.of(held_out, declarations)
    window = shards[:-1]
    models = {kind: load_trained(plan, train(plan, kind, window)) for kind in MODELS}
    scores: dict[str, Scores] = {
        kind: score_day(model, held_out, declarations) for kind, model in models.items()
    }
    return against_both(plan, day, scores, unchanged)


def against_both(plan: RunPlan, day: HeldOutDay, scores: dict[str, Scores], unchanged: Scores) -> Compared:
    """Log-scores against the day's own teachers, where the window's stand beside them, and against the window's."""
    days = (day, scores | {WINDOW: np.log(unchanged)}), (replace(day, teacher=unchanged), scores)
    own, same = (
        evaluate_predictors(
            plan.as_of, plan.preset.declarations, targets, predictions, plan.preset.evaluation
        )
        for targets, predictions in days
    )
    return own, same


def change(seeds: Sequence[Compared]) -> Table:
    """LogMAE over all rows and over slices, and what MTMD gains over each rival; means over seeds."""
    first, _ = seeds[0]
    own, same = [report for report, _ in seeds], [report for _, report in seeds]
    rows: list[tuple[Cell, ...]] = []
    slices = [where for where in first.slices if first.get("mtmd", where).rows]
    for task in dict.fromkeys(where.task for where in slices):
        for name, places in (("rows", first.aggregates), ("slices", slices)):
            of_task = [where for where in places if where.task == task]
            window = f"{_mean(own, WINDOW, of_task):.4f}"
            rows.append((task, name, window, *_cells(own, of_task), *_cells(same, of_task)))
    window = f"{_mean(own, WINDOW, slices):.4f}"
    rows.append(("all", "slices", window, *_cells(own, slices), *_cells(same, slices)))
    models = (*MODELS, *(f"vs {rival}" for rival in RIVALS))
    names = ("task", "over", WINDOW, *models, *(f"{name}, unchanged teacher" for name in models))
    return Table(
        title=f"LogMAE on {first.as_of}, against its own teachers and those of its window; {len(seeds)} seeds",
        columns=tuple(Column(name=name, kind="text") for name in names),
        rows=tuple(rows),
    )


def _cells(reports: Sequence[EvaluationReport], places: Sequence[Slice]) -> Iterator[Cell]:
    yield from (f"{_mean(reports, name, places):.4f}" for name in MODELS)
    for rival in RIVALS:
        gains = [
            1 - _error(report, "mtmd", where) / _error(report, rival, where)
            for report in reports
            for where in places
        ]
        yield f"{fmean(gains):+.1%}"


def _mean(reports: Sequence[EvaluationReport], name: str, places: Sequence[Slice]) -> float:
    return fmean(_error(report, name, where) for report in reports for where in places)


def _error(report: EvaluationReport, name: str, where: Slice) -> float:
    error = report.get(name, where).logmae
    return float("nan") if error is None else error


if __name__ == "__main__":
    raise SystemExit(main())

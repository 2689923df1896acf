"""How well the models did that answered people on a day: a champion on probation, or the two models of a rollout.

Logs may name the model whose score each shown row had: `served_by` of candidates. Such rows are judged by what people
did with them: calibration, NE (log loss over that of the rate at which the model's own users act) and AUC of their
model's probabilities, and the share of rows without a score.

    probation  a champion, until a day that it answered is judged without a breach; compared with the champion
               before it, on the last days on which the monitor saw that one
    rollout    a champion that answers a share of the users, every day; compared with the model of the others

The change of a measure is a breach by the rule of `mtmd/monitor/health.py`. Errors are over users, whose rows have much
in common. The models of a rollout share the day, so nothing is added for how days differ. M shown rows, T tasks.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.config import Declarations, MonitorConfig, Preset, Task
from mtmd.errors import BundleError, LogsError, RegistryError
from mtmd.evaluate.metrics import area, area_error, clip_log_p, impression_values, ratio_error
from mtmd.evaluate.predictors import score_shard
from mtmd.evaluate.report import ALL, Estimate, upper_tail
from mtmd.extract.blame import blaming
from mtmd.extract.database import reading
from mtmd.extract.shards import open_shard
from mtmd.extract.sources import load_sources, make_keys
from mtmd.extract.stage import digests_file, extract_day
from mtmd.logs.contract import SERVED_BY
from mtmd.logs.reading import file_columns
from mtmd.logs.source import LogSource
from mtmd.logs.sql import statement
from mtmd.monitor.health import SERVED, Answered, Finding, MonitorReport, Watch
from mtmd.promote.slice_gates import holm
from mtmd.registry.records import Champion, ModelManifest
from mtmd.registry.registry import Registry
from mtmd.serve.scorer import Scorer
from mtmd.store.files import digest
from mtmd.store.workspace import Workspace, read_record

_DAYS = 7  # before the monitored day, on which the champion before is looked for
_95 = 1.96
_RATIOS = (("calibration", "shown_prediction", "positives"), ("ne", "log_loss", "entropy"))
_MOST = 100  # models of a day: more are something else


class _Guard(NamedTuple):
    """A measure: the least change that can be a breach, of its logarithm where ratios are compared.

    worse  1 where more of it is worse, −1 where less is, 0 where either is
    """

    least: float
    worse: int
    ratio: bool = False


_GUARDS = {
    "calibration": _Guard(math.log1p(MonitorConfig.calibration_shift), 0, ratio=True),
    "ne": _Guard(math.log1p(MonitorConfig.ne_rise), 1, ratio=True),
    "auc": _Guard(MonitorConfig.auc_drop, -1),
    "unscored": _Guard(MonitorConfig.unscored_rise, 1),
}


def watch(
    day: date, preset: Preset, source: LogSource, workspace: Workspace, champion: ModelManifest
) -> Watch:
    """Measure every model that the day's logs name, and judge the champion; nothing where they name none.

    A model that is not there, is damaged or needs what the day lacks is named and not measured. Raises LogsError for
    logs that are not as the contract says.
    """
    sources = digest(source.digests(day, cache=digests_file(workspace.shards, day)))
    read = cache(partial(_table, source, day))  # rows have the order of a shard: a model declares it
    registry, table = Registry(workspace.root), read(preset.declarations)
    names = [] if table is None else sorted(filter(None, table[SERVED_BY].unique().to_pylist()))
    live, own = registry.require_champion(), champion.model_id
    silent = [] if table is None or live.model_id != own else silence(day, live, table)
    if not names:
        return Watch(findings=tuple(silent))
    if len(names) > _MOST:
        raise LogsError(
            f"candidates of {day} name {len(names)} models as served_by, such as {names[0]!r}; at most {_MOST} are: "
            "write the model_id of the answer, or leave the column out"
        )
    in_rollout = live.model_id == own and {own, live.partner} <= {*names}
    served, lost = list[Answered](), list[Finding]()
    for name in names:
        try:
            declared = (scorer := Scorer.load(registry.verify(name))).info.declarations
            ref = extract_day(source, day, declared, workspace.shards, ignore_undeclared=True)
        except (BundleError, RegistryError, LogsError) as error:
            words = f"the logs name it as served_by: {error}"
            lost.append(Finding(signal=SERVED, where=name, judged=False, words=words))
            continue
        if ref.sources != sources:
            raise LogsError(f"logs of {day} changed while they were read; run again when they are complete")
        shown = _shown(Path(ref.path), read(declared), scorer, names)
        if in_rollout:  # before its first row, nobody had the champion
            late = shown["ts"] >= shown["ts"][shown["model"] == names.index(own)].min()
            shown = {column: values[late] for column, values in shown.items()}
        served += _measured(shown, name, names.index(name), declared.domains.tasks)
    if in_rollout:
        words, then = f"{live.answers}: compared on this day", _of(served, f"{live.partner}")
    else:
        before = (live.previous, own) if live.model_id == own else registry.standing()
        words, then = _reference(day, workspace, champion, before)
    words += "" if own in names else "; it answered nobody on this day"
    judged = _judged(_of(served, own), then, preset.monitor.min_requests, alike=in_rollout)
    return Watch(tuple(served), words, (*judged, *silent, *lost))


def silence(day: date, live: Champion, table: pa.Table) -> list[Finding]:
    """A breach where a champion that was live before the day began has answered nobody, and rows are without a score.

    Nobody can be told to be its user then, so that no measure of it shows a service that fails for all of them.
    """
    column = table[SERVED_BY]
    without = column.null_count / max(1, len(column))
    answered = live.model_id in column.unique().to_pylist()
    if answered or live.change.at.date() >= day or without < _GUARDS["unscored"].least:
        return []
    words = f"{live.model_id} answered nobody on {day}, and {without:.1%} of the rows have no score"
    return [Finding(signal=f"{SERVED} unscored", where=ALL, value=1.0, breach=True, words=words)]


def _table(source: LogSource, day: date, declarations: Declarations) -> pa.Table | None:
    """Of each shown row, in the order of the shard, its model and a number of its user; None without such a column."""
    files = source.source_files(day)
    with reading(source.readable(files)) as connection, blaming(connection, source, files, day):
        columns = (file_columns(connection, source, "candidates", path, day) for path in files["candidates"])
        if not any(SERVED_BY in found for found in columns):
            return None
        load_sources(connection, source, files, day, declarations, ignore_undeclared=True, with_models=True)
        make_keys(connection, day, declarations)
        return connection.sql(statement("rpt_served")).to_arrow_table()


def _shown(path: Path, table: Any, scorer: Scorer, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Shown rows: index of the model among the names, −1 without one; user, time, labels (M, T), a model's log p."""
    shard = open_shard(path)
    rows = np.flatnonzero(shard.impressed.numpy())
    return {
        "model": pc.fill_null(pc.index_in(table[SERVED_BY], pa.array(names)), -1).to_numpy(),
        "person": table["person"].to_numpy(),
        "ts": shard.ts.numpy()[shard.request_row.numpy()[rows]],
        "labels": shard.labels.numpy()[rows],
        "log_p": score_shard(scorer, shard)[rows],
    }


def _measured(
    shown: dict[str, NDArray[Any]], name: str, own: int, tasks: Sequence[Task]
) -> Iterator[Answered]:
    """A model's share of rows without a score, then what its tasks were worth, but those whose labels come later.

    A row without a score belongs to the model of its user's other rows. Of a user without such rows it belongs to the
    only model of the day; where there are several, nobody knows, and it is left out.
    """
    model, person = shown["model"], shown["person"]
    of_user = np.full(int(person.max(initial=0)) + 1, -1)
    of_user[person[model >= 0]] = model[model >= 0]
    alone = (model[model >= 0] == own).all()
    rows = (model == own) | ((model < 0) & np.isin(of_user[person], (own, -1) if alone else (own,)))
    if not rows.any():
        return
    without, user = (model[rows] < 0).astype(np.float64), person[rows]
    share, one = float(without.mean()), 1.0 / len(without)
    error = max(one, share * (ratio_error(without, np.ones(len(without)), user) or 0.0))
    counts = {"users": len(np.unique(user)), "shown": len(user), "actions": 0}
    yield Answered(model=name, task=ALL, measures={"unscored": (share, error)}, **counts)
    for log_p, labels, task in zip(shown["log_p"].T, shown["labels"].T, tasks, strict=True):
        if task.maturity:
            continue
        rows = (model == own) & (labels >= 0) & np.isfinite(log_p)
        action, user = labels[rows] == 1, person[rows]
        counts = {"users": len(np.unique(user)), "shown": len(user), "actions": int(action.sum())}
        sums, measures = impression_values(clip_log_p(log_p[rows]), action), {}
        rate = action.sum() / max(1, len(action))
        sums["entropy"] = -np.log(np.where(action, rate, 1.0 - rate))  # by rows, as the rate has an error too
        for name_of, above, below in _RATIOS:
            below_sum = float(sums[below].sum())
            if below_sum and (spread := ratio_error(sums[above], sums[below], user)) is not None:
                measures[name_of] = (float(sums[above].sum()) / below_sum, spread)
        if (spread := area_error(log_p[rows], action, user)) is not None:
            measures["auc"] = (area(log_p[rows], action) or 0.0, spread)
        yield Answered(model=name, task=task.name, measures=measures, **counts)


def _of(served: Iterable[Answered], model: str) -> dict[str, Answered]:
    return {one.task: one for one in served if one.model == model}


def _reference(
    day: date, workspace: Workspace, champion: ModelManifest, standing: Sequence[str | None]
) -> tuple[str, dict[str, Answered]]:
    """Who is on probation, in words, and what the champion before was worth on its last days; empty of neither."""
    own, last = champion.model_id, day - timedelta(days=_DAYS)
    days = ((day - timedelta(days=back)) for back in range(1, (day - min(last, champion.as_of)).days + 1))
    records = (read_record(workspace.monitoring / f"date={one}.json", MonitorReport) for one in days)
    earlier = [report for report in records if report is not None]
    if passed := [report.day for report in earlier if report.champion == own and report.passed]:
        return f"{own} passed its probation on {min(passed)}", {}
    before = f"{[None, *standing][standing.index(own)]}" if own in standing else "None"
    seen = {
        report.day: _of(report.served, before)
        for report in earlier
        if report.day >= last and _of(report.served, before)
    }
    words = f"{own} is on probation"
    if not seen:
        why = f"nothing of the champion before it ({before}) was seen on the {_DAYS} days before"
        return f"{words}, and not judged: {why}", {}
    tasks = dict.fromkeys(task for found in seen.values() for task in found)
    words += f": compared with {before} on {', '.join(sorted(map(str, seen)))}"
    return words, {task: _pooled([found[task] for found in seen.values() if task in found]) for task in tasks}


def _pooled(days: Sequence[Answered]) -> Answered:
    """Several days of a model as one: measures are means by users, of ratios geometric ones."""
    measures = {}
    for name, guard in _GUARDS.items():
        if known := [(one.users, *one.measures[name]) for one in days if name in one.measures]:
            users, values, errors = np.array(known).T
            weight = users / users.sum()
            mean = np.exp(weight @ np.log(values)) if guard.ratio else weight @ values
            measures[name] = (float(mean), float(np.sqrt(np.square(weight * errors).sum())))
    sums = {name: sum(getattr(one, name) for one in days) for name in ("users", "shown", "actions")}
    return Answered(model=days[0].model, task=days[0].task, measures=measures, **sums)


def _judged(now: dict[str, Answered], then: dict[str, Answered], users: int, *, alike: bool) -> list[Finding]:
    """Every measure of the champion against the reference; `alike` where both have the same day."""
    found = [
        _compared(name, own, then[task], users, 0.0 if alike else _GUARDS[name].least / 3)
        for task, own in now.items()
        for name in own.measures
        if task in then
    ]
    chances = iter(holm([p for finding, p in found if finding.judged]))
    breaches = [finding.judged and next(chances) < MonitorConfig.chance for finding, _ in found]
    return [
        finding.model_copy(update={"breach": True} if breach else {"words": ""} if finding.judged else {})
        for (finding, _), breach in zip(found, breaches, strict=True)
    ]


def _compared(
    name: str, own: Answered, other: Answered, users: int, days_differ: float
) -> tuple[Finding, float]:
    """One measure against the reference, with what a breach would say, and its p-value: 1 of a change that is small."""
    (value, error), (then, its_error) = own.measures[name], other.measures.get(name, (math.nan, 0.0))
    where, guard = {"signal": f"{SERVED} {name}", "where": own.task, "value": value}, _GUARDS[name]
    few, actions = min(own.users, other.users), min(own.actions, other.actions)
    needed = MonitorConfig.min_actions if own.task != ALL else 0
    if few < users or actions < needed or math.isnan(then):
        words = f"{few} users with {actions} actions, {users} with {needed} are needed"
        return Finding(**where, judged=False, words=words), 1.0
    change = math.log(value / then) if guard.ratio else value - then
    noise = math.hypot(error, its_error, days_differ)
    bad = guard.worse * change if guard.worse else abs(change)
    p = upper_tail(bad, noise) * (1.0 if guard.worse else 2.0) if bad >= guard.least else 1.0
    moved, low, high = (
        math.expm1(side) if guard.ratio else side
        for side in (change, change - _95 * noise, change + _95 * noise)
    )
    words = (
        f"{own.model}, {own.task}: {name} {value:.3g} against {then:.3g} of {other.model} "
        f"({moved:+.1%} [{low:+.1%}, {high:+.1%}])"
    )
    estimate = Estimate(value=moved, low=low, high=high)
    return Finding(**where, reference=then, change=estimate, words=words), p

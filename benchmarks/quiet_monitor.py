"""How often the monitor calls an ordinary day a breach, and which faults it sees: `python -m benchmarks.quiet_monitor`.

Ordinary days are days of simulated platforms that nothing was done to. Of each platform one model is trained, on the
days before them. Each day is compared with an earlier day of the same model, as if the model had been promoted on that
day: the day before, as after a promotion, and so many days before as a champion may be old. Faulty days are days spread
over the newer half, with damaged files, one day after a promotion. The rules are those of the monitor (`mtmd.monitor`),
which remembers the reports of the days before.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from shutil import copytree, rmtree
from tempfile import TemporaryDirectory

import torch
from rich.console import Console

from benchmarks.false_stops import SCALED, scaled_scores, update_day
from benchmarks.runs import add_seeds, extracted, plan_of, platform_for, told
from mtmd.config import Preset, load_preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_day
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.logs.contract import TABLES
from mtmd.logs.files import day_directory
from mtmd.logs.source import LogSource
from mtmd.model.ranker import RankingModel
from mtmd.monitor.day_logs import drift_findings
from mtmd.monitor.figures import score_findings
from mtmd.monitor.health import MonitorReport
from mtmd.monitor.profiles import feature_shifts, profile_features
from mtmd.monitor.sampling import DayFigures, day_figures
from mtmd.report.tables.evaluation import Cell, Column, Table, columns_of
from mtmd.run import RunPlan
from mtmd.sources.simulated.platform import simulate
from mtmd.store.files import write_text
from mtmd.train.stage import load_trained, train

FIRST = date(2026, 1, 1)
ONE_TASK = "gctr"
_CHAMPION = "-"  # one model looks at all days, whatever its age is said to be
Row = tuple[Cell, ...]


@dataclass
class Line:
    """A platform's logs, the model that looks at them, and what it saw of days as they were delivered."""

    plan: RunPlan
    model: RankingModel
    days: tuple[date, ...]
    seen: dict[date, DayFigures] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        return Path(self.plan.logs)

    def figures(self, day: date, source: LogSource | None = None) -> DayFigures:
        """The model's figures on a day, of these logs or of damaged ones."""
        if source is None and day in self.seen:
            return self.seen[day]
        preset, workspace = self.plan.preset, self.plan.workspace
        ref = extract_day(source or self.plan.source, day, preset.declarations, workspace.shards)
        shard = open_shard(Path(ref.path))
        log_p = score_day(self.model, shard, preset.declarations)
        found = day_figures(day, preset.declarations, HeldOutDay.of(shard, preset.declarations), log_p)
        if source is None:
            self.seen[day] = found
        return found

    def report(
        self, day: date, age: int, earlier: Sequence[MonitorReport], source: LogSource | None = None
    ) -> MonitorReport:
        """What the monitor finds on the day of these logs, of a champion that is `age` days old."""
        preset, promoted = self.plan.preset, day - timedelta(days=age)
        declarations, root = preset.declarations, self.plan.workspace.monitoring / "profiles"
        window = [promoted - timedelta(days=number) for number in range(preset.window_days, 0, -1)]
        profiles = {one: profile_features(self.plan.source, one, declarations, root) for one in window}
        profiles[day] = profile_features(source or self.plan.source, day, declarations, root)
        recent, now = earlier[-preset.monitor.trend_days :], self.figures(day, source)
        promotion = self.figures(promoted).report
        findings = chain(
            score_findings(now, promotion, recent, preset.monitor, standing=(_CHAMPION,)),
            drift_findings(feature_shifts(profiles, day), day, promoted, recent, preset.monitor),
        )
        return MonitorReport(
            line=preset.name, day=day, champion=_CHAMPION, champion_as_of=promoted, findings=tuple(findings)
        )


@dataclass(frozen=True)
class Fault:
    """Damage to the logs of one day."""

    name: str
    table: str
    statement: str


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    preset = load_preset(options.preset)
    console = Console(soft_wrap=True, highlight=False)
    ordinary: list[Row] = []
    faulty: list[Row] = []
    for size in options.requests_per_day:
        counted: Counter[tuple[int, str]] = Counter()
        caught: Counter[str] = Counter()
        for seed in options.seeds:
            with TemporaryDirectory(dir=options.directory) as directory:
                line = trained_line(Path(directory), preset, size, seed, options.days)
                for age in (1, preset.monitor.max_champion_age):
                    reports = watched(line, age)
                    counted += _counts(reports, age)
                    if age == 1:
                        caught += seen(line, reports, options.faulty_days)
                    for report in reports:
                        if report.breaches or report.suspicions:
                            console.print(f"{size} {seed} {age} {report.day} {report.words}", markup=False)
        ordinary += _ordinary_rows(size, counted)
        faulty.append((size, caught["days"], *(f"{caught[fault.name]}" for fault in FAULTS)))
    text = "\n".join(table.markdown() for table in (_ordinary_table(ordinary), _faulty_table(faulty)))
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def trained_line(directory: Path, preset: Preset, size: int, seed: int, days: int) -> Line:
    """A platform of `size` requests a day and a model of its first days; `days` are to be monitored."""
    world = platform_for(preset, seed, requests_per_day=size, users=size, ads=max(size // 2, 200))
    as_of = FIRST + timedelta(days=preset.window_days)
    before = preset.monitor.max_champion_age
    monitored = tuple(as_of + timedelta(days=number) for number in range(before, before + days))
    simulate(world, FIRST, monitored[-1], directory / "logs")
    plan = plan_of(preset, as_of, logs=str(directory / "logs"), artifacts=str(directory / "artifacts"))
    model = load_trained(plan, train(plan, "mtmd", extracted(plan, plan.days)))
    return Line(plan, model, monitored)


def watched(line: Line, age: int) -> list[MonitorReport]:
    """The reports of all days, each of them knowing those before it."""
    reports: list[MonitorReport] = []
    for day in line.days:
        reports.append(line.report(day, age, reports))
    return reports


def seen(line: Line, reports: Sequence[MonitorReport], days: int) -> Counter[str]:
    """Of `days` in the newer half, on how many each fault is a breach on the day itself."""
    newer = range(len(reports) // 2, len(reports))
    places = newer[:: max(len(newer) // days, 1)][:days]
    caught = Counter(days=len(places))
    for place in places:
        for fault in FAULTS:
            report = _damaged(line, line.days[place], reports[:place], fault)
            caught[fault.name] += bool(report.breaches)
    return caught


def _damaged(line: Line, day: date, earlier: Sequence[MonitorReport], fault: Fault) -> MonitorReport:
    logs = line.logs.with_name("damaged")
    for table in TABLES:
        copytree(day_directory(line.logs, table, day), day_directory(logs, table, day))
    update_day(day_directory(logs, fault.table, day), fault.statement)
    report = line.report(day, 1, earlier, LogSource(logs))
    rmtree(logs)
    return report


def _of_others(key: str, group: str, columns: Sequence[str]) -> str:
    """Give every row the columns of the next row of its group, in an order by chance."""
    numbered = (
        f"select *, row_number() over (partition by {group} order by hash({key})) as place, "
        f"count(*) over (partition by {group}) as places from t"
    )
    return (
        f"update t set {', '.join(f'{name} = other.{name}' for name in columns)} "
        f"from ({numbered}) as own, ({numbered}) as other "
        f"where t.{key} = own.{key} and own.{group} = other.{group} and other.place = own.place % own.places + 1"
    )


FAULTS = (
    Fault(f"one task × {SCALED}", "candidates", f"update t set {scaled_scores([ONE_TASK])}"),
    Fault(f"all tasks × {SCALED}", "candidates",
          f"update t set {scaled_scores(['ctr', 'gctr', 'octr'])}"),
    Fault("nulls in a feature of one surface", "requests",
          "update t set user_ctr_30d = null where surface = 'search'"),
    Fault("a drifted category", "ads", "update t set format = 'banner'"),
    Fault("bids in cents", "ads", "update t set bid = 100 * bid"),
    Fault("ad_vector of other ads", "ads", _of_others("ad_id", "product", ["ad_vector"])),
    Fault("user_vector of other users", "requests", _of_others("request_id", "surface", ["user_vector"])),
    Fault("ad_ctr_7d of other ads", "ads", _of_others("ad_id", "product", ["ad_ctr_7d"])),
    Fault("all features of other ads", "ads",
          _of_others("ad_id", "product", ["ad_vector", "ad_ctr_7d", "ad_impressions_7d", "topic", "format"])),
)  # fmt: skip


def _counts(reports: Sequence[MonitorReport], age: int) -> Counter[tuple[int, str]]:
    counted: Counter[tuple[int, str]] = Counter()
    for report in reports:
        counted[age, "days"] += 1
        counted[age, "judged"] += len(report.findings) - len(report.unjudged)
        counted[age, "suspected"] += bool(report.suspicions)
        counted[age, "breach"] += bool(report.breaches)
    return counted


def _ordinary_rows(size: int, counted: Counter[tuple[int, str]]) -> list[Row]:
    ages = sorted({age for age, _ in counted})
    return [
        (
            size,
            age,
            counted[age, "days"],
            round(counted[age, "judged"] / counted[age, "days"]),
            counted[age, "suspected"],
            counted[age, "breach"],
        )
        for age in ages
    ]


def _ordinary_table(rows: Sequence[Row]) -> Table:
    heads = (
        "requests a day", "days since promotion", "ordinary days", "numbers judged a day",
        "days with a suspicion", "days with a breach",
    )  # fmt: skip
    columns = tuple(Column(name=head, kind="count") for head in heads)
    return Table(title="Ordinary days", columns=columns, rows=tuple(rows))


def _faulty_table(rows: Sequence[Row]) -> Table:
    counts = tuple(Column(name=name, kind="count") for name in ("requests a day", "faulty days"))
    columns = (*counts, *columns_of("text", (fault.name for fault in FAULTS)))
    return Table(title="Faulty days that are a breach on the day itself", columns=columns, rows=tuple(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quiet_monitor", description=__doc__)
    parser.add_argument("--preset", default="tiny", help="a name, or a path to a .toml")
    parser.add_argument("--requests-per-day", type=int, nargs="+", default=[500])
    add_seeds(parser, (201, 202, 203, 204), "of the platforms")
    parser.add_argument("--days", type=int, default=50, help="ordinary days of each platform")
    parser.add_argument("--faulty-days", type=int, default=5, help="days of each platform with each fault")
    parser.add_argument(
        "--directory", type=Path, help="where the temporary files go; the system's by default"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

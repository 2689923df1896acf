"""The pages of the index: static files that work from a disk, a server or a bucket, and load nothing.

A small script filters runs and puts two of them side by side; all the rest is there without it.
"""

from base64 import b64encode
from collections.abc import Iterable
from datetime import date
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from mtmd.config import Frozen
from mtmd.report.index.days import STATES, Day, days, months, rolled_back
from mtmd.report.index.reading import DAYS, LineRecords
from mtmd.report.index.records import RunRecord, RunVerdict
from mtmd.report.markdown.times import time_words


class LineSummary(Frozen):
    """A line of models in one row; None where there is nothing yet."""

    name: str
    champion: str | None = None
    champion_as_of: date | None = None
    newest: date | None = None
    verdict: RunVerdict | None = None
    verdict_day: date | None = None
    reason: str = ""
    runs: int = 0
    promoted: int = 0
    monitored: date | None = None
    breaches: int | None = None
    problem: str = ""
    page: bool = True

    @property
    def age(self) -> str:
        """How old the champion is beside the newest day that anything is recorded of."""
        if self.champion_as_of is None or self.newest is None:
            return ""
        lag = (self.newest - self.champion_as_of).days
        if lag <= 0:
            return "of the newest day"
        return f"{lag} day{'' if lag == 1 else 's'} before the newest day, {self.newest}"


def summary(line: LineRecords) -> LineSummary:
    """What the list of lines says of one."""
    newest = line.newest or date.min
    last = next((run for run in line.runs if run.as_of <= newest), None)
    watched = next((one for one in line.monitored if one.day <= newest), None)
    return LineSummary(
        name=line.name,
        champion=line.champion and line.champion.model_id,
        champion_as_of=line.champion and line.champion.as_of,
        newest=line.newest,
        verdict=last and last.verdict,
        verdict_day=last and last.as_of,
        reason=last.reason if last else "",
        runs=len(line.runs),
        promoted=sum(run.verdict == "promoted" for run in line.runs),
        monitored=watched and watched.day,
        breaches=watched and watched.breaches,
        problem=line.problem,
    )


def render_line(line: LineRecords) -> str:
    """The page of a line; the same records give the same bytes."""
    shown = days(line)
    runs = line.runs[:DAYS]
    states = [day.state for day in shown]
    listed = {anchor(run) for run in runs}

    def link(day: Day) -> str:
        """Where a day's cell leads: to the run's page, or to its row."""
        if day.run is None:
            return ""
        return page(line, day.run) or (f"#{anchor(day.run)}" if anchor(day.run) in listed else "")

    return _page(
        "line.html",
        line=line,
        summary=summary(line),
        months=months(shown),
        states=[(state, sign, states.count(state), words) for state, (sign, words) in STATES.items()],
        link=link,
        runs=runs,
        tasks=list(dict.fromkeys(task.task for run in runs for task in run.tasks)),
        figures=lambda run: {task.task: task for task in run.tasks},
        anchor=anchor,
        page=lambda run: page(line, run),
        verdict=lambda run: "rolled back" if rolled_back(line, run) else run.verdict,
        data={anchor(run): _compared(line, run) for run in runs if run.decided},
        breaches=[one for one in line.monitored if one.breaches],
    )


def render_lines(summaries: Iterable[LineSummary]) -> str:
    """The page that lists the lines."""
    return _page("lines.html", lines=sorted(summaries, key=lambda one: one.name))


def anchor(run: RunRecord) -> str:
    """Id of a run's row."""
    return f"run-{run.run}" if run.decided else f"{run.verdict}-{run.as_of}"


def page(line: LineRecords, run: RunRecord) -> str:
    """The run's page, as a link from the line's; empty where it is not there."""
    return f"runs/{quote(run.run)}/report.html" if run.run in line.pages else ""


def duration(seconds: float | None) -> str:
    """As artifacts say it; a dash for None."""
    return "–" if seconds is None else time_words(seconds)


def number(value: float | None, form: str = ".4f") -> str:
    """With a real minus sign; a dash for None."""
    return "–" if value is None else format(value, form).replace("-", "\N{MINUS SIGN}")


def _compared(line: LineRecords, run: RunRecord) -> dict[str, Any]:
    """What the script shows of a run beside another one."""
    return {
        "day": run.as_of.isoformat(),
        "model": run.model_id,
        "page": page(line, run),
        "facts": [
            ("verdict", run.verdict),
            ("reason", run.reason or "–"),
            ("training started from", run.start or "nothing: a full retrain"),
            ("rows of the window", number(run.rows, ",d")),
            ("training time", duration(run.training_seconds)),
            ("live after the run", run.live or "nothing"),
        ],
        "tasks": [
            [one.task, one.rows, one.logmae, one.calibration, one.auc, one.over.get("champion")]
            for one in run.tasks
        ],
        "gates": [[gate.name, gate.result, gate.detail, gate.words or gate.result] for gate in run.gates],
    }


def _page(template: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("mtmd.report.index"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "number": number, "quoted": quote}
    script = environment.get_template("index.js").render()
    # The page runs this script alone: text of a record that slipped through the escaping would not run.
    allowed = f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"
    return environment.get_template(template).render(script=script, allowed=allowed, **values)

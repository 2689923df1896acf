"""The artifact of a monitored day."""

import base64
from datetime import date

from mtmd.monitor.health import Finding, MonitorReport
from mtmd.report.markdown.monitor import _trend


def _report(day: date, **logmae: float | None) -> MonitorReport:
    findings = [
        Finding(
            signal="logmae",
            where=f"all × all × {task}",
            value=value,
            reference=0.3,
            judged=True,
            breach=False,
        )
        for task, value in logmae.items()
    ]
    return MonitorReport(
        line="demo", day=day, champion="20260101-a", champion_as_of=date(2026, 1, 1), findings=tuple(findings)
    )


def test_the_picture_has_a_gap_where_a_task_has_no_figure_and_leaves_out_days_without_any() -> None:
    days = [date(2026, 1, day) for day in (2, 3, 4, 5)]
    figures: tuple[dict[str, float | None], ...] = (
        {},
        {"ctr": 0.3, "cvr": None},
        {"ctr": 0.31, "cvr": 0.2},
        {"ctr": 0.32, "cvr": 0.4},
    )
    text = _trend([_report(day, **own) for day, own in zip(days, figures, strict=True)])
    assert text.startswith("![LogMAE of the champion on each new day, 2026-01-03 to 2026-01-05]")
    svg = base64.b64decode(text.partition("base64,")[2].partition(")")[0]).decode()
    ctr, cvr = (part.partition('"')[0].split() for part in svg.split('<polyline points="')[1:])
    assert [point.split(",")[0] for point in cvr] == [point.split(",")[0] for point in ctr[1:]]
    assert _trend([_report(days[0])]) == ""

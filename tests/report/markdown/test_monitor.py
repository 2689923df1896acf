"""The artifact of a monitored day."""

import base64
from datetime import date

from mtmd.monitor.health import Finding, MonitorReport
from mtmd.report.markdown.monitor import _trend, monitor


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


def test_before_the_first_promotion_no_champion_is_named() -> None:
    words = "there is no champion"
    finding = Finding(
        signal="freshness",
        where="champion",
        value=None,
        reference=None,
        judged=True,
        breach=True,
        words=words,
    )
    day = date(2026, 1, 2)
    report = MonitorReport(line="demo", day=day, champion=None, champion_as_of=None, findings=(finding,))
    text = monitor(report, [report])
    assert text.startswith(f"## 2026-01-02: 1 breach\n\nno champion\n\n- **freshness**: {words}\n")
    assert "None" not in text

"""What the monitor sees of the logs themselves: is the day there, and do its features drift from the training days?"""

import math
from collections.abc import Iterator, Sequence
from datetime import date

from mtmd.config import MonitorConfig
from mtmd.monitor.health import Finding, MonitorReport, said, suspected_before, threshold_finding
from mtmd.monitor.profiles import FeatureShift


def freshness_findings(
    day: date, newest: date | None, champion: date | None, config: MonitorConfig
) -> Iterator[Finding]:
    """Are the day's logs there, and is the champion recent? `newest` is the newest day of logs."""
    lag = None if newest is None else float(max((day - newest).days, 0))
    missing = f"the newest logs are of {newest}, not of {day}"
    if newest is None:
        missing = f"there are no logs, of {day} or any other day"
    yield threshold_finding("freshness", "logs", lag, 0.0, off=lag != 0.0, words=missing)
    age, most = None if champion is None else float((day - champion).days), config.max_champion_age
    old = f"the champion is of {champion}, at most {most} days before {day} are allowed"
    if champion is None:
        old = "there is no champion"
    off = age is None or age > most
    yield threshold_finding("freshness", "champion", age, float(most), off=off, words=old)


def drift_findings(
    shifts: Sequence[FeatureShift],
    day: date,
    promoted: date,
    earlier: Sequence[MonitorReport],
    config: MonitorConfig,
) -> Iterator[Finding]:
    """PSI of each feature and domain, against the largest that the reference days have among themselves.

    One above the limit is suspected; it is a breach far above it, or where the day before suspected it too. The limit
    grows with the root of the days since promotion: ids come and go, and the training days get older. `earlier` are
    reports of days before, any number of them. Drift is about the logs: a suspicion counts whoever was champion then.
    """
    drifts, before = math.sqrt(max((day - promoted).days, 1)), suspected_before(day, earlier)
    usual: dict[tuple[str, str, str], float] = {}
    for shift in shifts:
        if shift.day != day:
            usual[shift.place] = max(usual.get(shift.place, 0.0), shift.psi)
    for shift in shifts:
        if shift.day != day:
            continue
        largest = usual.get(shift.place)
        limit = drifts * max(config.psi, config.psi_margin * (largest or 0.0))
        where = f"{shift.feature} × {shift.domain}"
        judged = shift.rows >= config.min_rows
        suspected = judged and shift.psi > limit
        certain = suspected and shift.psi > config.psi_certain * limit
        again = suspected and ("feature drift", where) in before
        words = (
            f"{where}: PSI {shift.psi:.2f} is above {limit:.2f}, {said(certain, again)}" if suspected else ""
        )
        if not judged:
            words = f"{shift.rows} rows, {config.min_rows} are needed"
        yield Finding(
            signal="feature drift",
            where=where,
            value=shift.psi,
            reference=largest,
            judged=judged,
            suspected=suspected,
            breach=certain or again,
            words=words,
        )

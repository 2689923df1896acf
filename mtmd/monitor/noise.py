"""How far an ordinary day may move a figure since promotion, and how likely chance alone moves it so far.

    noise = max( √( error² (1 + n / n₀) + d (least / 3)² ),  √d usual )

error is the standard error of the day's figure over requests, so error² n / n₀ is that of promotion's: n and n₀ are the
requests (of AUC, the actions) of the two days. least / 3 is how much days differ beyond their requests: a third of the
least change that can be a breach. It grows with the days since promotion, d, as the world drifts. `usual` is what the
changes on the earlier monitored days say, divided by √d: their four fifths quantile, as a standard deviation, so that a
cycle of the week counts and a rare bad day does not.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from mtmd.monitor.health import MonitorReport, Signal

Place = tuple[Signal, str]  # a signal and a slice's name
LEAST_DAYS = 7  # earlier monitored days that say how much days differ: a whole week
_DAY_PART = 1 / 3  # of the least change
_QUANTILE = 0.8  # of the earlier changes: two days of a week may be unlike the others
_AS_DEVIATION = NormalDist().inv_cdf((1.0 + _QUANTILE) / 2.0)


def usual_changes(earlier: Sequence[MonitorReport]) -> dict[Place, float]:
    """Standard deviation of each figure's change in a day; none where fewer than a week's reports judged it."""
    changes: dict[Place, list[float]] = defaultdict(list)
    for report in earlier:
        for finding in report.findings:
            if finding.judged and finding.change is not None and finding.reference_day is not None:
                drifts = _drifts((report.day - finding.reference_day).days)
                changes[finding.signal, finding.where].append(abs(finding.change) / drifts)
    return {
        place: float(np.quantile(sizes, _QUANTILE)) / _AS_DEVIATION
        for place, sizes in changes.items()
        if len(sizes) >= LEAST_DAYS
    }


def deviation(error: float, share: float, least: float, usual: float, days: int) -> float:
    """Standard deviation of a change on ordinary days; `share` is n / n₀, `days` those since promotion."""
    days_part = _drifts(days)
    return max(math.hypot(error * math.sqrt(1.0 + share), days_part * _DAY_PART * least), days_part * usual)


def chance(change: float, noise: float, bad: int) -> float:
    """p-value of a change that is normal with this noise: of a rise (bad = 1), a fall (−1), or either (0)."""
    z = change / noise / math.sqrt(2.0)
    return 0.5 * math.erfc(bad * z) if bad else math.erfc(abs(z))


def _drifts(days: int) -> float:
    """By how much days that are so far apart differ more than two in a row."""
    return math.sqrt(max(days, 1))

"""Which stored validation of a day a run takes, and when it judges the day again.

The window's first day is compared with no earlier day, so its steadiness is not judged. A pass is worth more, the more
earlier days the day was compared with; from `min_trailing_days` on, all are worth the same. One that is worth less than
what the run could find by itself is not taken, and it never takes the place of one that is worth more. Failures are not
stored: a run that is stopped changes nothing.
"""

from pathlib import Path

from mtmd.config import DataConfig
from mtmd.store.fetched import fetch_record
from mtmd.store.files import write_json
from mtmd.store.outputs import read_record
from mtmd.validate.results import DayValidation
from mtmd.validate.suites import NO_EARLIER_DAY


def stands(stored: DayValidation, earlier: int, limits: DataConfig) -> bool:
    """Whether a stored pass does for a run that has so many earlier days to compare the day with."""
    return _worth(stored, limits) >= min(earlier, limits.min_trailing_days)


def keep(place: Path, passed: DayValidation, limits: DataConfig) -> None:
    """Store a day's pass, but not over one that is worth more: another run may have judged the day meanwhile."""
    fetch_record(place)  # another machine may have stored one since this one looked
    there = read_record(place, DayValidation)
    if there is None or there.day != passed.day or _worth(there, limits) <= _worth(passed, limits):
        write_json(place, passed.model_dump(mode="json"), seal=True)


def _worth(validation: DayValidation, limits: DataConfig) -> int:
    """Earlier days that the day was compared with, as far as more of them tell more."""
    compared = validation.compared
    if compared is None:  # Older versions stored only whether there was any.
        none = any(result.message == NO_EARLIER_DAY for result in validation.results)
        compared = 0 if none else limits.min_trailing_days
    return min(compared, limits.min_trailing_days)

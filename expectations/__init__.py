"""What a day of logs must hold: one great-expectations suite per table.

Suites are built from a preset alone, so they are the same for every day; what belongs to the day is in tables
beside the batch, which `mtmd.validate` fills:

    this_day           day DATE: one row
    previous_requests  request_id: the day before's
    copies             side, day: the earlier days whose table has the same content
    deviations         measure, side, domain, subject, observed, usual, lowest, highest, share, stops: what is outside
                       the interval that earlier days give it (`mtmd/validate/deviations.py`)

`side` is the name of the table. Great-expectations is not imported here: `mtmd/validate/suites.py` runs the suites.
"""

from mtmd.config import Preset
from mtmd.expectations.candidates import candidates_expectations
from mtmd.expectations.common import Expect, Measure, Needs, Severity, SuiteTable
from mtmd.expectations.own import own_expectations, with_own
from mtmd.expectations.sides import ads_expectations, requests_expectations

__all__ = [
    "Expect",
    "Measure",
    "Needs",
    "Severity",
    "SuiteTable",
    "day_expectations",
]


def day_expectations(preset: Preset) -> dict[str, list[Expect]]:
    """All that a day is held to, by table, as data: it is part of the name of a day's results.

    The packaged expectations of each table come first, then the team's own.
    """
    packaged = {
        SuiteTable.REQUESTS: requests_expectations(preset),
        SuiteTable.ADS: ads_expectations(preset),
        SuiteTable.CANDIDATES: candidates_expectations(preset),
    }
    own = own_expectations(preset)
    return {table.value: with_own(suite, own.get(table, []), preset) for table, suite in packaged.items()}

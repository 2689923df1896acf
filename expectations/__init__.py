"""What a day of logs, and a window of days, must hold: one great-expectations suite per table.

Suites are built from a preset alone, so they are the same for every day; what belongs to the day is in tables
beside the batch, which `mtmd.validate` fills:

    this_day           day DATE: one row
    previous_requests  request_id: the day before's
    trailing_domains   day, surface, product, share: a domain's share of the day's candidates
    trailing_scores    day, surface, product, task, mean_score
    trailing_nulls     day, side, domain, feature, null_rate
    trailing_digests   day, side, digest: digest of the table's content
    deviations         measure, side, domain, subject, observed, usual, lowest, highest, share, stops: what is outside
                       the interval that earlier days give it (`mtmd/validate/deviations.py`)

`side` is the name of the table. Importing this package does not import great-expectations; building a suite
does.
"""

from mtmd.config import Preset
from mtmd.expectations.ads import ads_expectations, ads_suite
from mtmd.expectations.candidates import candidates_expectations, candidates_suite
from mtmd.expectations.common import Expect, Needs, Severity, SuiteTable
from mtmd.expectations.requests import requests_expectations, requests_suite
from mtmd.expectations.window import window_expectations, window_suite

__all__ = [
    "Expect",
    "Needs",
    "Severity",
    "SuiteTable",
    "ads_suite",
    "candidates_suite",
    "day_expectations",
    "requests_suite",
    "window_expectations",
    "window_suite",
]


def day_expectations(preset: Preset) -> dict[str, list[Expect]]:
    """All that a day is held to, by table, as data: it is part of the name of a day's results."""
    return {
        SuiteTable.REQUESTS.value: requests_expectations(preset),
        SuiteTable.ADS.value: ads_expectations(preset),
        SuiteTable.CANDIDATES.value: candidates_expectations(preset),
    }

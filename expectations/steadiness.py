"""That a day is as earlier days let expect: two expectations for each number that is compared.

`mtmd/validate/deviations.py` compares the numbers and fills the table `deviations`; the expectations say which of its
rows stop the run and which are only shown.
"""

from collections.abc import Iterator
from enum import StrEnum

from mtmd.expectations.common import Expect, Needs, Severity, SuiteTable


class Measure(StrEnum):
    """What of a day is compared with earlier days."""

    MIX = "domain_mix"
    SCORES = "mean_scores"
    NULLS = "null_rates"
    CATEGORIES = "categories"
    VOLUME = "volume"
    LABELS = "label_rates"
    MAGNITUDES = "magnitudes"
    CONSTANT = "constancy"


def steady(side: SuiteTable, measure: Measure, column: str, why: str) -> Iterator[Expect]:
    """What would spoil the model stops the run: `<measure>_steady`. The rest is shown: `<measure>_as_usual`."""
    yield _expect(side, measure, column, f"{measure}_steady", why, Severity.CRITICAL)
    yield _expect(
        side,
        measure,
        column,
        f"{measure}_as_usual",
        "More than days differ by chance, but in too small a domain, or by too little, to spoil the model: look at "
        f"it before it grows. {why}",
        Severity.WARNING,
    )


def _expect(
    side: SuiteTable, measure: Measure, column: str, title: str, why: str, severity: Severity
) -> Expect:
    stops = "stops" if severity is Severity.CRITICAL else "not stops"
    return Expect(
        name=title,
        column=column,
        description=why,
        severity=severity,
        needs=Needs.TRAILING,
        query=f"""
            select domain, subject, round(observed, 6) as observed, round(usual, 6) as usual,
                round(lowest, 6) as lowest, round(highest, 6) as highest, round(share, 4) as share_of_candidates
            from deviations
            where side = '{side.value}' and measure = '{measure.value}' and {stops}
            order by share desc, domain, subject
        """,
    )

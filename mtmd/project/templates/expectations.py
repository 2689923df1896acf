"""Checks of our own on a day of logs, beside the packaged ones.

Each is a query of the rows that must not be there. A CRITICAL one stops the run; a WARNING is only shown.
"""

from mtmd.config import Preset
from mtmd_expectations import Expect, Severity


def expectations(preset: Preset) -> dict[str, list[Expect]]:
    """Our checks of `requests`, `ads` and `candidates`; `{batch}` stands for the table."""
    return {
        "ads": [
            Expect(
                name="bid_is_affordable",
                column="bid",
                description="A bid above 1,000 is a wrong currency, and would win every auction.",
                query="select ad_id, bid from {batch} where {where} order by all",
                where="bid > 1000",
                severity=Severity.WARNING,
            ),
        ],
    }

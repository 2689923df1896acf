"""What a report says: breaches, suspicions, and what was not judged."""

from datetime import date
from typing import Any

import pytest

from mtmd.monitor.health import Finding, MonitorReport

DAY = date(2026, 1, 10)


def finding(words: str = "", **changed: Any) -> Finding:
    given = {"signal": "auc", "where": "w", "value": 0.5, "reference": 0.6, "judged": True, "breach": False}
    return Finding.model_validate(given | {"words": words} | changed)


def report(*findings: Finding) -> MonitorReport:
    return MonitorReport(line="tiny", day=DAY, champion=None, champion_as_of=None, findings=findings)


BREACHES = [finding(f"bad {number}", breach=True, suspected=True) for number in range(5)]
SUSPICION = finding("odd, a breach if the next day has it too", suspected=True)
UNJUDGED = finding("9 requests, 100 are needed", judged=False)


@pytest.mark.parametrize(
    ("findings", "verdict", "words"),
    [
        ((finding(),), "all is well", "all is well"),
        ((*BREACHES,), "5 breaches", "5 breaches: bad 0; bad 1; bad 2 and 2 more"),
        ((*BREACHES[:1],), "1 breach", "1 breach: bad 0"),
        ((SUSPICION,), "1 suspicion", "1 suspicion: odd, a breach if the next day has it too"),
        (
            (BREACHES[0], SUSPICION, SUSPICION, UNJUDGED),
            "1 breach, 2 suspicions",
            "1 breach: bad 0; 2 suspicions: odd, a breach if the next day has it too; odd, a breach if the next day "
            "has it too; 1 of 4 numbers not judged (too little data)",
        ),
        (
            (finding(), UNJUDGED),
            "all is well",
            "all is well; 1 of 2 numbers not judged (too little data)",
        ),
    ],
)
def test_a_report_says_what_is_wrong_and_what_was_not_judged(
    findings: tuple[Finding, ...], verdict: str, words: str
) -> None:
    found = report(*findings)
    assert (found.verdict, found.words) == (verdict, words)

"""Is the champion still what it was when it was promoted, and are the logs still what it was trained on?"""

from mtmd.monitoring.health import drift_findings, freshness_findings, score_findings
from mtmd.monitoring.records import Finding, MonitorReport, Signal

__all__ = [
    "Finding",
    "MonitorReport",
    "Signal",
    "drift_findings",
    "freshness_findings",
    "score_findings",
]

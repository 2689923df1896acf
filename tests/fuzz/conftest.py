"""How many examples are tried of each property: some in every run of the tests, many with MTMD_FUZZ=thorough.

Examples are the same in every run, so that a failure is nobody's bad luck.
"""

import os

from hypothesis import HealthCheck, settings

_COMMON = {
    "derandomize": True,
    "deadline": None,  # other processes share the cores
    "database": None,
    "report_multiple_bugs": False,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("quick", max_examples=30, **_COMMON)
settings.register_profile("thorough", max_examples=300, **_COMMON)
settings.load_profile(os.environ.get("MTMD_FUZZ", "quick"))

"""Days with too few rows are nobody's yardstick."""

from datetime import timedelta
from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.logs.files import available_days
from mtmd.logs.source import LogSource
from mtmd.validate.results import Status
from mtmd.validate.runner import validate_day


@pytest.mark.parametrize(("least", "compared"), [(0, True), (10**9, False)])
def test_a_day_is_compared_only_with_days_that_have_rows_enough(
    tiny_logs: Path, tiny_preset: Preset, least: int, compared: bool
) -> None:
    data = tiny_preset.data.model_copy(update={"min_trailing_rows": least})
    preset = tiny_preset.model_copy(update={"data": data})
    day = available_days(tiny_logs)[1]
    profile = validate_day(LogSource(tiny_logs), day - timedelta(days=1), preset).profile
    assert profile is not None
    results = {
        result.name: result for result in validate_day(LogSource(tiny_logs), day, preset, [profile]).results
    }
    assert (results["mean_scores_steady"].status is not Status.SKIPPED) == compared

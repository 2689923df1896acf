"""`[monitor]`: chances in order, and keys that are gone."""

import pytest
from pydantic import ValidationError

from mtmd.config import MonitorConfig


def test_keys_that_are_gone_name_the_new_one() -> None:
    with pytest.raises(
        ValidationError,
        match=r"monitor\.calibration_low \(0\.8\) is gone: calibration is compared with promotion's\. Remove "
        r"calibration_low and calibration_high; monitor\.calibration_shift is the least change",
    ):
        MonitorConfig.model_validate({"calibration_low": 0.8, "calibration_high": 1.2})
    with pytest.raises(
        ValidationError, match=r"monitor\.calibration_high \(1\.2\) is gone: .* Remove calibration_high;"
    ):
        MonitorConfig.model_validate({"calibration_high": 1.2})


def test_what_is_certain_is_suspected_too() -> None:
    with pytest.raises(
        ValidationError, match=r"certain_chance \(0\.1\) must be at most suspected_chance \(0\.05\)"
    ):
        MonitorConfig(certain_chance=0.1)

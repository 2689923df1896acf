"""The world behind a line's logs."""

from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.errors import LogsError
from mtmd.sources.simulated.platform import world_of


def test_simulated_logs_have_a_world_and_others_are_refused(
    tiny_preset: Preset, tiny_logs: Path, tmp_path: Path
) -> None:
    assert world_of(tiny_preset, str(tiny_logs)).users > 0
    with pytest.raises(LogsError, match="are not of a simulated world"):
        world_of(tiny_preset, str(tmp_path))

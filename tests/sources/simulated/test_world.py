"""The world behind a line's logs, and the gate that needs one."""

from pathlib import Path

import pytest

from mtmd.config import ABTestConfig, Preset, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.sources.simulated.platform import require_world_of_gate, world_of


def _gated(preset: Preset) -> Preset:
    return preset.model_copy(update={"ab_test": ABTestConfig(gate=True)})


def test_simulated_logs_have_a_world(tiny_preset: Preset, tiny_logs: Path) -> None:
    assert world_of(tiny_preset, str(tiny_logs)).users > 0
    require_world_of_gate(_gated(tiny_preset), str(tiny_logs))


def test_logs_of_no_world_are_refused_where_the_gate_is_on(tiny_preset: Preset, tmp_path: Path) -> None:
    with pytest.raises(LogsError, match="are not of a simulated world"):
        world_of(tiny_preset, str(tmp_path))
    with pytest.raises(
        ConfigError,
        match=r"ab_test\.gate \(true\) of preset 'tiny' needs the logs of a simulated world: logs '.*' are not of a "
        r"simulated world.*; or set ab_test\.gate to false",
    ):
        require_world_of_gate(_gated(tiny_preset), str(tmp_path))
    require_world_of_gate(tiny_preset, str(tmp_path))


def test_columns_of_no_world_are_refused_likewise(tmp_path: Path) -> None:
    kuairand = load_preset("kuairand")
    with pytest.raises(
        ConfigError, match=r"ab_test\.gate \(true\) of preset 'kuairand' .*can't be simulated"
    ):
        require_world_of_gate(_gated(kuairand), str(tmp_path))
    require_world_of_gate(kuairand, str(tmp_path))

"""The simulated world behind a line's logs, for what only its truth can say."""

from mtmd.config import Preset
from mtmd.errors import ConfigError, LogsError
from mtmd.world import WorldConfig, require_columns, world_at


def world_of(preset: Preset, logs: str) -> WorldConfig:
    """The world whose logs these are.

    Raises ConfigError for a preset with other columns than its platform writes, LogsError where the logs are of none.
    """
    require_columns(preset)
    world = world_at(logs)
    if world is None:
        raise LogsError(
            f"logs {logs!r} are not of a simulated world, and only its truth says what people would have done "
            "with other ads; use a preset whose logs `mtmd simulate` wrote"
        )
    return world


def require_world_of_gate(preset: Preset, logs: str) -> None:
    """Raise ConfigError where a preset asks for the gate of the simulated A/B and has no world to ask."""
    if not preset.ab_test.gate:
        return
    try:
        world_of(preset, logs)
    except (ConfigError, LogsError) as error:
        raise ConfigError(
            f"ab_test.gate (true) of preset {preset.name!r} needs the logs of a simulated world: {error}; or set "
            "ab_test.gate to false"
        ) from error

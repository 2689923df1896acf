"""Which preset the deployments of prefect.yaml run: one Prefect variable, read whenever they are deployed.

It is read then and not when a run starts: the server checks the name, each deployment shows it, and a run that is
repeated later uses the preset that it had.
"""

from prefect.client.orchestration import get_client

from mtmd.config import load_preset
from mtmd.errors import ConfigError

VARIABLE = "mtmd_preset"
DEFAULT = "demo"


def chosen() -> dict[str, str]:
    """A build step of prefect.yaml: {"name": the variable's value}, or the preset `demo` where there is none.

    Raises ConfigError for a value that is no preset.
    """
    with get_client(sync_client=True) as client:
        variable = client.read_variable_by_name(VARIABLE)
    value = DEFAULT if variable is None else variable.value
    try:
        if not isinstance(value, str):
            raise ConfigError("its value is no text")
        load_preset(value)
    except ConfigError as error:
        raise ConfigError(
            f"the Prefect variable {VARIABLE} ({value}) must name a preset: {error}; correct it: "
            f"`prefect variable set {VARIABLE} {DEFAULT} --overwrite`"
        ) from error
    return {"name": value}

"""`mtmd mirror`: bring MLflow up to date by hand. Each run does the same in a process of its own."""

import re

from mtmd.command_line import Artifacts, PresetName, app, console, literal
from mtmd.config import load_preset
from mtmd.errors import ConfigError, MtmdError
from mtmd.extras.mirrors import Settings
from mtmd.store.workspace import Workspace

_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")
commands = app()


@commands.command()
def mirror(preset: PresetName, artifacts: Artifacts = "artifacts") -> None:
    """Bring MLflow up to date.

    Every run does it by itself, for a limited time. This command has no time limit.
    """
    from mtmd.extras.mirrors import mlflow_server

    chosen = load_preset(preset)
    if not chosen.extra(Settings).mlflow:
        raise ConfigError(f"preset {chosen.name!r} has no mirror; set mlflow = true in its [extras.mirrors]")
    try:
        words, problems = mlflow_server.mirror(Workspace.of(artifacts, chosen), chosen)
    except MtmdError:
        raise
    except Exception as error:  # a library, a server or a network: whatever they raise
        said = _CREDENTIALS.sub("***@", " ".join(f"{error}".split()))
        raise MtmdError(f"MLflow is not up to date: {said or type(error).__name__}") from error
    console.print(literal(words))
    if problems:
        raise MtmdError(f"MLflow is not up to date: {'; '.join(problems)}")

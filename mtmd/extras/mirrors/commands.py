"""`mtmd mirror`: bring the mirrors up to date by hand."""

from mtmd.command_line import Artifacts, PresetName, app, console, literal
from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd.extras.mirrors.settings import Settings
from mtmd.extras.mirrors.state import MirrorError, behind
from mtmd.store.workspace import Workspace

commands = app()


@commands.command()
def mirror(preset: PresetName, artifacts: Artifacts = "artifacts") -> None:
    """Bring MLflow and OpenLineage up to date.

    Every run does it by itself, for a limited time. This command has no time limit.
    """
    from mtmd.extras.mirrors.stage import mirror as bring_up_to_date
    from mtmd.report.index import update_index

    chosen = load_preset(preset)
    if not chosen.extra(Settings).to:
        raise ConfigError(f"preset {chosen.name!r} has no mirrors; list them in its [extras.mirrors]")
    states = bring_up_to_date(Workspace.of(artifacts, chosen), chosen)
    update_index(artifacts, preset)
    for state in states:
        console.print(f"{state.mirror}: {literal(state.words)}")
    if late := behind(states):
        raise MirrorError(f"not up to date: {late}; mend what the lines above name, then try again")

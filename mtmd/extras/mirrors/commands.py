"""`mtmd mirror`: bring the mirrors up to date by hand. Each run does the same in a process of its own."""

from mtmd.command_line import Artifacts, PresetName, app, console, literal
from mtmd.config import load_preset
from mtmd.errors import ConfigError, MtmdError
from mtmd.extras.mirrors.settings import Settings
from mtmd.store.workspace import Workspace

commands = app()


@commands.command()
def mirror(preset: PresetName, artifacts: Artifacts = "artifacts") -> None:
    """Bring MLflow and OpenLineage up to date.

    Every run does it by itself, for a limited time. This command has no time limit.
    """
    from mtmd.extras.mirrors.stage import mirror as bring_up_to_date

    chosen = load_preset(preset)
    if not chosen.extra(Settings).to:
        raise ConfigError(f"preset {chosen.name!r} has no mirrors; list them in its [extras.mirrors]")
    states = bring_up_to_date(Workspace.of(artifacts, chosen), chosen)
    for state in states:
        console.print(f"{'✓' if state.current else '✗'} {state.name}: {literal(state.words)}")
    if late := [state.name for state in states if not state.current]:
        raise MtmdError(
            f"not up to date: {', '.join(late)}", "mend what the lines above name, then run `mtmd mirror`"
        )

"""`mtmd shadow`: what the log of a candidate in the shadow says, summed up."""

from mtmd.command_line import Artifacts, PresetName, app, console, literal
from mtmd.config import load_preset
from mtmd.store.workspace import Workspace

commands = app()


@commands.command()
def shadow(preset: PresetName, artifacts: Artifacts = "artifacts") -> None:
    """Sum up the log of a candidate in the shadow.

    It says how the candidate's answers differ from the champion's. The service writes it while the preset's
    [extras.shadow] names a model.
    """
    from mtmd.extras.shadow.candidate import summed_up

    folder = Workspace.of(artifacts, load_preset(preset)).root / "shadow"
    console.print(literal("\n".join(summed_up(folder))))

"""`mtmd forget`."""

from pathlib import Path
from typing import Annotated

import typer

from mtmd.command_line import Artifacts, Logs, PresetName, app, console, literal
from mtmd.config import load_preset

commands = app()


@commands.command()
def forget(
    preset: PresetName,
    user: Annotated[list[str] | None, typer.Option(help="a user_id of the logs; may be given again")] = None,
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="a user_id on each line")] = None,
    artifacts: Artifacts = "artifacts",
    logs: Logs = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say where the users are")] = False,
) -> None:
    """Remove all that was made of some users' rows.

    Your logs stay as they are: it says which days to deliver again without them. Not while a run works.
    """
    from mtmd.extras.forget.forget import forget_users, read_users

    chosen = load_preset(preset)
    wanted = read_users(chosen.ids.user, user or (), users)
    for line in forget_users(chosen, wanted, logs=logs, artifacts=artifacts, dry_run=dry_run).lines():
        console.print(literal(line))

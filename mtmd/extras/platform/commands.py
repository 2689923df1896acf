"""`mtmd up` and `mtmd down`, in a folder with a prefect.yaml: a checkout or a project."""

from pathlib import Path
from typing import Annotated

import typer

from mtmd.command_line import app

commands = app()
_Port = Annotated[int, typer.Option(min=1, max=65535)]


@commands.command()
def up(
    port: _Port = 4200,
    reports_port: _Port = 4201,
    preset: Annotated[
        str | None, typer.Option(help="that the deployments run from now on; else the one that they have")
    ] = None,
) -> None:
    """Start a Prefect server, a worker and the report pages.

    What runs already stays. The deployments are brought up to this folder's prefect.yaml.
    """
    from mtmd.extras.platform.local import Platform, up
    from mtmd.store.stores import artifacts_folder

    up(Platform(Path.cwd() / ".platform", port, reports_port, artifacts_folder("artifacts")), preset)


@commands.command()
def down() -> None:
    """End what `mtmd up` started."""
    from mtmd.extras.platform.local import Platform, down

    down(Platform(Path.cwd() / ".platform"))

"""`mtmd backtest`: the flow's own command."""

import typer

from mtmd.command_line import Lazy, app

commands = app()


@commands.command(cls=Lazy, help="Compare settings over several days, each held out in turn.")
def backtest() -> typer.Typer:
    """Prefect is imported here, by name alone."""
    import mtmd.flows  # noqa: F401 - what Prefect reads when it is first imported
    from mtmd.extras.backtest.flow import command

    return command

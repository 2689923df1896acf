"""`mtmd ab-test`: the flow's own command."""

import typer

from mtmd.command_line import Lazy, app

commands = app()


@commands.command(cls=Lazy, help="Compare with the baselines in the simulated funnel.")
def ab_test() -> typer.Typer:
    """Prefect is imported here, by name alone."""
    import mtmd.flows  # noqa: F401 - what Prefect reads when it is first imported
    from mtmd.extras.abtest.flow import command

    return command

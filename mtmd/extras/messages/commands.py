"""`mtmd automations` and `mtmd messages`."""

import typer

from mtmd.command_line import Lazy, app

commands = app()


@commands.command(cls=Lazy, help="Give the server the automations that it lacks.")
def automations() -> typer.Typer:
    from mtmd.extras.messages.server import command

    return command


@commands.command(cls=Lazy, help="Send the server's messages to a webhook.")
def messages() -> typer.Typer:
    from mtmd.extras.messages.server import messages_command

    return messages_command

"""`mtmd automations` and `mtmd messages`."""

from itertools import chain
from typing import Annotated

import typer

from mtmd.command_line import app, console, literal

commands = app()


@commands.command()
def automations() -> None:
    """Give the server the automations that it lacks.

    They are those of the current folder's `automations`, or else those that `mtmd init` writes. PREFECT_API_URL is the
    address of the server's API.
    """
    from mtmd.extras.messages import server

    for words in server.apply(server.usual(), server.named_api()):
        console.print(literal(words))


@commands.command()
def messages(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", envvar="MTMD_WEBHOOK", show_envvar=True, help="the webhook's address"),
    ],
) -> None:
    """Send the server's messages to a webhook.

    Makes the block that they go to, then the automations that the server at PREFECT_API_URL lacks.
    """
    from mtmd.extras.messages import server

    api = server.named_api()
    for words in chain(server.send_to(url, api), server.apply(server.usual(), api)):
        console.print(literal(words))

"""The thin command line. Everything long is a Prefect flow; `mtmd/project/commands.py` has those commands."""

import os
import sys
from collections.abc import Sequence
from datetime import date
from typing import Annotated

import typer

from mtmd import command_line, extension
from mtmd.command_line import Artifacts, Logs, PresetName, console, day_option, errors, literal, stages
from mtmd.config import load_preset
from mtmd.errors import ConfigError, MtmdError
from mtmd.inspect import commands as inspect_commands
from mtmd.project.commands import commands as project_commands
from mtmd.store.workspace import Workspace

commands = command_line.app()
all_commands = command_line.app(
    "Retrain an ad ranker every day: check logs, run a day, look at its models, serve the champion.",
    completion=True,
)
all_commands.add_typer(project_commands)
all_commands.add_typer(inspect_commands)
all_commands.add_typer(commands)
for _extra in extension.modules("commands").values():
    all_commands.add_typer(_extra.commands)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.print(f"mtmd {version('mtmd')}")
        raise typer.Exit


@all_commands.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    """Options of `mtmd` itself."""


Reason = Annotated[str, typer.Option(help="written into the history")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status, 1 for an error that the user can mend."""
    return command_line.run(all_commands, "mtmd", arguments)


@commands.command()
def simulate(
    preset: PresetName,
    until: Annotated[date, day_option("newest day")],
    days: Annotated[
        int | None, typer.Option(help="days up to --until; default: one window and its held-out day")
    ] = None,
    logs: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="where to; default: the preset's logs")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="which platform; default: the one whose logs are there, or 0")
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="whose champion the rows name as the model that answered"),
    ] = None,
) -> None:
    """Write the simulated platform's logs, missing days only.

    How large it is, the preset's [simulation] says.
    """
    from mtmd.registry.incumbent import answering
    from mtmd.sources.simulated.platform import simulate_days

    model_of = answering(artifacts, preset)
    with stages.shown("simulating logs"):
        done = simulate_days(
            until, preset, days=days, logs=logs, seed=seed, model_of=model_of, on_day=stages.days
        )
    console.print(literal(done.words))


@commands.command()
def publish(
    preset: PresetName,
    artifacts: Artifacts = "artifacts",
    day: Annotated[
        date | None,
        day_option("of the snapshot, also one older than what serves; default: the newest there is"),
    ] = None,
    logs: Logs = None,
    model: Annotated[
        str | None, typer.Option(help="for a candidate that answers in the shadow; default: the champion")
    ] = None,
) -> None:
    """Embed the ads of a newer snapshot for the champion.

    A promotion does it by itself.
    """
    from mtmd.logs.source import LogSource
    from mtmd.publish import stage

    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    source, int8 = LogSource.of(chosen, logs, workspace.spool), chosen.publication.int8
    done = stage.publish(workspace, source, day, model=model, int8=int8)
    console.print(literal(f"{done.words}; {done.path}"))


@commands.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Other options are the service's own: `python -m mtmd.serve.http --help` lists them.",
)
def serve(context: typer.Context, preset: PresetName, artifacts: Artifacts = "artifacts") -> None:
    """Serve the champion over HTTP."""
    line = str(Workspace.of(artifacts, load_preset(preset)).root)
    # A process that has imported neither torch nor prefect, nor the folder's files, and whose signals are its own.
    command = [sys.executable, "-P", "-m", "mtmd.serve.http", line, "--preset", preset, *context.args]
    os.execv(sys.executable, command)


@commands.command()
def rollback(
    preset: PresetName,
    reason: Reason,
    artifacts: Artifacts = "artifacts",
    model: Annotated[str | None, typer.Option(help="only if this model is live")] = None,
    logs: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="whose newest ads are published for it; default: the preset's"),
    ] = None,
    keep_ads: Annotated[
        bool, typer.Option("--keep-ads", help="keep the ads that the model had: the newest ones are wrong")
    ] = False,
    rollout: Annotated[bool, typer.Option("--rollout", hidden=True)] = False,  # while one is on
) -> None:
    """Make the previous champion live again.

    That model gets the newest ads. The exit status is 0 once the champion has changed: to try again would go back
    further.
    """
    from mtmd.logs.source import LogSource
    from mtmd.promote import rollback as rollback_stage
    from mtmd.report.index import update_index

    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    done = rollback_stage.rollback(workspace, reason, model, rollout=rollout)
    words = f"{done.words} (as_of {done.champion.as_of}); {done.check}; {done.ads}"
    console.print(literal(words))
    update_index(artifacts, preset)
    if not keep_ads:
        source = LogSource.of(chosen, logs, workspace.spool)
        ads = rollback_stage.republish(workspace, source, done, int8=chosen.publication.int8)
        (errors if ads.failed else console).print(literal(f"{'warning: ' * ads.failed}{ads.words}"))


@commands.command()
def rollout(
    preset: PresetName,
    share: Annotated[
        float | None, typer.Option(help="of the users that the champion answers; above 0, at most 1")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="the champion answers all users")] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="take the champion down, as `mtmd rollback` does")
    ] = False,
    model: Annotated[str | None, typer.Option(help="only if this model is live")] = None,
    reason: Annotated[str, typer.Option(help="written into the history")] = "",
    artifacts: Artifacts = "artifacts",
    logs: Logs = None,
) -> None:
    """Let the champion answer a share of the users.

    The champion before it answers the others. A user stays with one model.
    """
    from mtmd.promote import rollback as rollback_stage
    from mtmd.registry.registry import Registry
    from mtmd.report.index import update_index

    if (share is not None) + full + stop != 1:
        raise ConfigError(f"--share ({share}), --full ({full}) and --stop ({stop}): name one of them")
    line = Workspace.of(artifacts, load_preset(preset))
    if stop:
        model = model or Registry(line.root).require_champion().model_id
        rollback(preset, reason or "the rollout was stopped", artifacts, model, logs, rollout=True)
        return
    words = rollback_stage.roll_out(line, 1.0 if share is None else share, reason, model)
    update_index(artifacts, preset)
    console.print(literal(words))
    if share is not None:  # the others had the ads of an earlier day
        try:
            publish(preset, artifacts, None, logs)
        except MtmdError as error:
            errors.print(
                literal(f"warning: the rollout stands, with the ads that were published before: {error}")
            )


@commands.command()
def reinstate(
    model: Annotated[str, typer.Argument(help="its id, or the beginning of it")],
    preset: PresetName,
    reason: Reason,
    artifacts: Artifacts = "artifacts",
) -> None:
    """Let a model that was rolled back be promoted again.

    The next run of its day does it.
    """
    from mtmd.registry.registry import Registry
    from mtmd.report.index import update_index

    champion = Registry(Workspace.of(artifacts, load_preset(preset)).root).reinstate(model, reason)
    update_index(artifacts, preset)
    console.print(
        f"{champion.change.about} may be promoted again by a run of its day; {champion.model_id} is live"
    )


if __name__ == "__main__":
    sys.exit(main())

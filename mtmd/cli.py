"""The thin command line: `mtmd init | check | schema | config | run | ablation | ab-test | simulate | import-kuairand |
fit-teacher | status | publish | export-embeddings | serve | rollback | reinstate`.

Everything long is a Prefect flow, and a process of its own.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bar

from mtmd.config import load_preset
from mtmd.errors import MtmdError
from mtmd.logs.source import LogSource
from mtmd.project.commands import Commands, add_commands, add_preset, read_day, run_flow
from mtmd.project.teacher_command import add_fit_teacher
from mtmd.store.workspace import Workspace

_console = Console(highlight=False, soft_wrap=True)  # lines stay whole, so that JSON and paths can be copied
_errors = Console(stderr=True, highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status, 1 for an error that the user can mend."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.run not in {_serve, run_flow}:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        status: int | None = options.run(options)
    except MtmdError as error:
        _errors.print(f"[bold red]error:[/] {escape(str(error))}")
        return 1
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mtmd", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    add_commands(commands)
    _add_logs(commands)
    add_fit_teacher(commands)
    _add_ads(commands)
    _add_champion(commands)
    return parser


def _add_logs(commands: Commands) -> None:
    """Commands that write logs."""
    simulate = commands.add_parser("simulate", help="write the simulated platform's logs, missing days only")
    add_preset(simulate)
    simulate.add_argument("--until", type=read_day, required=True, help="newest day, YYYY-MM-DD")
    simulate.add_argument(
        "--days", type=int, help="days up to --until; default: one window and its held-out day"
    )
    simulate.add_argument("--logs", help="where to; default: the preset's logs")
    world = simulate.add_argument_group(
        "world", "with none of these, the world whose logs are there goes on; otherwise the defaults hold"
    )
    world.add_argument("--seed", type=int, help="another seed is another platform; default: 0")
    world.add_argument("--requests-per-day", type=int, help="default: 1,000, with 16 candidates each")
    world.add_argument("--users", type=int, help="default: 3,000")
    world.add_argument("--ads", type=int, help="alive on a day; default: 2,400")
    simulate.set_defaults(run=_simulate)

    kuairand = commands.add_parser("import-kuairand", help="turn KuaiRand-Pure files into the log contract")
    kuairand.add_argument(
        "--source", type=Path, required=True, help="folder with the published .csv or .csv.gz files"
    )
    kuairand.add_argument("--logs", default="logs/kuairand")
    kuairand.add_argument("--seed", type=int, default=0)
    kuairand.set_defaults(run=_import_kuairand)


def _add_ads(commands: Commands) -> None:
    """Commands about the champion's ads and their service."""
    publish = _of_line(
        commands,
        "publish",
        _publish,
        "embed the ads of a newer snapshot for the champion; a promotion does it by itself",
    )
    publish.add_argument(
        "--day",
        type=read_day,
        help="of the snapshot, be it older than what serves; default: the newest there is",
    )
    publish.add_argument("--logs", help="default: the preset's")

    export = _of_line(
        commands,
        "export-embeddings",
        _export_embeddings,
        "write the champion's published ads as features of another model",
    )
    export.add_argument(
        "--output", type=Path, required=True, help="a Parquet file; docs/serving.md has its columns"
    )

    serve = _of_line(
        commands, "serve", _serve, "serve the champion over HTTP; docs/serving.md has its questions"
    )
    serve.epilog = (
        "All other options, such as --port, are the service's: python -m mtmd.serve.http --help has them."
    )


def _add_champion(commands: Commands) -> None:
    """Commands about which model is live."""
    _of_line(commands, "status", _status, "show the champion and recent changes")
    rollback = _of_line(
        commands, "rollback", _rollback, "make the previous champion live again, with the newest ads"
    )
    rollback.add_argument("--model", help="only if this model is live")
    rollback.add_argument("--logs", help="whose newest ads are published for it; default: the preset's")
    rollback.add_argument(
        "--keep-ads", action="store_true", help="leave it its own ads: the newest ones are wrong"
    )
    reinstate = _of_line(
        commands,
        "reinstate",
        _reinstate,
        "let a model that was rolled back be promoted again by a run of its day",
    )
    reinstate.add_argument("model", help="its id")
    for command in (rollback, reinstate):
        command.add_argument("--reason", required=True, help="written into the history")


def _of_line(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    """A command about a preset's line of models."""
    command = commands.add_parser(name, help=text, allow_abbrev=False)
    add_preset(command)
    command.add_argument("--artifacts", default="artifacts")
    command.set_defaults(run=run)
    return command


def _workspace(options: argparse.Namespace) -> Workspace:
    return Workspace.of(options.artifacts, load_preset(options.preset))


def _simulate(options: argparse.Namespace) -> None:
    from mtmd.jobs.simulation import simulate_days

    with Bar(console=_console, transient=True) as bar:
        task = bar.add_task("simulating", total=None)
        done = simulate_days(
            options.until,
            options.preset,
            days=options.days,
            logs=options.logs,
            seed=options.seed,
            requests_per_day=options.requests_per_day,
            users=options.users,
            ads=options.ads,
            on_day=lambda: bar.advance(task),
        )
    _console.print(escape(done.words))


def _import_kuairand(options: argparse.Namespace) -> None:
    from mtmd.sources.kuairand.adapter import import_kuairand

    report = import_kuairand(
        options.source, Path(options.logs), seed=options.seed, on_progress=_console.print
    )
    _console.print(report.model_dump_json(indent=2), markup=False)


def _status(options: argparse.Namespace) -> None:
    from mtmd.registry.registry import Registry

    status = Registry(_workspace(options).root).status()
    _console.print(status.model_dump_json(indent=2), markup=False)


def _publish(options: argparse.Namespace) -> None:
    from mtmd.publish.stage import publish

    preset = load_preset(options.preset)
    done = publish(Workspace.of(options.artifacts, preset), LogSource.of(preset, options.logs), options.day)
    _console.print(f"{done.words}; {escape(done.path)}")


def _export_embeddings(options: argparse.Namespace) -> None:
    from mtmd.publish.stage import export_ads

    _console.print(escape(export_ads(_workspace(options), options.output)))


def _serve(options: argparse.Namespace) -> None:
    """Become the service: a process that has imported neither torch nor prefect, whose signals are its own."""
    line = str(_workspace(options).root)
    os.execv(sys.executable, [sys.executable, "-m", "mtmd.serve.http", line, *options.rest])


def _rollback(options: argparse.Namespace) -> None:
    """Exit status 0 once the flip has happened: one who tried again would go back further."""
    from mtmd.promote.rollback import republish, rollback

    preset = load_preset(options.preset)
    workspace = Workspace.of(options.artifacts, preset)
    done = rollback(workspace, options.reason, options.model)
    _console.print(f"{done.words} (as_of {done.champion.as_of}); {done.check}; {done.ads_words}")
    if options.keep_ads:
        return
    ads = republish(workspace, LogSource.of(preset, options.logs), done)
    if ads.failed:
        _errors.print(f"[bold yellow]warning:[/] {escape(ads.words)}")
    else:
        _console.print(escape(ads.words))


def _reinstate(options: argparse.Namespace) -> None:
    from mtmd.registry.registry import Registry

    champion = Registry(_workspace(options).root).reinstate(options.model, options.reason)
    _console.print(f"{options.model} may be promoted again by a run of its day; {champion.model_id} is live")


if __name__ == "__main__":
    sys.exit(main())

"""Commands of a project folder: make it, look at it, and run the flows there. `mtmd/cli.py` has all other commands."""

import argparse
import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.markup import escape

from mtmd.config.preset_files import default_preset

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_console = Console(highlight=False, soft_wrap=True)  # lines stay whole, so that JSON and paths can be copied
_FLOWS = {
    "run": ("mtmd_flows.daily_retrain", "the daily job: validate, extract, train, evaluate, prove, decide"),
    "ablation": ("mtmd_flows.ablation", "what each part of the model earns"),
    "ab-test": ("mtmd_flows.ab_test", "the model against the per-slice baselines in the simulated funnel"),
}


def add_commands(commands: Commands) -> None:
    """Add init, check, schema, config, and a command for each flow that is run from a terminal."""
    init = commands.add_parser("init", help="make a folder with a preset, SQL, expectations and deployments")
    init.add_argument("folder", type=Path, help="a folder that does not exist yet")
    init.add_argument("--name", help="of the preset; default: the folder's name")
    init.set_defaults(run=_init)
    check = commands.add_parser(
        "check",
        help="say all that is wrong with a preset, its SQL and its logs; exit status 1 if anything is",
    )
    add_preset(check)
    check.add_argument("--logs", help="default: the preset's")
    check.add_argument(
        "--as-of",
        type=read_day,
        help="day whose rows are read, YYYY-MM-DD; default: the newest that all tables have",
    )
    check.add_argument("--json", action="store_true", help="print the findings as JSON")
    check.set_defaults(run=_check)
    schema = commands.add_parser("schema", help="print the JSON Schema of a preset's file, for editors")
    schema.set_defaults(run=_schema)
    config = commands.add_parser("config", help="print what a preset resolves to, and which file says what")
    add_preset(config)
    config.set_defaults(run=_config)
    for name, (_, text) in _FLOWS.items():
        # Its options are the flow's parameters, which Prefect's process alone knows: --help is handed on too.
        commands.add_parser(name, help=text, add_help=False).set_defaults(run=run_flow)


def add_preset(command: argparse.ArgumentParser) -> None:
    """The option that names a preset."""
    command.add_argument(
        "--preset",
        default=default_preset(),
        help="a name or a path to a .toml; default: the current folder's preset.toml, or else demo",
    )


def read_day(text: str) -> date:
    """A day of the command line; argparse says what is wrong with it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a day, YYYY-MM-DD, such as 2026-01-25") from None


def _init(options: argparse.Namespace) -> None:
    from mtmd.project.scaffold import create_project

    for path in create_project(options.folder, options.name):
        _console.print(escape(str(path)))
    _console.print(
        escape(
            f"next: cd {options.folder}, edit preset.toml, then mtmd check and mtmd run; README.md says more"
        )
    )


def _check(options: argparse.Namespace) -> int:
    from mtmd.project.check import check_project
    from mtmd.project.show import show

    checked = check_project(options.preset, logs=options.logs, as_of=options.as_of)
    if options.json:
        _console.print(checked.model_dump_json(indent=2), markup=False)
    else:
        show(checked, _console)
    return 0 if checked.passed else 1


def _schema(_: argparse.Namespace) -> None:
    from mtmd.project.schema import preset_schema

    _console.print(json.dumps(preset_schema(), indent=2, ensure_ascii=False), markup=False)


def _config(options: argparse.Namespace) -> None:
    from mtmd.project.resolved import as_toml, settings

    _console.print(as_toml(settings(options.preset)), markup=False)


def run_flow(options: argparse.Namespace) -> None:
    """Become the flow's own command."""
    module, _ = _FLOWS[options.command]
    os.environ["MTMD_COMMAND"] = f"mtmd {options.command}"
    os.execv(sys.executable, [sys.executable, "-m", module, *options.rest])

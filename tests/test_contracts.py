"""Promises between files: deployments, README, documented columns and paths, and every `__all__`."""

import importlib
import inspect
import re
import shlex
import shutil
import subprocess
import tomllib
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from pydantic import TypeAdapter
from typer.core import TyperGroup
from typer.main import get_command

import mtmd.cli
from mtmd.config import Preset, load_preset
from mtmd.logs.contract import table_columns
from mtmd.report.index import PAGE
from mtmd.report.line import RECORDS
from mtmd.serve.catalogue import Catalogue
from mtmd.store.workspace import Workspace
from tests.documented import documented_commands

ROOT = Path(__file__).parents[1]
DEPLOYED = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
README = (ROOT / "README.md").read_text()
DOCS = README + "".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))
_ALL = get_command(mtmd.cli.all_commands)
assert isinstance(_ALL, TyperGroup)
COMMANDS = tuple(_ALL.commands)  # those of extras, too


def _entrypoint(deployment: dict[str, Any]) -> Flow[..., Any]:
    path, name = deployment["entrypoint"].split(":")
    assert (ROOT / path).is_file()
    found = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    assert isinstance(found, Flow)
    return found


def _name(deployment: dict[str, Any]) -> str:
    """As people write it: flow/deployment."""
    return f"{_entrypoint(deployment).name}/{deployment['name']}"


@pytest.mark.parametrize("deployment", DEPLOYED, ids=lambda one: str(one["entrypoint"]))
def test_a_deployment_has_a_flow_that_takes_its_parameters(deployment: dict[str, Any]) -> None:
    flow = _entrypoint(deployment)
    hints = inspect.signature(flow.fn, eval_str=True).parameters
    assert set(deployment["parameters"]) <= set(hints)
    for name, value in deployment["parameters"].items():
        TypeAdapter(hints[name].annotation).validate_python(value)
    assert deployment["name"] == flow.name  # the UI's lists show it without its flow
    assert deployment["parameters"]["preset"] == "{{ prefect.variables.mtmd_preset }}"
    assert deployment["concurrency_limit"]["limit"] == 1
    assert "mtmd" in deployment["tags"]
    described = flow.parameters.properties
    assert [name for name, own in described.items() if not own.get("description")] == []


def test_deployments_are_scheduled_in_utc_as_the_runbook_says() -> None:
    schedules = {_name(one): one.get("schedules", []) for one in DEPLOYED}
    crons = {name: own[0]["cron"] for name, own in schedules.items() if own}
    assert crons == {
        "simulate-day/simulate-day": "30 2 * * *",
        "monitor/monitor": "0 3 * * *",
        "daily-retrain/daily-retrain": "15 3 * * *",
        "ablation/ablation": "30 5 * * 0",
        "clean-up/clean-up": "0 12 * * 0",
    }
    assert {own[0]["timezone"] for own in schedules.values() if own} == {"UTC"}
    rows = dict(re.findall(r"^\| `([a-z-]+/[a-z-]+)` \| ([^|]+) \|", DOCS, re.MULTILINE))
    assert set(rows) == set(schedules)
    for name, cron in crons.items():
        minute, hour, _, _, weekday = cron.split()
        assert rows[name] == f"{'Sunday ' if weekday == '0' else ''}{int(hour):02}:{int(minute):02}"
    assert re.search(r"at 03:15 UTC", README)


def _commands() -> list[list[str]]:
    return [shlex.split(command) for command in documented_commands()]


def test_make_clean_keeps_logs_and_models_that_no_command_here_can_make_again(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    mine = [tmp_path / "logs" / "mine", tmp_path / "artifacts" / "my-ads", tmp_path / ".platform"]
    made = [tmp_path / "logs" / "demo", tmp_path / "artifacts" / "tiny", tmp_path / "site"]
    for folder in (*mine, *made):
        folder.mkdir(parents=True)
    done = subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [folder.is_dir() for folder in (*mine, *made)] == [True] * 3 + [False] * 3
    assert "kept: artifacts/my-ads/\nkept: .platform/\n" in done.stdout


def test_every_deployment_run_in_readme_and_docs_names_a_deployment_and_its_parameters() -> None:
    names = {_name(one): _entrypoint(one) for one in DEPLOYED}
    runs = [words for words in _commands() if words[1:3] == ["deployment", "run"]]
    assert {words[3] for words in runs} == set(names)
    for words in runs:
        given = [pair.split("=")[0] for flag, pair in pairwise(words) if flag == "--param"]
        assert set(given) <= set(inspect.signature(names[words[3]].fn).parameters)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert mtmd.cli.main([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert f"Usage: mtmd {command}" in said
    assert max(map(len, said.splitlines())) <= 80
    assert said.isascii()  # nothing is drawn around it


def test_documented_columns_are_the_contracts() -> None:
    text = (ROOT / "docs" / "log-contract.md").read_text()
    preset = load_preset("demo")
    columns = table_columns(preset.declarations)
    for table, side in (("requests", preset.declarations.query), ("ads", preset.declarations.item)):
        own = {name: kind for name, kind in columns[table].items() if name in _documented(text, table)}
        assert _documented(text, table) == own
        assert set(columns[table]) - set(own) <= {feature.name for feature in side.fields}
    documented = _documented(text, "candidates")
    scores = dict.fromkeys(preset.domains.task_names, "FLOAT")
    assert documented | scores == columns["candidates"]


def _documented(text: str, table: str) -> dict[str, str]:
    (section,) = re.findall(rf"^## {table}: (.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return dict(re.findall(r"^\| `(\w+)` \| ([A-Z]+) \|", section, re.MULTILINE))


def test_the_artifacts_page_has_the_workspaces_paths(tiny_preset: Preset) -> None:
    workspace, day, key = Workspace.of("artifacts", tiny_preset), date(2026, 1, 25), "<key>"
    paths = (
        workspace.shards / f"date={day}" / "<fingerprint>",
        workspace.shards / "digests",
        workspace.spool / "<table>" / str(day),
        workspace.validation(day),
        workspace.root / "validation" / f"as_of={day}.json",
        workspace.trained("<kind>", key),
        workspace.work("<kind>", key).parent,
        workspace.evaluation(key),
        workspace.root / "models" / "<model_id>",
        workspace.run(day, key, "<id>"),
        workspace.root / "backtests" / f"{day}-<key>",
        workspace.monitoring / f"date={day}.json",
        workspace.monitoring / "profiles",
        workspace.failure(day),
        Catalogue(workspace.root).path("MODEL", ""),
        workspace.root / "shadow" / "<host>-<port>.jsonl",
        workspace.root / "forgotten" / "<moment>.json",
        workspace.root / "champion.json",
        workspace.root / "history",
        workspace.root / PAGE,
        workspace.root / RECORDS,
    )
    page = (ROOT / "artifacts" / "README.md").read_text()
    listed = [line.rstrip("/") for line in re.findall(r"^  (\S+)", page, re.MULTILINE)]
    names = [str(path.relative_to(workspace.root)).replace(str(day), "YYYY-MM-DD") for path in paths]
    names = [name.replace("MODEL", "<model_id>") for name in names]
    assert listed == names


def test_no_station_escapes_the_import_contracts() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    contracts = {own["name"]: own for own in declared}
    order = contracts["mtmd's stations stand in this order"]
    assert order["exhaustive"]
    stations = {path.stem for path in (ROOT / "mtmd").glob("*.py")} | {
        path.parent.name for path in (ROOT / "mtmd").glob("*/__init__.py")
    }
    assert stations - {"__init__"} == {name for layer in order["layers"] for name in layer.split(" | ")}
    for name, allowed in (
        ("only extract, validate, monitor and extras import duckdb", {"extract", "validate", "monitor"}),
        ("only export and serve import onnx and onnxruntime", {"export", "serve"}),
    ):
        bound = {one.removeprefix("mtmd.") for one in contracts[name]["source_modules"] if one[:5] == "mtmd."}
        assert stations - {"__init__", "errors", "extras"} - bound == allowed
    light = contracts["registry and serve reach neither torch nor duckdb, indirectly either"]
    assert {"mtmd.registry", "mtmd.serve"} <= set(light["source_modules"])
    assert {"torch", "duckdb"} <= set(light["forbidden_modules"])
    assert not light.get("allow_indirect_imports", False)

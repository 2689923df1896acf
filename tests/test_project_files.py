"""Files that people expect of a project say the same as `make` and the package do."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import mtmd.cli

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()


def test_the_version_is_the_same_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert mtmd.cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"mtmd {declared}\n"
    assert version("mtmd") == declared  # of the installed distribution
    newest, *_ = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest == declared
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == declared


def test_a_commit_is_checked_as_make_lint_does() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    recipe = MAKEFILE.partition("\nlint:")[2].partition("\n\n")[0].replace("$(BIN)", ".venv/bin").splitlines()
    assert {hook["entry"] for hook in hooks} <= {line.strip() for line in recipe}
    assert len(hooks) == 3


def test_ci_runs_make_test_on_every_python_and_the_rest_at_night() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    commands = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    named = {
        name: set(re.findall(r"\b(test[a-z-]*|docs|audit)\b", " ".join(runs)))
        for name, runs in commands.items()
    }
    assert named == {"test": {"test"}, "nightly": {"test-slow", "docs", "audit"}}
    assert named["test"] | named["nightly"] <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    script = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^make .*?(test[a-z-]*)", script, re.MULTILINE) == ["test", "test-slow"]

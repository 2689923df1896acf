"""The package as a team installs it: a wheel in an environment without this checkout, and a folder of their own."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from mtmd import extension
from mtmd.registry.registry import Registry
from tests.archives import unpack
from tests.extras.proposal.foreign import write_foreign_logs
from tests.flows.runs import ROOT
from tests.prefect_server import free_port

pytestmark = pytest.mark.slow

_PATIENCE_S = 300.0
_BUILD = "import sys, setuptools.build_meta as backend; print(backend.build_sdist(sys.argv[1]))"


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel and what it depends on, and nothing of this checkout."""

    python: Path
    wheel: Path
    server: str

    def run(self, folder: Path, *command: str) -> str:
        """Output of a command of the environment in a folder; fails when the command does."""
        done = subprocess.run(
            self.line(*command), cwd=folder, env=self.environment, capture_output=True, text=True,
            timeout=_PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def line(self, *command: str) -> list[str]:
        program = self.python.with_name(command[0])
        start = [str(program)] if program.is_file() else [str(self.python), "-m", command[0]]
        return [*start, *command[1:]]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return kept | {"PREFECT_API_URL": self.server}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Installed:
    root = tmp_path_factory.mktemp("installed")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).exists():
            place = root / "source" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place, follow_symlinks=False)
    _must(root / "source", sys.executable, "-c", _BUILD, str(root))
    (archive,) = root.glob("mtmd-*.tar.gz")
    unpack(archive, root / "sdist")
    (unpacked,) = (root / "sdist").iterdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    _must(root, *pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(root), str(unpacked))
    (wheel,) = root.glob("*.whl")
    venv.create(root / "environment", with_pip=False, symlinks=True)
    python = root / "environment" / "bin" / "python"
    _must(root, *pip, "--python", str(python), "install", "-q", "--no-deps", str(wheel))
    # The dependencies of this environment, but not its link to the checkout: a .pth file's lines are not followed on.
    (packages,) = (root / "environment" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return Installed(python, wheel, prefect_server)


def _must(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"


def _next(installed: Installed, project: Path) -> str:
    """What `mtmd check`, which finds no problem, says to do."""
    *_, found, told = installed.run(project, "mtmd", "check").splitlines()
    assert found.startswith("0 problems, ")
    return told


@contextmanager
def _serving(installed: Installed, folder: Path, port: int) -> Iterator[None]:
    with (folder / "service.log").open("wb") as log:
        service = subprocess.Popen(
            installed.line("mtmd", "serve", "--port", str(port), "--timeout", "60"),
            cwd=folder, env=installed.environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        while "running on" not in (folder / "service.log").read_text().lower():
            assert service.poll() is None, (folder / "service.log").read_text()
        yield
    finally:
        service.terminate()
        service.wait(30)


def test_the_wheel_has_all_that_is_read_and_no_name_that_could_collide(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"mtmd"}
    for folder, pattern in (
        ("mtmd/flows", "*.py"),
        ("mtmd/expectations", "*.py"),
        ("mtmd/sql", "*.sql"),
        ("mtmd/project/templates", "**/*"),
        ("mtmd/config", "**/*.toml"),
    ):
        files = {str(path.relative_to(ROOT)) for path in (ROOT / folder).glob(pattern) if path.is_file()}
        assert files
        assert files <= set(names)


@pytest.mark.skipif(
    extension.module("proposal", "init") is None, reason="the extra proposal is not registered"
)
def test_a_team_goes_from_its_logs_to_an_answer_in_a_folder_of_its_own(
    installed: Installed, tiny_logs: Path, tmp_path: Path
) -> None:
    """The tutorial of docs/your-own-logs.md: names, types and folders of their own, and one edit."""
    write_foreign_logs(tiny_logs, tmp_path / "their-logs", days=11)
    said = installed.run(tmp_path, "mtmd", "init", "their-ads", "--from-logs", "their-logs")
    assert "understood: task p_lead: lead happened, only after p_click" in said
    project = tmp_path / "their-ads"
    preset = project / "preset.toml"
    # or this would take minutes
    edits = preset.read_text().replace('base = "demo"', 'base = "tiny"')
    edits = edits.replace("[training]", "[training]\nepochs = 10")
    preset.write_text(edits)
    assert _next(installed, project) == "next: mtmd run --newest --no-ablations"
    blocks = re.findall(r"```sh\n(.*?)```", (project / "README.md").read_text(), re.DOTALL)
    commands = [line.split("#")[0].split() for line in "".join(blocks).splitlines()]
    said = {
        " ".join(command[:2]): installed.run(project, *command)
        for command in commands
        if command not in (["mtmd", "serve"], ["prefect", "worker", "start", "--pool", "local"])  # they go on
    }
    assert "✓ Promoted" in said["mtmd run"]
    champion = Registry(project / "artifacts" / "their-ads").champion()
    assert champion is not None
    assert champion.model_id in said["mtmd status"]

    port = free_port()
    request = {"request_id": "q-1", "surface": "feed", "user_id": "m7", "interests": [3, 1]}
    with _serving(installed, project, port):
        question = urllib.request.Request(
            f"http://127.0.0.1:{port}/rank",
            json.dumps({"requests": [request], "top_k": 3}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(question, timeout=60) as response:
            answer = json.load(response)
    assert answer["model_id"] == champion.model_id
    (ranking,) = answer["requests"]
    assert ranking["request_id"] == "q-1"
    assert len({str(UUID(ad["ad_id"])) for ad in ranking["ads"]}) == 3
    deployments = (project / "prefect.yaml").read_text().count("entrypoint:")
    assert said["prefect --no-prompt"].count("successfully created") == deployments
    assert said["mtmd automations"].startswith("automation mtmd-crash-zombies: created\n")


@pytest.mark.parametrize("name", ["flows", "sql", "expectations"])
def test_a_checkout_without_links_is_not_built(tmp_path: Path, name: str) -> None:
    """Where links can't be made, git writes a file with the path in it."""
    for file in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "mtmd").mkdir()
    (tmp_path / "mtmd" / "__init__.py").touch()
    for link in {"flows", "sql", "expectations"} - {name}:
        (tmp_path / "mtmd" / link).mkdir()
    (tmp_path / "mtmd" / name).write_text(f"../{name}")
    build = [sys.executable, "-c", _BUILD, str(tmp_path)]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"mtmd/{name} must be a link to the folder {name}/" in done.stderr
    assert not list(tmp_path.glob("*.tar.gz"))

"""The image `service` has deploy/service-packages.txt and no other packages: with these alone, the service answers."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.flows.runs import ROOT
from tests.serve.http.conftest import Line, ready

PACKAGES = ROOT / "deploy" / "service-packages.txt"
_ONLY = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ModuleNotFoundError(name + " is not in deploy/service-packages.txt", name=name)
sys.meta_path.insert(0, Refused())
"""


def listed() -> list[str]:
    lines = PACKAGES.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def closure(names: list[str]) -> set[str]:
    """These packages and what they require, as pip would install it."""
    found: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        if (name := waiting.pop()) in found:
            continue
        found.add(name)
        try:
            needed = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:
            assert name not in {canonicalize_name(one) for one in names}, f"{name} is not installed"
            continue
        waiting += [
            canonicalize_name(one.name)
            for one in needed
            if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return found


def refused() -> set[str]:
    """Modules of all other packages that are installed here."""
    allowed = closure(listed()) | {"mtmd"}
    return {
        module
        for module, packages in packages_distributions().items()
        if not any(canonicalize_name(name) in allowed for name in packages)
    } - {"_distutils_hack"}


def only_these(folder: Path) -> dict[str, str]:
    """The environment of a Python that can import nothing else."""
    place = folder / "only"
    place.mkdir()  # Python imports sitecustomize at its start, also in a process that became another
    (place / "sitecustomize.py").write_text(_ONLY.format(refused=refused()))
    path = filter(None, (str(place), str(ROOT), os.environ.get("PYTHONPATH")))
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def test_the_service_answers_with_only_its_packages(line: Line, tmp_path: Path) -> None:
    """By the command of the image, on a free port of this machine."""
    line.promote(0)
    (tmp_path / "preset.toml").write_text(f'base = "demo"\nname = "{line.root.name}"\n')
    (command,) = re.findall(r"^CMD (\[.*mtmd.*serve.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    mtmd, *arguments = json.loads(command)
    assert mtmd == "mtmd"
    here = ["--host", "127.0.0.1", "--port", "0", "--artifacts", str(line.root.parent)]
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", "from mtmd.cli import main; main()", *arguments, *here],
            cwd=tmp_path, env=only_these(tmp_path), stdout=file, stderr=file,
        )  # fmt: skip
    try:
        assert ready(process, log).get("/ready")[0] == 200
    finally:
        process.kill()
        process.wait()

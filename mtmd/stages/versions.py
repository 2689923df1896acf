"""Where the code of a run came from: commit and package versions, for the manifest."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("torch", "numpy", "duckdb", "pyarrow", "onnx", "onnxruntime", "onnxscript", "great-expectations")


def git_commit() -> str | None:
    """The commit of this checkout, with `-dirty` when files differ from it; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match=nothing"]
    try:
        described = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:  # git is not installed where the flow runs
        return None
    return described.stdout.strip() or None


def package_versions() -> dict[str, str]:
    """Versions of what decides the numbers, Python included."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}

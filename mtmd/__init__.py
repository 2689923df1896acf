"""MTMD: a multi-task multi-domain two-tower ad ranker, retrained daily (AdKDD 2025).

In Python, `mtmd.open("my-ads")` gives a project: docs/library.md.
"""

import atexit
import gc
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtmd.extras.library.project import Project

__all__ = ["open"]

# Imports make half a million objects that stay: looking through them for garbage again and again takes a fifth of their
# time. Memory does not suffer: steps of a training, which would hold most of it, leave no garbage to look for.
gc.set_threshold(100_000, 20, 20)
atexit.register(gc.freeze)  # nor is there any use in looking once more when the process ends


def open(
    folder: str | Path = ".",
    *,
    preset: str | Path | None = None,
    logs: str | Path | None = None,
    artifacts: str | Path | None = None,
) -> "Project":
    """The project in a folder, which `mtmd init` made.

    `preset` is a shipped preset's name, or a path to a .toml; default: the folder's `preset.toml`. `logs` and
    `artifacts` are folders or URLs of buckets; default: the preset's logs, and the folder's `artifacts`. Raises
    ConfigError for a folder without a preset, and for a preset that is wrong.
    """
    from mtmd import extension  # noqa: PLC0415 - what it leads to takes half a second, and `status` does not need it

    library = extension.required("library", "project", "mtmd.open")
    project: Project = library.Project(folder, preset=preset, logs=logs, artifacts=artifacts)
    return project

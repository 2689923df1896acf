"""Write a project folder: a preset, source statements, expectations and deployments that a team owns and edits."""

import re
from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mtmd.errors import ConfigError
from mtmd.store.files import atomic_directory

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_TEMPLATES = files("mtmd.project") / "templates"
_HIDDEN = ("dockerignore", "gitignore")


Rewrite = Callable[[str, str], str]  # a file's path in the project and its text → the text that is proposed


def create_project(
    folder: Path, name: str | None = None, proposed: Rewrite = lambda _, text: text
) -> list[Path]:
    """Make `folder` a project; returns its files. `name` is the preset's, by default the folder's own name.

    `proposed` fits files to logs that are there, as the extra `proposal` does. Raises ConfigError for a folder that
    exists already, which is left as it is, and a name that no preset can have.
    """
    target = folder.absolute()
    name = target.name if name is None else name
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"project name {name!r} must be lower-case letters, digits and hyphens, a letter first, such as my-ads; "
            "choose another folder, or say --name"
        )
    if target.exists():
        raise ConfigError(f"{target} exists already; choose a folder that does not, nothing is overwritten")
    with atomic_directory(target) as directory:
        for path, template in _templates(_TEMPLATES):
            place = directory / path
            place.parent.mkdir(parents=True, exist_ok=True)
            text = template.read_text(encoding="utf-8")
            text = text.replace("@name@", name).replace("@folder@", str(target))
            place.write_text(proposed(path, text), encoding="utf-8")
    return sorted(path for path in target.rglob("*") if path.is_file())


def _templates(folder: Traversable, above: str = "") -> list[tuple[str, Traversable]]:
    """Every template and its path in the project.

    `gitignore` and `dockerignore` are written with their dot. `.template` keeps a Python file from being compiled when
    the package is installed.
    """
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        name = f".{entry.name}" if entry.name in _HIDDEN else entry.name.removesuffix(".template")
        path = f"{above}{name}"
        found += _templates(entry, f"{path}/") if entry.is_dir() else [(path, entry)]
    return found

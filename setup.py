"""Refuses to build without the folders that mtmd/ links to; everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import setup

for _name in ("flows", "sql", "expectations"):
    if not (Path(__file__).parent / "mtmd" / _name).is_dir():
        raise SystemExit(
            f"mtmd/{_name} must be a link to the folder {_name}/, and this checkout has none, so the package would "
            "lack it; check out again where links can be made (on Windows: git config --global core.symlinks true)"
        )

setup()

"""What is slow to make is made by the first process of a test run that asks for it."""

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from mtmd.store.files import locked

Made = TypeVar("Made")
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Shared:
    """A directory that the processes of one test run have in common."""

    directory: Path

    @classmethod
    def of(cls, temporary: pytest.TempPathFactory) -> "Shared":
        """pytest-xdist gives each of its processes a directory inside the test run's own."""
        base = temporary.getbasetemp()
        return cls((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared")

    def once(self, name: str, make: Callable[[Path], Made]) -> Made:
        """What `make` returned, which wrote into the directory that it was given; it must survive pickle."""
        place, made = self.directory / name, self.directory / f"{name}.pickle"
        with locked(self.directory / f"{name}.lock", _PATIENCE_S):
            if not made.exists():
                made.write_bytes(pickle.dumps(make(place)))
            result: Made = pickle.loads(made.read_bytes())  # noqa: S301 - written by this test run
            return result

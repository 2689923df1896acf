"""What is slow to make is made by the first process of a test run that asks for it."""

import fcntl
import os
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
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

    @contextmanager
    def lent(self, name: str, make: Callable[[], AbstractContextManager[Made]]) -> Iterator[Made]:
        """What `make` yielded in the first process that asked, which keeps it until no other process uses it."""
        made, lock = self.directory / f"{name}.pickle", self.directory / f"{name}.lock"
        users = self.directory / f"{name}.users"  # locked by each process that borrows

        def unused() -> bool:
            with locked(lock, _PATIENCE_S), users.open("w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                made.unlink()  # who asks now makes it anew
                return True

        def await_others() -> None:
            while not unused():
                time.sleep(0.2)

        with ExitStack() as stack:
            with locked(lock, _PATIENCE_S):
                if made.exists():
                    fcntl.flock(stack.enter_context(users.open("w")), fcntl.LOCK_SH)
                    result: Made = pickle.loads(made.read_bytes())  # noqa: S301 - written by this test run
                else:
                    result = stack.enter_context(make())
                    made.write_bytes(pickle.dumps(result))
                    stack.callback(await_others)
            yield result

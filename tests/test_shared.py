"""What the processes of a test run have in common."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.shared import Shared


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared(tmp_path / "shared")


def test_what_is_made_once_is_given_to_all(shared: Shared) -> None:
    made: list[Path] = []
    for _ in range(2):
        assert shared.once("thing", lambda place: made.append(place) or 7) == 7
    assert made == [shared.directory / "thing"]


def test_what_is_lent_stays_until_the_last_has_returned_it(shared: Shared) -> None:
    """Locks of two open files keep each other out in one process as in two."""
    happened: list[str] = []
    borrowed, lender_is_done = threading.Event(), threading.Event()

    @contextmanager
    def server() -> Iterator[str]:
        happened.append("started")
        yield "address"
        happened.append("ended")

    def borrow() -> None:
        with shared.lent("server", server) as address:
            assert address == "address"
            borrowed.set()
            assert lender_is_done.wait(30)
            time.sleep(0.5)  # in which a lender that does not wait would end it
            happened.append("returned")

    def lend() -> None:
        with shared.lent("server", server):
            borrower = pool.submit(borrow)
            assert borrowed.wait(30)
            lender_is_done.set()
        borrower.result(30)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(lend).result(60)
    assert happened == ["started", "returned", "ended"]
    with shared.lent("server", server):  # it is gone: who asks next makes it anew
        assert happened[3:] == ["started"]

"""Which faults are tried, and the page that says what came of them."""

from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.page import Tried, page

_TRIED: list[Tried] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault" in metafunc.fixturenames:
        chosen = [one for one in FAULTS if one.quick or metafunc.config.getoption("--all-faults")]
        metafunc.parametrize("fault", chosen, ids=[f"{one.group}: {one.name}" for one in chosen])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    given = dict(report.user_properties).get("fault")
    if given is not None and report.when == "call":
        group, name, outcome, words = (str(part) for part in given)  # type: ignore[attr-defined]
        _TRIED.append(Tried(group, name, outcome, words, survived=report.passed))


def pytest_sessionfinish(session: pytest.Session) -> None:
    file = session.config.getoption("--faults-page")
    if file and not hasattr(session.config, "workerinput"):
        Path(file).write_text(page(_TRIED))

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
    said = dict(report.user_properties)
    if "fault" in said and report.when == "call":
        group, name, outcome = said["fault"]  # type: ignore[misc]
        _TRIED.append(Tried(group, name, outcome, str(said.get("words", "")), report.outcome))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that was cut off leaves the page as it is."""
    file = session.config.getoption("--faults-page")
    whole = {(one.group, one.name) for one in FAULTS} == {(one.group, one.name) for one in _TRIED}
    if file and whole and not hasattr(session.config, "workerinput"):
        Path(file).write_text(page(_TRIED), encoding="utf-8")

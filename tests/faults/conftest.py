"""Which faults are tried: a few, or all with `--all-faults`."""

import pytest

from tests.faults.catalogue import FAULTS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault" in metafunc.fixturenames:
        chosen = [one for one in FAULTS if one.quick or metafunc.config.getoption("--all-faults")]
        metafunc.parametrize("fault", chosen, ids=[f"{one.group}: {one.name}" for one in chosen])

"""The Prefect variable that names the preset of the deployments."""

from collections.abc import Iterator

import pytest
from prefect.variables import Variable

from mtmd.errors import ConfigError
from mtmd.flows.preset_variable import VARIABLE, chosen


@pytest.fixture
def variable(prefect_server: str) -> Iterator[str]:
    yield VARIABLE
    Variable.unset(VARIABLE)


def test_without_the_variable_it_is_the_demo(variable: str) -> None:
    assert chosen() == {"name": "demo"}


def test_the_variable_chooses(variable: str) -> None:
    Variable.set(variable, "tiny")
    assert chosen() == {"name": "tiny"}


@pytest.mark.parametrize(
    ("value", "words"), [("dmeo", r"\(dmeo\) must name a preset: preset 'dmeo' not found"), (3, "is no text")]
)
def test_a_value_that_is_no_preset_is_refused_with_the_command_that_corrects_it(
    variable: str, value: str | int, words: str
) -> None:
    Variable.set(variable, value)
    with pytest.raises(
        ConfigError, match=rf"{words}(.|\n)*prefect variable set mtmd_preset demo --overwrite"
    ):
        chosen()

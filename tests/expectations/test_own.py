"""Expectations of a team's own: read from its file, added to the packaged ones, and refused in words when wrong."""

from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.expectations import day_expectations

_HEAD = "from mtmd.expectations import Expect\n\n\n"
_CHEAP = "Expect(name='cheap', description='why', query='select ad_id from {batch} where bid > 9')"


def _giving(value: str) -> str:
    return f"{_HEAD}def expectations(preset):\n    return {value}\n"


def test_own_expectations_follow_the_packaged_ones_and_an_edited_file_is_read_again(
    tiny_preset: Preset, tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    preset = tiny_preset.model_copy(update={"expectations": str(own)})
    before = day_expectations(tiny_preset)
    own.write_text(_giving(f"{{'ads': [{_CHEAP}]}}"))
    after = day_expectations(preset)
    assert (after["ads"][:-1], after["ads"][-1].name) == (before["ads"], "cheap")
    assert after["requests"] == before["requests"]
    own.write_text(_giving("{}"))
    assert day_expectations(preset) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"own\.py: the preset's `expectations` must be a Python file that exists"),
        ("1 / 0\n", r"own\.py can't be run: ZeroDivisionError"),
        ("other = 1\n", r"must define the function expectations\(preset\)"),
        (_giving("[]"), r"gave \[\]; it must give lists of Expect by table: \['requests', 'ads'"),
        (_giving("{'users': []}"), r"gave \{'users': \[\]\}; it must"),
        (_giving("{'ads': ['x']}"), r"gave \{'ads': \['x'\]\}; it must"),
        (_giving("{'ads': [Expect(name='a', query='c')]}"), r"can.t be run: (.|\n)*description"),
        (_giving(f"{{'ads': [{_CHEAP}, {_CHEAP}]}}"), r"gave 'cheap', a name that another .*; rename it"),
        (
            _giving(f"{{'ads': [{_CHEAP.replace('cheap', 'bid_is_an_amount')}]}}"),
            "gave 'bid_is_an_amount', a",
        ),
        (_giving(f"{{'ads': [{_CHEAP.replace('cheap', 'has_rows')}]}}"), "gave 'has_rows', a name"),
    ],
)
def test_a_file_that_is_wrong_is_an_error(
    tiny_preset: Preset, tmp_path: Path, text: str | None, message: str
) -> None:
    own = tmp_path / "own.py"
    if text is not None:
        own.write_text(text)
    with pytest.raises(ConfigError, match=message):
        day_expectations(tiny_preset.model_copy(update={"expectations": str(own)}))

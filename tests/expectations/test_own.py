"""Expectations of a team's own: read from its file, added to the packaged ones, and refused in words when wrong."""

import os
from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.expectations import SuiteTable, day_expectations
from mtmd.expectations.own import own_expectations

_HEAD = "from mtmd.expectations import Expect\n"
_CHEAP = "Expect(name='cheap', description='why', query='select ad_id from {batch} where {where}', where='bid > 9')"


def _named(name: str) -> str:
    return _CHEAP.replace("cheap", name)


def _preset(preset: Preset, path: Path, text: str | None = None) -> Preset:
    if text is not None:
        path.write_text(text)
    return preset.model_copy(update={"expectations": str(path)})


def test_own_expectations_follow_the_packaged_ones(tiny_preset: Preset, tmp_path: Path) -> None:
    text = f"{_HEAD}def expectations(preset):\n    return {{'ads': [{_CHEAP}]}}\n"
    preset = _preset(tiny_preset, tmp_path / "own.py", text)
    before, after = day_expectations(tiny_preset), day_expectations(preset)
    assert after["ads"] == [*before["ads"], *own_expectations(preset, SuiteTable.ADS)]
    assert after["ads"][-1].name == "cheap"
    assert after["requests"] == before["requests"]


def test_an_edited_file_is_read_again(tiny_preset: Preset, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    preset = _preset(
        tiny_preset, path, f"{_HEAD}def expectations(preset):\n    return {{'ads': [{_CHEAP}]}}\n"
    )
    assert len(own_expectations(preset, SuiteTable.ADS)) == 1
    path.write_text("def expectations(preset):\n    return {}\n")
    os.utime(path, ns=(1, 1))
    assert own_expectations(preset, SuiteTable.ADS) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"own\.py does not exist; the preset's `expectations` must be a Python file"),
        ("1 / 0\n", r"own\.py can't be run: ZeroDivisionError"),
        ("other = 1\n", r"own\.py lacks the function expectations\(preset\)"),
        ("def expectations(preset):\n    return []\n", r"gave list; it must give lists by table"),
        (
            "def expectations(preset):\n    return {'users': []}\n",
            r"gave \['users'\]; it must give lists by table",
        ),
        (
            "def expectations(preset):\n    return {'ads': ['x']}\n",
            r"gave \['x'\] for ads; it must be a list of Expect",
        ),
        (
            f"{_HEAD}def expectations(preset):\n    return {{'ads': [{_CHEAP}, {_CHEAP}]}}\n",
            r"gave 'cheap' for ads, a name that another expectation of this table has.*; rename it",
        ),
        (
            f"{_HEAD}def expectations(preset):\n    return {{'ads': [{_named('bid_is_an_amount')}]}}\n",
            r"gave 'bid_is_an_amount' for ads, a name that another",
        ),
        (
            f"{_HEAD}def expectations(preset):\n    return {{'ads': [{_named('has_rows')}]}}\n",
            r"gave 'has_rows' for ads, a name that another",
        ),
        (
            f"{_HEAD}def expectations(preset):\n    return {{'ads': [Expect('a', 'b', 'c', severity='warning')]}}\n",
            r"gave 'a' for ads with severity 'warning'; it must be one of Severity\.CRITICAL, Severity\.WARNING",
        ),
    ],
)
def test_a_file_that_is_wrong_is_an_error(
    tiny_preset: Preset, tmp_path: Path, text: str | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        day_expectations(_preset(tiny_preset, tmp_path / "own.py", text))


def test_a_file_that_is_no_python_is_an_error(tiny_preset: Preset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"own\.txt is no Python file"):
        own_expectations(_preset(tiny_preset, tmp_path / "own.txt", "text"), SuiteTable.ADS)

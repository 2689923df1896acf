import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.tune import Search, main, patched
from mtmd.config import load_preset
from tests.conftest import FIRST_DAY, TINY

SEARCHES = Path(__file__).parents[2] / "benchmarks" / "searches"

SEARCH = """
preset = "{preset}"
as_of = {as_of}
window_days = 3
logs = "{logs}"
seeds = [0, 1]
tries = [
  {{ name = "as it is", patch.training.epochs = 1 }},
  {{ name = "half the rate", kind = "pooled", patch.training.epochs = 1, patch.rivals.pooled.learning_rate = 5e-4 }},
]
"""


def search_file(directory: Path, logs: Path, text: str = SEARCH) -> Path:
    path = directory / "search.toml"
    path.write_text(text.format(preset=TINY, as_of=FIRST_DAY + timedelta(days=3), logs=logs))
    return path


def test_each_try_is_a_row_with_its_figures(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "table.md"
    arguments = [str(search_file(tmp_path, tiny_logs)), "--artifacts", str(tmp_path), "--output", str(output)]
    assert main(arguments) == 0
    text = output.read_text()
    first, second = (
        [cell.strip() for cell in line.split("|")[1:]] for line in text.splitlines() if "1/1 1/1" in line
    )
    assert first[0] == "as it is"
    assert second[:2] == ["half the rate", "pooled"]
    assert 0.1 < float(first[2]) < 3.0
    assert main(arguments) == 0  # what is trained already is taken, and measures the same
    assert output.read_text() == text
    assert "3 days before 2026-01-04" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("patch.training.epocs = 1", "try 'as it is' does not fit preset 'tiny'"),
        ("change_features.ad_od.buckets = 3", "try 'as it is' does not fit preset 'tiny'"),
    ],
)
def test_a_wrong_try_is_named(
    change: str, message: str, tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SEARCH.replace("patch.training.epochs = 1 }}", change + " }}", 1)
    path = search_file(tmp_path, tiny_logs, text)
    assert main([str(path), "--artifacts", str(tmp_path)]) == 1
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(SEARCHES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_search_fits_its_preset(path: Path) -> None:
    search = Search.model_validate(tomllib.loads(path.read_text()))
    preset = load_preset(search.preset)
    names = [(one.kind, one.name) for one in search.tries]
    assert len(set(names)) == len(names)
    for one in search.tries:
        # Raises where a key is not the preset's; one try may be what the preset has today.
        patched(preset, one)

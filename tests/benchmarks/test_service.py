"""The service's own process, under load while its champion changes, killed and started again."""

import re
from pathlib import Path

import pytest

from benchmarks.service import main
from tests.benchmarks.test_serving import SMALLEST


def test_no_question_fails_and_every_model_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset, output = tmp_path / "smallest.toml", tmp_path / "tables.md"
    preset.write_text(SMALLEST)
    small = ["--duration", "2", "--ads", "300", "--timeout", "60"]
    places = ["--directory", str(tmp_path), "--output", str(output)]
    assert main(["--preset", str(preset), *small, *places]) == 0, capsys.readouterr().out
    text = output.read_text()
    assert re.search(r"\| failed \| 0 \|", text)
    for model in range(4):
        assert re.search(rf"\| answers of model-{model} \| [1-9]", text)
    assert float(re.search(r"kill -9 and restart until ready \| ([\d.]+) s", text)[1]) < 60
    assert "**Latency, as a client sees it**" in text

from datetime import timedelta
from pathlib import Path

import pytest
import torch

from benchmarks.peers import catalogue
from benchmarks.peers.__main__ import main
from benchmarks.peers.catalogue import build_peer, missing_note
from benchmarks.peers.features import WindowMoments
from mtmd.config import Preset
from tests.conftest import FIRST_DAY, TINY

AS_OF = FIRST_DAY + timedelta(days=3)


def test_missing_libraries_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda module: None)
    note = missing_note(["rechub-ple", "deepctr-ple"])
    assert note is not None
    assert "left out: rechub-ple, deepctr-ple" in note
    assert note.endswith("-m pip install 'torch-rechub>=0.9' 'deepctr-torch>=0.3'")
    assert main(["--preset", TINY, "--as-of", "2026-01-04"]) == 1
    assert "there is nothing to compare with" in capsys.readouterr().out


def test_the_command_goes_on_with_the_libraries_that_are_there(
    tiny_logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch_rechub", reason="torch-rechub is not installed")
    monkeypatch.setattr(
        catalogue, "find_spec", lambda module: None if module == "deepctr_torch" else object()
    )
    arguments = [
        "--preset",
        TINY,
        "--logs",
        str(tiny_logs),
        "--as-of",
        AS_OF.isoformat(),
        "--window-days",
        "3",
    ]
    arguments += ["--only", "rechub-two-tower", "deepctr-mmoe", "--epochs", "1", "--without-own"]
    arguments += ["--threads", str(torch.get_num_threads()), "--artifacts", str(tmp_path)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "not installed, left out: deepctr-mmoe" in shown
    assert "| rows | rechub-two-tower | constant |" in shown


@pytest.mark.parametrize("pair", ["rechub-ple", "rechub-ple=fast", "rechub-ple=-1", "dlrm=1e-3"])
def test_a_wrong_learning_rate_is_refused(pair: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--preset", TINY, "--as-of", "2026-01-04", "--learning-rate", pair]) == 1
    assert f"learning rate '{pair}' must be" in " ".join(capsys.readouterr().out.split())


def test_widths_that_no_layer_can_have_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--preset", TINY, "--as-of", "2026-01-04", "--widths", "8", "0"]) == 1
    assert "--widths [0] must be at least 1" in capsys.readouterr().out


def test_a_preset_that_distils_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = tmp_path / "distils.toml"
    preset.write_text('base = "tiny"\nname = "distils"\n[training]\ndistil = 0.5\n')
    assert main(["--preset", str(preset), "--as-of", "2026-01-25"]) == 1
    assert "training.distil (0.5) of preset 'distils' must be 0" in capsys.readouterr().out


def test_the_command_compares_and_tunes(
    name: str,
    tiny_preset: Preset,
    moments: WindowMoments,
    tiny_logs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    common = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", AS_OF.isoformat(), "--window-days", "3"]
    common += ["--epochs", "1", "--only", name, "--threads", str(torch.get_num_threads())]
    common += ["--artifacts", str(tmp_path / "artifacts")]
    assert main([*common, "--tune", "--rate", "1e-3", "1e-2"]) == 0
    assert "| peer | 0.001 | 0.01 |" in capsys.readouterr().out
    output = tmp_path / "table.md"
    narrow = ["--learning-rate", f"{name}=0.01", "--widths", "2"]
    assert main([*common, *narrow, "--output", str(output)]) == 0
    lines = [line.split(" | ") for line in output.read_text(encoding="utf-8").splitlines() if " | " in line]
    assert lines[0][4:] == ["mtmd", "per_slice", "pooled", name, "constant |"]
    labels = [line[0].removeprefix("| ") for line in lines]
    assert {"home_feed", "all", "mtmd against it", "parameters", "training rows/s", "validation KL"} <= set(
        labels
    )
    rates = next(line for line in lines if line[0] == "| learning rate")
    assert rates[7] == "0.01"
    parameters = next(line for line in lines if line[0] == "| parameters")
    assert int(parameters[7].replace(",", "")) < build_peer(name, tiny_preset, moments).parameter_count
    assert {len(line) for line in lines} == {len(lines[0])}

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.ab_test import FUNNELS, NOISE, POWERS, main
from tests.conftest import FIRST_DAY, TINY


def test_it_measures_false_alarms_noise_and_other_funnels(
    tiny_logs: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(FIRST_DAY + timedelta(days=3))]
    arguments += ["--window-days", "2", "--artifacts", str(trained), "--output", str(tmp_path / "tables.md")]
    assert main([*arguments, "--requests", "60", "--samples", "5", "--trials", "2"]) == 0
    text = (tmp_path / "tables.md").read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    parts = text.replace("−", "-").split("\n**")
    assert len(parts) == 6
    alarms, noise, sharpness, spread, funnels, reactions = (
        [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")][2:]
        for part in parts
    )
    assert [row[:2] for row in reactions] == [
        [world, name] for world in ("from clicks", "of their own") for name in ("the truth", "mtmd", "pooled")
    ]
    for before, after in zip(reactions[:3], reactions[3:], strict=True):
        assert before[2:6] == after[2:6]  # CPC, CTR, GCTR, OCTR
        assert before[6:] != after[6:]
    assert [row[:2] for row in alarms] == [
        [arms, count] for arms in ("paired", "split") for count in ("true chances", "what people did")
    ]
    assert all(0 <= float(row[3].strip("%")) < 60 for row in alarms)
    assert [float(row[0]) for row in noise] == list(NOISE)
    errors, kept = ([float(row[column]) for row in noise] for column in (1, 2))
    assert (errors[0], kept[0]) == (0.0, 1.0)
    assert errors == sorted(errors)
    assert kept == sorted(kept, reverse=True)
    assert noise[0][3].startswith("0.00% ")
    assert [(row[0], float(row[1])) for row in sharpness] == [
        (keep, power) for keep in ("16", "4") for power in POWERS
    ]
    handed_on = [float(row[5].split("%")[0]) for row in sharpness if row[0] == "4"]  # CTR
    assert handed_on == sorted(handed_on)
    assert handed_on[0] < 0 < handed_on[-1]  # the truth itself is no bound
    assert [row[0] for row in spread] == ["per_slice", "pooled", "mtmd"]
    assert len({row[2] for row in spread}) == 1
    assert all(0 < float(cell) < 3 for row in spread for cell in row[1:3])
    assert len(funnels) == len(FUNNELS)
    spent = {row[0]: float(row[1].strip("%")) for row in funnels}
    assert spent["budget 50"] < spent["budget 0.3"] < spent["default"] < spent["budget 0.05"]
    for row in funnels:  # CPC is spend / clicks
        spend, clicks, cpc = (float(cell.split("%")[0]) for cell in row[2:5])
        assert (1 + spend / 100) / (1 + clicks / 100) - 1 == pytest.approx(cpc / 100, abs=3e-4)


def test_logs_of_no_simulated_world_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", TINY, "--logs", str(tmp_path), "--as-of", "2026-01-04", "--window-days", "2"]
    assert main([*arguments, "--artifacts", str(tmp_path)]) == 1
    assert "are not of a simulated world" in capsys.readouterr().out


def test_too_few_samples_are_refused_before_anything_is_trained(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(FIRST_DAY + timedelta(days=3))]
    arguments += ["--window-days", "2", "--artifacts", str(tmp_path), "--requests", "60"]
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--samples", "4"])
    assert "--samples: 4 must be a whole number, at least 5" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())

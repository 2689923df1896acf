"""Models of several presets on the same pairs."""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.eligible import main
from mtmd.sources.simulated.platform import simulate, world_at
from tests.conftest import FIRST_DAY, TINY

AS_OF = FIRST_DAY + timedelta(days=3)
OTHER_ORDER = """[domains]
tasks = [
  { name = "ctr", label = "clicked" },
  { name = "octr", label = "outbound_clicked", parent = "ctr", products = ["standard"] },
  { name = "gctr", label = "good_clicked", parent = "ctr" },
]
"""


def preset(folder: Path, name: str, logs: Path, more: str = "") -> str:
    path = folder / f"{name}.toml"
    path.write_text(f'base = "{TINY}"\nname = "{name}"\nlogs = "{logs}"\n{more}')
    return str(path)


def test_all_models_meet_the_same_chosen_and_eligible_pairs(tiny_logs: Path, tmp_path: Path) -> None:
    once, more = (
        preset(tmp_path, name, tiny_logs, f"{OTHER_ORDER}[training]\nepochs = {epochs}\n")
        for name, epochs in (("once", 1), ("more", 4))
    )
    output = tmp_path / "table.md"
    arguments = [
        once,
        more,
        "--as-of",
        str(AS_OF),
        "--window-days",
        "3",
        "--models",
        "pooled",
        "--requests",
        "40",
    ]
    assert main([*arguments, "--artifacts", str(tmp_path), "--output", str(output)]) == 0
    text = output.read_text()
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    heads, rows = [row for row in cells if row[0] == "task"], [row for row in cells if row[0] == "ctr"]
    assert heads == [["task", "what", "rows", "pooled, once", "pooled, more"]] * 2
    for kind, errors, levels in (("chosen", *rows[:2]), ("eligible", *rows[2:])):
        assert errors[1] == "LogMAE", kind
        assert float(errors[3]) > float(errors[4]) > 0.1
        assert 0.3 < float(levels[4]) < 3
    assert int(rows[0][2]) < int(rows[2][2].replace(",", ""))
    of_all, of_standard = (next(row for row in cells if row[0] == task) for task in ("gctr", "octr"))
    assert int(of_standard[2]) < int(of_all[2]) == int(rows[0][2])


def test_presets_of_one_name_are_refused(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = preset(tmp_path, "one", tiny_logs)
    (tmp_path / "copy.toml").write_text(Path(one).read_text() + "[training]\nepochs = 1\n")
    arguments = [one, str(tmp_path / "copy.toml"), "--as-of", str(AS_OF), "--window-days", "3"]
    assert main([*arguments, "--models", "pooled", "--requests", "40", "--artifacts", str(tmp_path)]) == 1
    assert "presets ['one'] are given more than once" in capsys.readouterr().out


def test_presets_that_read_other_columns_are_refused(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = '[[more_features]]\nname = "second_price"\nside = "item"\nkind = "continuous"\n'
    names = [preset(tmp_path, "one", tiny_logs), preset(tmp_path, "two", tiny_logs, other)]
    assert main([*names, "--as-of", str(AS_OF), "--artifacts", str(tmp_path)]) == 1
    assert "preset 'two' declares other features or tasks than 'one'" in capsys.readouterr().out


def test_logs_of_another_platform_are_refused(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = world_at(str(tiny_logs))
    assert world is not None
    for name, changes in (
        ("more", {"requests_per_day": 20}),
        ("another", {"requests_per_day": 20, "seed": 9}),
    ):
        simulate(world.model_copy(update=changes), FIRST_DAY, FIRST_DAY, tmp_path / name)
    one, more, another = (
        preset(tmp_path, name, logs)
        for name, logs in (
            ("one", tiny_logs), ("of-more", tmp_path / "more"), ("of-another", tmp_path / "another"),
        )
    )  # fmt: skip
    arguments = ["--as-of", str(AS_OF), "--artifacts", str(tmp_path / "artifacts")]
    assert main([one, another, *arguments]) == 1
    assert f"the logs {tmp_path / 'another'} are of another simulated platform" in capsys.readouterr().out
    assert main([one, more, *arguments]) == 1  # whose days are too few
    assert "another simulated platform" not in capsys.readouterr().out

"""`mtmd fit-teacher` and `mtmd import-kuairand`, as a user types them."""

import json
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.errors import LogsError
from mtmd.extras.kuairand import adapter


def test_a_fit_prints_its_report_as_json_and_progress_beside_it(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "taught"
    command = ["fit-teacher", "--preset", "tiny", "--logs", str(tiny_logs), "--output", str(output)]
    command += ["--members", "1", "--last-day", "2026-01-08", "--seed", "3"]
    assert main(command) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["logs"], report["members"]) == (str(output), 1)
    assert (report["days"][-1], report["reused"]) == ("2026-01-08", False)
    assert f"teacher 1 of 1 has scored the days from {report['days'][0]} on" in said.err
    assert main(command) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == report | {"reused": True}
    assert said.err == f"{output} has these logs already: nothing was written\n"


@pytest.mark.parametrize("option", [("--members", "0"), ("--seed", "-1"), ("--seed", str(2**62))])
def test_options_out_of_bounds_are_named(
    option: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit-teacher", "--preset", "tiny", "--output", str(tmp_path), *option]) == 2
    assert f"Invalid value for '{option[0]}'" in capsys.readouterr().err


def test_an_import_goes_to_the_folder_of_the_presets_uri(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URI arrives as it is: a path made of it would be a folder `file:`."""
    uri = (tmp_path / "my logs").as_uri()
    preset = tmp_path / "own.toml"
    preset.write_text(f'base = "kuairand"\nname = "own"\nlogs = "{uri}"\n')
    asked: list[object] = []

    def refuse(source: Path, logs: object, **_: object) -> None:
        asked.append(logs)
        raise LogsError("seen")

    monkeypatch.setattr(adapter, "import_kuairand", refuse)
    command = ["import-kuairand", "--source", str(tmp_path), "--preset", str(preset)]
    assert (main(command), main([*command, "--logs", f"{uri}2"])) == (1, 1)
    assert asked == [uri, f"{uri}2"]

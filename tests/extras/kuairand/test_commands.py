"""`mtmd fit-teacher`, as a user types it."""

import json
from datetime import date
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.errors import LogsError
from mtmd.extras.kuairand import adapter
from mtmd.extras.kuairand.commands import report_lines
from mtmd.extras.kuairand.fit import TeacherFitReport
from mtmd.extras.kuairand.teacher.quality import FitQuality

REPORT = TeacherFitReport(
    output="logs/taught",
    identity="x",
    reused=False,
    days=(date(2026, 1, 1), date(2026, 1, 5)),
    candidates=12_000,
    shown=3_000,
    row_bytes=1_029,
    newest_days=(date(2026, 1, 4), date(2026, 1, 5)),
    blocks=3,
    members=8,
    epochs=2,
    seconds_reading=1.2,
    seconds_fitting=61.0,
    seconds_writing=1.6,
    quality=(
        FitQuality(
            task="ctr", surface="search", product="shop", newest=True, rows=0, actions=0, auc=None, log_loss=None,
            log_loss_of_rate=None, calibration=None,
        ),
        FitQuality(
            task="ctr", surface="all", product="all", newest=False, rows=2_000, actions=240, auc=0.7, log_loss=0.3,
            log_loss_of_rate=0.34, calibration=1.01,
        ),
    ),
)  # fmt: skip


def test_a_fit_prints_its_report_as_json_and_progress_beside_it(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "taught"
    command = [
        "fit-teacher",
        "--preset",
        "tiny",
        "--logs",
        str(tiny_logs),
        "--output",
        str(output),
        "--members",
        "1",
    ]
    command += ["--last-day", "2026-01-04", "--maturity", "octr=1", "--seed", "3", "--json"]
    assert main(command) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["output"], report["members"], report["days"][-1]) == (str(output), 1, "2026-01-04")
    newest = [one for one in report["quality"] if one["newest"] and one["surface"] == "all"]
    octr = next(one["rows"] for one in newest if one["task"] == "octr")
    # of one day, not of two
    assert 0 < octr < next(one["rows"] for one in newest if one["task"] == "ctr") / 1.5
    assert "the last two days" in said.err
    assert main(command[:-1]) == 0
    said = capsys.readouterr()
    assert f"{output}: 4 days, 2026-01-01 to 2026-01-04, reused" in said.out
    assert "reused, nothing written" in said.err


def test_the_report_has_a_line_for_each_task_and_domain_all_domains_first() -> None:
    lines = list(report_lines(REPORT))
    assert lines[:3] == [
        "logs/taught: 2 days, 2026-01-01 to 2026-01-05, written",
        "12,000 candidates, 3,000 shown; 1,029 bytes of memory each; 8 teachers in each score, 2 epochs, 3 day blocks; "
        "newest days: 2026-01-04, 2026-01-05",
        "1 s reading, 61 s fitting, 2 s writing",
    ]
    assert [line.split() for line in lines[4:]] == [
        ["ctr", "all", "×", "all", "cross-fitted", "2,000", "240", "0.700", "0.300", "0.340", "1.010"],
        ["ctr", "search", "×", "shop", "newest", "0", "0", "–", "–", "–", "–"],
    ]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--members", "0"], "teacher.members (0) must be greater than or equal to 1"),
        (["--memory-gib", "0"], "memory_gib (0.0) must be greater than 0"),
        (["--memory-gib", "inf"], "memory_gib (inf) must be a finite number"),
        (["--seed", "-1"], "seed (-1) must be greater than or equal to 0"),
        (["--seed", str(2**62)], "seed (4611686018427387904) must be less than"),
        (["--maturity", f"octr={2**63}"], "maturity.octr (9223372036854775808) must be less than"),
    ],
)
def test_options_out_of_bounds_are_named(
    option: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit-teacher", "--preset", "tiny", "--output", str(tmp_path), *option]) == 1
    said = capsys.readouterr().err
    assert "the options of fit-teacher are wrong" in said
    assert words in said


def test_the_output_may_be_a_file_uri(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"{tmp_path.as_uri()}/logs"
    assert main(["fit-teacher", "--preset", "tiny", "--output", uri, "--logs", str(tmp_path / "logs")]) == 1
    assert f"output {tmp_path / 'logs'} is the folder of the logs themselves" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_maturity_is_a_task_and_its_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit-teacher", "--output", str(tmp_path), "--maturity", "octr"]) == 2
    assert "'octr' must be a task and its days, such as octr=7" in capsys.readouterr().err


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

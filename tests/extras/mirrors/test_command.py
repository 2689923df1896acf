import re

import pytest

from mtmd.cli import main
from mtmd.extras.mirrors.settings import Settings
from mtmd.extras.mirrors.stage import mirror
from mtmd.extras.mirrors.state import MirrorState, write_state
from mtmd.report.index import write_line
from tests.extras.mirrors.conftest import Mirrored


def test_a_preset_without_mirrors_is_refused(mirrored: Mirrored, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mirror", "--preset", "tiny", "--artifacts", mirrored.artifacts]) == 1
    assert "preset 'tiny' has no mirrors; list them in its [extras.mirrors]" in capsys.readouterr().err


def test_what_is_not_up_to_date_is_an_error_and_is_in_the_index(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT"):
        monkeypatch.delenv(name, raising=False)
    assert main(["mirror", "--preset", mirrored.file, "--artifacts", mirrored.artifacts]) == 1
    said = capsys.readouterr()
    assert "mlflow: the environment variable MLFLOW_TRACKING_URI is not set" in said.out
    assert "not up to date: mlflow, openlineage; mend what the lines above name" in said.err
    page = (mirrored.workspace.root / "index.html").read_text()
    assert "Mirrors are not up to date; `mtmd mirror` or the next run catches up." in page
    assert re.search(
        r"mlflow \(20\d\d-\d\d-\d\d \d\d:\d\d\): the environment variable MLFLOW_TRACKING_URI", page
    )


def test_reinstating_warns_where_a_mirror_is_behind(
    mirrored: Mirrored,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registry = mirrored.line.registry
    champion = registry.require_champion()
    registry.promote("b1", mirrored.runs[1].decision.as_of, "all gates passed", champion.sequence)
    registry.rollback("bad", lambda directory: None)
    for name in mirrored.preset.extra(Settings).to:
        write_state(mirrored.workspace, MirrorState.now(name, "2 of 2 runs", current=True))
    given = ["--preset", mirrored.file, "--artifacts", mirrored.artifacts, "--reason", "it was the logs"]
    assert main(["reinstate", "b1", *given]) == 0
    assert "may be promoted again" in capsys.readouterr().out
    assert "mlflow is not up to date: " in caplog.text
    page = (mirrored.workspace.root / "index.html").read_text()
    assert "Mirrors are not up to date" in page
    assert not mirror(mirrored.workspace, mirrored.preset, names=("mlflow",))[0].current


def test_the_index_names_the_mirrors_that_are_up_to_date(mirrored: Mirrored) -> None:
    write_state(mirrored.workspace, MirrorState.now("mlflow", "2 of 2 runs", current=True))
    write_line(mirrored.workspace.root)
    page = (mirrored.workspace.root / "index.html").read_text()
    assert "Mirrors are up to date: mlflow." in page

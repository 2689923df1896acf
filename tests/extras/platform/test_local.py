"""What `mtmd up` records and `mtmd down` ends: its own processes, and nobody else's."""

import shutil
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.errors import ConfigError
from mtmd.extras.platform.local import Platform, _await, _start, down, up
from mtmd.project.commands import create_project
from tests.extras.platform.deployed import family_of

_SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path / "platform", port=1, reports_port=1, artifacts=tmp_path)


def test_a_process_is_started_once_and_ended(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    _start(platform, "worker", _SLEEPS)
    (pid,) = family_of(platform, "worker")
    _start(platform, "worker", _SLEEPS)
    assert family_of(platform, "worker") == [pid]
    down(platform)
    assert capsys.readouterr().out == (
        f"worker: started (pid {pid})\nworker: running already (pid {pid})\n"
        f"worker: stopped (pid {pid})\nreports: not running\nserver: not running\n"
    )
    assert family_of(platform, "worker") == []
    assert not (platform.home / "worker.json").exists()


def test_a_copied_folder_leaves_the_processes_of_the_original(platform: Platform, tmp_path: Path) -> None:
    _start(platform, "worker", _SLEEPS)
    try:
        home = shutil.copytree(platform.home, tmp_path / "copy" / "platform", symlinks=True)
        down(replace(platform, home=home, root=tmp_path / "copy"))
        assert family_of(platform, "worker") != []
    finally:
        down(platform)


def test_a_port_that_another_program_has_is_named(platform: Platform) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of the server is another program's; choose"):
            up(replace(platform, port=port))
    assert not platform.home.exists()


def test_a_wrong_preset_starts_nothing(platform: Platform) -> None:
    with pytest.raises(ConfigError, match="preset 'dmeo' not found"):
        up(platform, "dmeo")
    assert not platform.home.exists()


def test_a_project_keeps_the_preset_of_its_own_file(platform: Platform, tmp_path: Path) -> None:
    create_project(tmp_path / "my-ads")
    with pytest.raises(
        ConfigError, match="--preset demo would change nothing: the deployments' preset stands in"
    ):
        up(replace(platform, root=tmp_path / "my-ads"), "demo")


def test_what_runs_with_other_settings_is_named(platform: Platform) -> None:
    _start(platform, "server", (*_SLEEPS, "--port", "4321"))
    try:
        with pytest.raises(
            ConfigError, match=r"the server runs already, as `.* 4321`, not as .*; end it with"
        ):
            up(platform)
    finally:
        down(platform)


@pytest.mark.parametrize("named", ["artifacts", "elsewhere"])
def test_the_reports_port_serves_what_the_runs_of_the_folder_write(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MTMD_ARTIFACTS", named)
    monkeypatch.chdir(tmp_path)
    assert main(["up"]) == 1
    assert (
        f"{tmp_path} has no prefect.yaml; go to a checkout or a project's folder" in capsys.readouterr().err
    )
    seen: list[Platform] = []
    monkeypatch.setattr("mtmd.extras.platform.local.up", lambda platform, _: seen.append(platform))
    assert main(["up", "--port", "4300"]) == 0
    expected = Platform(tmp_path / ".platform", 4300, 4201, tmp_path / named, tmp_path)
    assert seen == [expected]


def test_a_server_that_ends_instead_of_answering_is_named_with_its_log(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    _start(platform, "server", (sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(ConfigError, match=r"server does not answer at http://127\.0\.0\.1:1/.*server\.log"):
        _await(platform, "server", "http://127.0.0.1:1/")
    assert "server: waiting for an answer at http://127.0.0.1:1/" in capsys.readouterr().out

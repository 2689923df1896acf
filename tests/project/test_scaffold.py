"""A new project: its files say its name, its preset loads, and nothing is ever overwritten."""

from pathlib import Path

import pytest
import yaml

from mtmd.config import load_preset
from mtmd.config.preset_files import default_preset
from mtmd.errors import ConfigError
from mtmd.expectations import day_expectations
from mtmd.logs.source import LogSource
from mtmd.project.commands import create_project


def test_a_project_has_a_preset_statements_expectations_and_deployments(tmp_path: Path) -> None:
    written = create_project(tmp_path / "my-ads")
    assert " ".join(str(path.relative_to(tmp_path / "my-ads")) for path in written) == (
        ".dockerignore .gitignore README.md automations/crash-zombies.yaml automations/messages.yaml "
        "automations/rollback-on-breach.yaml expectations/checks.py prefect.yaml preset.toml "
        "sql/source_ads.sql sql/source_candidates.sql sql/source_requests.sql"
    )
    assert not any("@name@" in path.read_text() for path in written)
    assert len((tmp_path / "my-ads" / "preset.toml").read_text().splitlines()) <= 60


def test_the_preset_is_the_demo_with_the_projects_own_places(tmp_path: Path) -> None:
    create_project(tmp_path / "my-ads")
    preset, demo = load_preset(str(tmp_path / "my-ads" / "preset.toml")), load_preset("demo")
    assert (preset.name, preset.logs) == ("my-ads", "logs")
    assert preset.declarations == demo.declarations
    assert (preset.model, preset.training, preset.rivals) == (demo.model, demo.training, demo.rivals)
    # so the same shards are made
    assert LogSource.of(preset).bare_statements() == LogSource("logs").bare_statements()
    assert [one.name for one in day_expectations(preset)["ads"]][-2:] == [
        "categories_steady",
        "bid_is_affordable",
    ]


def test_every_deployment_is_of_the_projects_preset(tmp_path: Path) -> None:
    create_project(tmp_path / "my-ads")
    deployments = yaml.safe_load((tmp_path / "my-ads" / "prefect.yaml").read_text())
    assert {one["parameters"]["preset"] for one in deployments["deployments"]} == {"preset.toml"}


def test_in_a_project_its_preset_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_preset() == "demo"
    create_project(tmp_path / "my-ads")
    monkeypatch.chdir(tmp_path / "my-ads")
    assert default_preset() == "preset.toml"
    assert load_preset(default_preset()).sql == "sql"


def test_a_folder_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match=r"mine exists already; choose a folder that does not"):
        create_project(tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("name", ["My Ads", "2ads", "ads_1", ""])
def test_a_name_that_no_preset_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"must be lower-case letters, digits and hyphens"):
        create_project(tmp_path / "folder", name)
    assert not (tmp_path / "folder").exists()

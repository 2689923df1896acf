"""Ids and names that lead elsewhere, wherever a person or a caller may give one: refused in words, and nothing is read.

A model of another line lies outside, whole and with a manifest that fits its folder: only the way to it is wrong.
"""

import json
import shutil
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.config import Preset
from mtmd.errors import MtmdError
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Live
from tests.flows.runs import TINY
from tests.registry.conftest import fill_bundle, manifest_of

OUTSIDE = "../../other/models/a"
HOSTILE = (
    OUTSIDE, "..", ".", "", "/", "a/../b", "a/", "./a", "a\x00", "\x00", "-a", ".hidden", "a\n", "a\\b", "~", "~root",
    "%2e%2e", "a" * 201, "é" * 300, "*", "?", "[a]", "$(id)", "<b>a</b>",
)  # fmt: skip


@pytest.fixture
def artifacts(tmp_path: Path, tiny_preset: Preset) -> Path:
    """Two models, b is live and a was taken down; and a model of another line."""
    for line in (TINY, "other"):
        registry = Registry(tmp_path / "artifacts" / line)
        for sequence, name in enumerate("ab"):
            manifest = manifest_of(name, 5)
            registry.add(partial(fill_bundle, tiny_preset, model_id=name), manifest)
            registry.promote(name, manifest.as_of, "good", sequence)
    return tmp_path / "artifacts"


def contents(artifacts: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in artifacts.parent.rglob("*")
        if path.is_file() and path.suffix != ".lock" and not path.name.startswith("index.")
    }


@pytest.mark.parametrize(
    "command",
    [
        ["show", "{}"],
        ["reinstate", "{}", "--reason", "why not"],
        ["rollback", "--model", "{}", "--reason", "why not"],
        ["publish", "--model", "{}", "--logs", "nowhere", "--day", "2026-01-05"],
    ],
    ids=lambda command: command[0],
)
def test_a_command_refuses_what_is_no_models_name(
    artifacts: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(artifacts)
    for name in HOSTILE:
        if name.startswith("-"):  # an option
            continue
        words = [word.replace("{}", name) for word in command]
        assert main([*words, "--preset", TINY, "--artifacts", str(artifacts)]) == 1, name
        assert capsys.readouterr().err.startswith("error: ")
    assert contents(artifacts) == before


def test_nothing_outside_is_read_as_a_model(artifacts: Path) -> None:
    registry = Registry(artifacts / TINY)
    for name in HOSTILE:
        asked: tuple[Callable[[], object], ...] = (
            partial(registry.has, name),
            partial(registry.verify, name),
            partial(registry.discard, name),
            partial(registry.promote, name, date(2026, 1, 5), "why not", 2),
            partial(registry.reinstate, name, "why not"),
            partial(Catalogue(registry.root).current, name),
        )
        for ask in asked:
            with pytest.raises(MtmdError, match=r"model id|is not rolled back"):
                ask()
        live = Live(registry.root, Settings(), choose=partial(str, name))  # as --shadow names one
        assert not live.refresh()
        assert "model id" in str(live.problem)


def test_a_pointer_that_names_a_model_outside_is_no_pointer(artifacts: Path) -> None:
    registry = Registry(artifacts / TINY)
    pointer = registry.root / "champion.json"
    champion = json.loads(pointer.read_text())
    del champion["content_sha256"]  # as who means it would, or seal it anew
    pointer.write_text(json.dumps(champion | {"model_id": OUTSIDE}))
    assert registry.require_champion().model_id == "b"  # what the history says


def test_a_link_to_a_model_outside_has_its_files_compared_as_any(artifacts: Path) -> None:
    """Folders may lie on another disk; what they hold must be what the manifest says, and its id the link's name."""
    registry = Registry(artifacts / TINY)
    shutil.rmtree(registry.path("a"))
    registry.path("a").symlink_to(artifacts / "other" / "models" / "a")
    registry.verify("a")
    registry.path("c").symlink_to(artifacts / "other" / "models" / "a")
    with pytest.raises(MtmdError, match="is of model 'a'"):
        registry.verify("c")


@pytest.mark.parametrize(
    "name", ["..", "../../etc/passwd", "/etc/passwd", "\x00", "é" * 300, "a\x00.toml", "/etc/passwd.toml"]
)
def test_a_preset_that_is_no_file_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--preset", name]) == 1
    assert "not found; use one of" in capsys.readouterr().err

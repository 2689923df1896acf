"""The champion's records: a change is made once, and whatever is lost of its files, no older model goes live."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import RegistryError, StorageError
from mtmd.registry.records import Champion
from mtmd.registry.registry import Registry
from tests.registry.conftest import AddModel, Promote, trust

# A promotion whose process is killed just before it replaces a file of this name.
KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from mtmd.registry.registry import Registry

replace = Path.replace

def killed(path, target):
    if target.name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)

Path.replace = killed
Registry(Path(sys.argv[1])).promote("b", date(2026, 1, 6), "killed", int(sys.argv[3]))
"""


def pointer(registry: Registry) -> Path:
    return registry.root / "champion.json"


def change(registry: Registry, number: int) -> Path:
    return registry.root / "history" / f"{number:08d}.json"


@pytest.mark.parametrize(("before", "done"), [("champion.json", True), ("00000002.json", False)])
def test_a_kill_at_any_file_of_a_change_loses_and_doubles_nothing(
    registry: Registry, add: AddModel, promote: Promote, before: str, done: bool
) -> None:
    promote("a", 5)
    add("b", 6)
    arguments = [str(registry.root), before, "1"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], timeout=60, check=False)
    assert killed.returncode == -9
    expected = ["a", "b"] if done else ["a"]
    assert registry.require_champion().model_id == expected[-1]
    assert [line.model_id for line in registry.history()] == expected
    again = registry.promote("b", date(2026, 1, 6), "again", 1)
    assert again.outcome == ("already champion" if done else "promoted")
    assert [line.sequence for line in registry.history()] == [1, 2]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "lost": lambda _: None,
    "empty": lambda _: b"",
    "torn": lambda content: content[: len(content) // 2],
    "no champion": lambda _: b"{}",
    "no record": lambda _: b"[]",
    "one letter": lambda content: content.replace(b'"b"', b'"c"'),
}


def damaged(path: Path, damage: str) -> None:
    content = path.read_bytes()
    if (after := DAMAGES[damage](content)) is None:
        path.unlink()
    else:
        assert after != content
        path.write_bytes(after)


@pytest.mark.parametrize("hurt", ["champion.json", "history/00000003.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_of_the_newest_change_and_its_copy_the_sound_one_counts_and_the_other_is_written_again(
    registry: Registry, promote: Promote, taken_down: Champion, damage: str, hurt: str
) -> None:
    """Also where it still reads as a champion: one letter of a banned model would let that model come back."""
    damaged(registry.root / hurt, damage)
    assert registry.champion() == taken_down
    assert promote("b", 6) == "refused"
    assert pointer(registry).read_bytes() == change(registry, 3).read_bytes()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_change_of_the_past_is_left_out_of_the_history(
    registry: Registry, promote: Promote, taken_down: Champion, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    damaged(change(registry, 2), damage)
    assert [line.sequence for line in registry.history()] == [1, 3]
    assert "00000002.json" in caplog.text
    assert registry.champion() == taken_down
    assert promote("b2", 6) == "refused"
    assert promote("c", 7) == "promoted"
    assert registry.rollback("c too", trust)[1].model_id == "a"


@pytest.mark.parametrize("damage", ["torn", "no champion"])
def test_what_neither_pointer_nor_history_says_is_an_error(
    registry: Registry, promote: Promote, damage: str
) -> None:
    promote("a", 5)
    promote("b", 6)
    damaged(pointer(registry), damage)
    damaged(change(registry, 2), damage)
    with pytest.raises(RegistryError, match=r"00000002\.json (cannot be read; restore it|has format None)"):
        registry.champion()
    with pytest.raises(RegistryError, match=r"00000002\.json"):
        promote("c", 7)


def test_a_line_of_another_format_is_refused_and_left_as_it_is(registry: Registry) -> None:
    registry.root.mkdir(parents=True)
    pointer(registry).write_text(json.dumps({"model_id": "a", "sequence": 1}))
    (registry.root / "history.jsonl").write_text("{}\n")
    for ask in (registry.champion, registry.history, lambda: registry.rollback("bad", trust)):
        with pytest.raises(
            RegistryError, match=r"has format None; this version reads 2\. Leave .* begin another"
        ):
            ask()
    assert pointer(registry).read_text() == '{"model_id": "a", "sequence": 1}'


def test_a_line_that_cannot_be_written_can_be_read(registry: Registry, promote: Promote) -> None:
    promote("a", 5)
    promote("b", 6)
    (registry.root / "champion.lock").unlink()
    (registry.root / "champion.lock").mkdir()
    assert [line.model_id for line in registry.history()] == ["a", "b"]
    with pytest.raises(StorageError, match=r"champion\.lock can't be written"):
        promote("c", 7)


def test_a_pointer_that_cannot_be_written_is_a_warning(
    registry: Registry, promote: Promote, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever read an error would ask again, and a second rollback goes back further."""
    promote("a", 5)
    pointer(registry).unlink()
    pointer(registry).mkdir()
    assert promote("b", 6) == "promoted"
    assert "champion.json is not up to date" in caplog.text
    assert registry.require_champion().model_id == "b"

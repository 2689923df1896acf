import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from mtmd.registry.rebuilt import REBUILT
from mtmd.registry.records import Registered
from mtmd.registry.registry import Registry

AddModel = Callable[[str, int], Registered]
Promote = Callable[[str, int], str]

# A promotion whose process is killed as it appends to the history, after `written` characters of the line.
KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from mtmd.registry import history
from mtmd.registry.registry import Registry

def killed(path, line):
    with path.open("a") as file:
        file.write(line[: int(sys.argv[2])])
    os.kill(os.getpid(), signal.SIGKILL)

history.append_line = killed
Registry(Path(sys.argv[1])).promote(sys.argv[3], date(2026, 1, 6), "killed", int(sys.argv[4]))
"""


def killed_promotion(registry: Registry, written: int, model_id: str, sequence: int) -> None:
    arguments = [str(registry.root), str(written), model_id, str(sequence)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], timeout=60, check=False)
    assert done.returncode == -9


@pytest.mark.parametrize("written", [0, 40])
def test_a_kill_between_pointer_and_history_loses_and_doubles_nothing(
    registry: Registry, add: AddModel, promote: Promote, written: int
) -> None:
    promote("a", 5)
    add("b", 6)
    killed_promotion(registry, written, "b", 1)
    champion = registry.champion()
    assert champion is not None
    assert (champion.model_id, champion.sequence) == ("b", 2)
    assert [line.model_id for line in registry.history()] == ["a", "b"]
    assert [line.model_id for line in registry.history()] == ["a", "b"]
    assert promote("c", 7) == "promoted"
    assert [(line.sequence, line.model_id) for line in registry.history()] == [(1, "a"), (2, "b"), (3, "c")]
    assert registry.history()[1].reason == "killed"


def test_the_next_change_after_a_kill_mends_the_history_first(
    registry: Registry, add: AddModel, promote: Promote
) -> None:
    promote("a", 5)
    add("b", 6)
    killed_promotion(registry, 40, "b", 1)
    assert registry.rollback("it died", lambda _: None)[1].model_id == "a"
    assert [line.action for line in registry.history()] == ["promote", "promote", "rollback"]


def test_a_kill_in_the_very_first_promotion_is_mended(registry: Registry, add: AddModel) -> None:
    add("b", 6)
    killed_promotion(registry, 40, "b", 0)
    assert [line.model_id for line in registry.history()] == ["b"]
    assert registry.promote("b", date(2026, 1, 6), "again", 0).outcome == "already champion"


def _damages(text: str) -> dict[str, str | None]:
    lines = text.splitlines(keepends=True)
    return {
        "gone": None,
        "lost its end": lines[0],
        "lost a line in the middle": "".join((*lines[:1], *lines[2:])),
        "no changes": "not a change\n",
        "one letter": text.replace("because b", "because c"),
    }


@pytest.mark.parametrize("damage", _damages("\n"))
def test_a_history_that_lost_lines_is_rebuilt_and_says_so(
    registry: Registry, promote: Promote, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    for number, name in enumerate("abcd", start=5):
        promote(name, number)
    registry.rollback("d was bad", lambda _: None)
    champion, path = registry.champion(), registry.root / "history.jsonl"
    path.unlink() if (text := _damages(path.read_text())[damage]) is None else path.write_text(text)
    history = registry.history()
    assert registry.champion() == champion
    assert history[-1] == champion.change
    assert [(line.reason == REBUILT) for line in history if line.model_id == "b"] == [True]
    assert f"{path} is rebuilt" in caplog.text
    assert registry.history() == history  # once
    assert registry.rollback("c too", lambda _: None)[1].model_id == "b"
    assert promote("d", 8) == "refused"
    assert promote("e", 9) == "promoted"


def test_a_line_of_an_older_version_has_no_digest_and_is_read(registry: Registry, promote: Promote) -> None:
    promote("a", 5)
    path = registry.root / "history.jsonl"
    line = json.loads(path.read_text())
    del line["content_sha256"]
    path.write_text(json.dumps(line) + "\n")
    assert [change.model_id for change in registry.history()] == ["a"]


def test_a_long_history_is_reconciled_from_its_end(registry: Registry, promote: Promote) -> None:
    promote("a", 5)
    path = registry.root / "history.jsonl"
    path.write_text("x" * 200_000 + "\n" + path.read_text())
    assert promote("b", 6) == "promoted"


def test_reasons_keep_their_letters(registry: Registry, add: AddModel) -> None:
    add("a", 5)
    registry.promote("a", date(2026, 1, 5), "home_feed × standard\nune ligne de plus", 0)
    assert registry.history()[0].reason == "home_feed × standard\nune ligne de plus"
    assert len((registry.root / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_the_lock_of_a_killed_holder_is_free(registry: Registry, tmp_path: Path, promote: Promote) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom mtmd.store.files import locked\n"
        "with locked(Path(sys.argv[1])):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    lock = registry.root / "champion.lock"
    done = subprocess.run([sys.executable, "-c", code, str(lock)], timeout=60, check=False)
    assert done.returncode == -9
    assert promote("a", 5) == "promoted"

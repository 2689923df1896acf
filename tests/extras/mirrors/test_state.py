from collections.abc import Callable
from pathlib import Path

from mtmd.config import Preset
from mtmd.extras.mirrors.state import MirrorState, forget_others, markdown, read_state, write_state
from mtmd.report.index import write_line
from mtmd.store.files import write_text
from mtmd.store.workspace import Workspace
from tests.extras.mirrors.conftest import Mirrored


def test_words_have_no_credentials_and_no_lines() -> None:
    state = MirrorState.now("mlflow", "http://me:secret@host/api\n  failed" + "x" * 500, current=False)
    assert state.words.startswith("http://***@host/api failedxxx")
    assert (len(state.words), state.words[-1]) == (400, "…")


def test_a_state_is_read_as_it_was_written(mirrored: Mirrored) -> None:
    assert read_state(mirrored.workspace, "mlflow") is None
    state = MirrorState.now("mlflow", "2 of 2 runs", current=True)
    write_state(mirrored.workspace, state)
    assert read_state(mirrored.workspace, "mlflow") == state


def test_a_mirror_that_another_machine_forgets_leaves_the_bucket_and_every_index(
    tiny_preset: Preset, machine: Callable[[str], Path]
) -> None:
    def shown(name: str) -> bool:
        root = machine(name)
        write_line(root)
        return "Mirrors are not up to date" in (root / "index.html").read_text()

    line = machine("a")
    write_state(Workspace(line), MirrorState.now("mlflow", "the server is gone", current=False))
    event = line / "mirrors" / "events" / "1.json"  # waits on its machine alone
    write_text(event, "{}")
    assert shown("a")
    forget_others(Workspace(machine("b")), tiny_preset)  # the first that this machine does with the line
    assert not shown("b")
    assert not shown("a")
    assert event.is_file()


def test_what_a_server_says_is_no_markup() -> None:
    """It is somebody else's text."""
    state = MirrorState.now("mlflow", "<script>[x](http://evil)|", current=False)
    assert "<script>" not in markdown([state])
    assert "[x](http" not in markdown([state])


def test_people_read_first_what_is_behind() -> None:
    good = MirrorState.now("mlflow", "2 of 2 runs", current=True)
    assert markdown([good]) == "## ✓ The mirrors are up to date\n\n- ✓ **mlflow**: 2 of 2 runs\n"
    bad = MirrorState.now("openlineage", "refused", current=False)
    text = markdown([good, bad])
    assert text.startswith("## ✗ Not up to date: openlineage\n\n- ✗ **openlineage**: refused\n- ✓ **mlflow**")
    assert "The decision, the registry and the pages do not depend on it." in text

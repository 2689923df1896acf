from mtmd.mirrors.state import MirrorState, read_state, write_state
from mtmd.mirrors.text import mirrors
from tests.mirrors.conftest import Mirrored


def test_words_have_no_credentials_and_no_lines() -> None:
    state = MirrorState.now("mlflow", "http://me:secret@host/api\n  failed" + "x" * 500, current=False)
    assert state.words.startswith("http://***@host/api failedxxx")
    assert (len(state.words), state.words[-1]) == (400, "…")


def test_a_state_is_read_as_it_was_written(mirrored: Mirrored) -> None:
    assert read_state(mirrored.workspace, "mlflow") is None
    state = MirrorState.now("mlflow", "2 of 2 runs", current=True)
    write_state(mirrored.workspace, state)
    assert read_state(mirrored.workspace, "mlflow") == state


def test_people_read_first_what_is_behind() -> None:
    good = MirrorState.now("mlflow", "2 of 2 runs", current=True)
    assert mirrors([good]) == "## ✓ The mirrors are up to date\n\n- ✓ **mlflow**: 2 of 2 runs\n"
    bad = MirrorState.now("openlineage", "refused", current=False)
    text = mirrors([good, bad])
    assert text.startswith("## ✗ Not up to date: openlineage\n\n- ✗ **openlineage**: refused\n- ✓ **mlflow**")
    assert "The decision, the registry and the pages do not depend on it." in text

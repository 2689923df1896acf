import shutil
from pathlib import Path

import pytest

from mtmd.config import Frozen
from mtmd.store.files import write_json
from mtmd.store.workspace import is_complete, make_once, read_record


class Record(Frozen):
    number: int


def _write(text: str):  # type: ignore[no-untyped-def]
    def build(directory: Path) -> None:
        (directory / "a.txt").write_text(text)

    return build


def test_a_complete_output_is_reused_and_not_rebuilt(tmp_path: Path) -> None:
    final = tmp_path / "out"
    assert make_once(final, _write("first")) is False
    (final / ".nfs0001").write_text("what a system leaves there is no part of it")
    assert make_once(final, _write("second")) is True
    assert (final / "a.txt").read_text() == "first"


def test_another_output_in_its_place_is_made_again(tmp_path: Path) -> None:
    """Every file of it is as its manifest says, and it is another day's evaluation, or another model's weights."""
    final, other = tmp_path / "out", tmp_path / "other"
    make_once(final, _write("first"))
    make_once(other, _write("second"))
    shutil.rmtree(final)
    shutil.copytree(other, final)
    assert not is_complete(final)
    assert make_once(final, _write("first")) is False
    assert (final / "a.txt").read_text() == "first"
    assert is_complete(other)


def test_a_record_of_another_version_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert read_record(path, Record) is None
    write_json(path, {"number": 1, "newer": 1})
    assert read_record(path, Record) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "damaged"),
        ("unknown", "of no manifest"),
        *(
            ("manifest.json", text)
            for text in ("", "[]", '{"files": null}', '{"files": {}}', '{"other": {}}')
        ),
    ],
)
def test_a_damaged_output_is_made_again(tmp_path: Path, name: str, text: str) -> None:
    final = tmp_path / "out"
    make_once(final, _write("first"))
    (final / name).write_text(text)
    assert not is_complete(final)
    assert make_once(final, _write("second")) is False
    assert (final / "a.txt").read_text() == "second"
    assert sorted(path.name for path in final.iterdir()) == ["a.txt", "manifest.json"]


def test_a_record_with_one_bit_flipped_is_not_read_wherever_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "record.json"
    write_json(path, Record(number=12).model_dump(), seal=True)
    assert read_record(path, Record) == Record(number=12)
    sound = path.read_bytes()
    for bit in range(8 * len(sound)):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert read_record(path, Record) in {None, Record(number=12)}  # white space may differ
    assert "was altered" in caplog.text

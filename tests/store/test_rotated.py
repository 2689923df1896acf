"""Lines in files that do not grow beyond a limit."""

from pathlib import Path

import pytest

from mtmd.store.rotated import RotatedLines
from tests.small_disk import small_disk


@pytest.mark.parametrize(("older", "kept"), [(0, ["9"]), (1, ["9", "7 8"]), (2, ["9", "7 8", "5 6"])])
def test_old_lines_go_and_no_file_is_larger_than_the_limit(
    tmp_path: Path, older: int, kept: list[str]
) -> None:
    path = tmp_path / "folder" / "log"
    lines = RotatedLines(path, 4, older)  # "1\n2\n" fits
    for number in range(1, 10):
        lines.append([str(number)])
    found = [path, *(Path(f"{path}.{number}") for number in range(1, older + 1))]
    assert sorted(path.parent.iterdir()) == found
    assert [" ".join(one.read_text().split()) for one in found] == kept


def test_lines_of_one_call_stay_together(tmp_path: Path) -> None:
    lines = RotatedLines(tmp_path / "log", 6, 1)
    lines.append(["a", "b"])
    lines.append(["c", "d"])
    assert (tmp_path / "log").read_text() == "c\nd\n"
    assert (tmp_path / "log.1").read_text() == "a\nb\n"


def test_a_line_that_was_cut_off_swallows_no_later_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a\nha")
    lines = RotatedLines(path, 100, 1)
    lines.append(["b"])
    lines.append(["c"])
    assert path.read_text() == "a\nha\nb\nc\n"


def test_a_line_that_was_cut_off_makes_no_file_larger_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a\nha")
    RotatedLines(path, 6, 1).append(["b"])  # with the line's end that is missing it would be 7 bytes
    assert path.read_text() == "b\n"
    assert (tmp_path / "log.1").read_text() == "a\nha"


def test_a_disk_that_fills_up_costs_the_lines_that_found_no_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        path = disk / "log"
        lines = RotatedLines(path, 1 << 20, 0)
        lines.append(["a"])
        with pytest.raises(OSError, match="No space left"):
            lines.append(["b" * 100_000])
        path.write_bytes(path.read_bytes()[:1000])  # somebody makes room
        lines.append(["c"])
        assert path.read_text().splitlines()[-1] == "c"

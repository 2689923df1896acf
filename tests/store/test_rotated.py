"""Lines in files that do not grow beyond a limit."""

from pathlib import Path

import pytest

from mtmd.store.rotated import RotatedLines


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

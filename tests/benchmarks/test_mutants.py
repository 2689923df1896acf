"""Which seeded faults are reported: those that tests let pass, and those whose text has moved."""

from pathlib import Path

import pytest

from benchmarks.mutants import ROOT, Mutant, judged, read_table


def _mutant(text: str, mutated: str, name: str) -> Mutant:
    return Mutant("sums", name, "code", text, mutated, ("test_sums.py",))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "sums.py").write_text("def add(a, b):\n    return a + b\n\n\nUNTESTED = 3\n")
    (tmp_path / "test_sums.py").write_text("from sums import add\n")
    with (tmp_path / "test_sums.py").open("a") as file:
        file.write("\n\ndef test_add():\n    assert add(2, 3) == 5\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = code\n")
    return tmp_path


def test_survivors_and_texts_that_have_moved_are_reported(checkout: Path) -> None:
    dies = _mutant("a + b", "a - b", "subtracts")
    survives = _mutant("UNTESTED = 3", "UNTESTED = 4", "another constant")
    moved, broken = _mutant("a * b", "a", "moved"), _mutant("return", "retrun", "no Python")
    found = list(judged([dies, survives, moved, broken], checkout))
    assert found[0] == "survives: sums: another constant"
    assert "'a * b' is in code 0 times; it must be 1" in found[1]
    assert "pytest ended with 2" in found[2]
    assert len(found) == 3
    assert "return a + b" in (checkout / "code" / "sums.py").read_text()


def test_tests_that_fail_without_a_mutant_judge_nothing(checkout: Path) -> None:
    (checkout / "test_sums.py").write_text("def test_fails():\n    assert False\n")
    (found,) = judged([_mutant("a + b", "a - b", "subtracts")], checkout)
    assert found == "not judged: sums: subtracts: test_sums.py fail without it"


@pytest.mark.parametrize("mutant", list(read_table()), ids=lambda mutant: mutant.words)
def test_every_text_stands_where_the_table_says(mutant: Mutant) -> None:
    mutant.place(ROOT)  # raises where it does not stand there exactly once
    assert mutant.text != mutant.mutated

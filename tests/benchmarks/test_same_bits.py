"""What two records must agree in, and what may differ between two commits."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.same_bits import compared, decisions, main, numbers, tensors_digest


def test_contents_are_compared_and_names_are_not() -> None:
    before = {"onnx#models/a/x": "1", "onnx#models/a/y": "2", "gate data suites#": "True"}
    renamed = {"onnx#models/b/y": "1", "onnx#models/b/z": "2", "gate data suites#": "True"}
    assert compared(before, renamed) == []
    changed = {"onnx#models/b/y": "1", "onnx#models/b/z": "3", "http /rank#0": "4"}
    assert compared(before, changed) == [
        "gate data suites: 0 equal, 1 gone, 0 new",
        "    gone  = True",
        "http /rank: 0 equal, 0 gone, 1 new",
        "    new  0 = 4",
        "onnx: 1 equal, 1 gone, 1 new",
        "    gone models/a/y = 2",
        "    new  models/b/z = 3",
    ]


@pytest.mark.parametrize(
    ("after", "status", "words"),
    [({"a#": "1"}, 0, "every result is equal\n"), ({"a#": "2"}, 1, "a: 0 equal, 1 gone, 1 new\n")],
)
def test_the_exit_status_says_whether_records_differ(
    after: dict[str, str],
    status: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = [tmp_path / "before.json", tmp_path / "after.json"]
    for path, record in zip(paths, ({"a#": "1"}, after), strict=True):
        path.write_text(json.dumps(record))
    monkeypatch.setattr(sys, "argv", ["same_bits", "compare", *map(str, paths)])
    assert main() == status
    assert capsys.readouterr().out.startswith(words)


def test_tensors_may_have_other_names_and_no_other_bits(tmp_path: Path) -> None:
    def digest(**tensors: torch.Tensor) -> str:
        save_file(tensors, tmp_path / "weights.safetensors")
        return tensors_digest(tmp_path / "weights.safetensors")

    one, two = torch.arange(4.0), torch.ones(2, 2)
    assert digest(a=one, b=two) == digest(first=two, second=one)
    assert digest(a=one, b=two) != digest(a=one, b=2 * two)
    assert digest(a=one) != digest(a=one.reshape(2, 2))


def test_numbers_and_decisions_are_found_wherever_they_stand() -> None:
    report = {"slices": [{"logmae": 0.25, "rows": 3, "seconds": 1.5}]}
    assert list(numbers(report)) == [("/slices/0/logmae", "0.25")]
    verdict = {"gates": [{"name": "parity", "passed": True}, {"label": "champion", "passed": False}]}
    assert list(decisions(verdict)) == [("parity", True), ("champion", False)]

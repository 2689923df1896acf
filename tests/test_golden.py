"""What stored outputs are named by: format numbers that are pinned."""

from pathlib import Path

from mtmd.config import Preset
from tests.flows.runs import ROOT, Run
from tests.golden import NUMBERS, Made, Pinned, golden, moved, read_golden

UNPINNED = {
    "mtmd.export.stage.PROOF_FORMAT",  # names no output, but what was seen of one
    "mtmd.extras.abtest.stage.AB_TEST_FORMAT",  # tests/extras/abtest/test_changes.py pins it
    "mtmd.extras.kuairand.fit.IMPORT_FORMAT",  # no run's output: an import is seconds of work
    "mtmd.extras.kuairand.fit.TEACHER_FORMAT",  # likewise: it writes logs
    "mtmd.registry.records.REGISTRY_FORMAT",  # a line of another number is refused, by test: tests/registry
    "mtmd.extras.tables.readers.SPOOL_FORMAT",  # shards are named by the content of the files, whatever this number is
}


def test_each_number_stands_for_what_it_stood_for(
    first_run: Run, tiny_preset: Preset, tmp_path: Path
) -> None:
    found = golden(Made(first_run.logs, first_run.root, tiny_preset, tmp_path))
    assert moved(read_golden(), found) == []


def test_another_output_under_the_same_number_says_which_to_raise() -> None:
    pinned = {"mtmd.a.A_FORMAT": Pinned(number=3, digest="a", close={"mtmd loss 1": 1.0})}
    assert moved(pinned, pinned) == []
    near = {"mtmd.a.A_FORMAT": Pinned(number=3, digest="a", close={"mtmd loss 1": 1.0001})}
    assert moved(pinned, near) == []
    for digest, loss in (("b", 1.0), ("a", 1.01)):
        (words,) = moved(
            pinned, {"mtmd.a.A_FORMAT": Pinned(number=3, digest=digest, close={"mtmd loss 1": loss})}
        )
        assert "mtmd.a.A_FORMAT stands for has changed and its number has not: raise it from 3 to 4" in words
    (words,) = moved(pinned, {"mtmd.a.A_FORMAT": Pinned(number=4, digest="b", close={"mtmd loss 1": 1.0})})
    assert words == "mtmd.a.A_FORMAT is 4 and not pinned yet: run `python -m tests.golden`"


def test_every_format_of_the_code_is_pinned() -> None:
    declared = set()
    for path in (ROOT / "mtmd").rglob("*.py"):
        for line in path.read_text().splitlines():
            if line.split(" = ")[0].endswith("_FORMAT") and line[0].isupper():
                declared.add(
                    f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}.{line.split(' = ')[0]}"
                )
    assert declared - UNPINNED == set(NUMBERS) == set(read_golden())

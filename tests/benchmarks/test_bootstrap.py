import re

import numpy as np
import pytest

from benchmarks.bootstrap import main, plain_bootstrap, random_day
from mtmd.config import load_preset
from mtmd.evaluate.bootstrap import resample
from mtmd.evaluate.held_out import cut


def test_both_bootstraps_find_the_same_spread() -> None:
    preset = load_preset("demo")
    day, predictions = random_day(preset, 20_000)
    parts = list(cut(day, preset.declarations, preset.evaluation.buckets))
    ours = resample(day, parts, predictions, preset.evaluation)
    whole = [place for place, (where, bucket) in enumerate(ours.cells) if bucket is None][: len(parts)]
    rows = np.array([len(part.rows) for part in parts])[:, None]
    plain = plain_bootstrap(day, parts, predictions, 400)
    np.testing.assert_allclose(plain.mean(axis=0), ours.sums[whole] / rows, rtol=0.01)
    own, reference = (np.log(errors[..., 0] / errors[..., 2]) for errors in (ours.resampled[:, whole], plain))
    np.testing.assert_allclose(own.std(axis=0), reference.std(axis=0), rtol=0.2)


def test_the_table_has_a_row_per_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rows", "2000", "4000"]) == 0
    rows = re.findall(
        r"^\| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \| \d+ \|$", capsys.readouterr().out, re.MULTILINE
    )
    assert [row[0] for row in rows] == ["2,000", "4,000"]

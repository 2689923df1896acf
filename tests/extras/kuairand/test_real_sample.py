"""The published sample itself, where it is at hand: its traps, its days, and how well the teacher ranks."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mtmd.evaluate.metrics import area
from mtmd.extras.kuairand.fit import import_kuairand
from mtmd.extras.kuairand.rows import EPOCH, TeacherConfig
from mtmd.extras.kuairand.source import TASKS, Exposures, Source, map_exposures, read_source

BESIDE = Path(__file__).parents[3].parent / "shared" / "data" / "kuairand-pure"
FOLDER = Path(os.environ.get("MTMD_KUAIRAND") or BESIDE)

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(),
    reason=f"no KuaiRand-Pure at {FOLDER}; set MTMD_KUAIRAND to the folder with its files",
)


@pytest.fixture(scope="module")
def sample() -> tuple[Source, Exposures]:
    source = read_source(FOLDER)
    return source, map_exposures(source)


def test_a_lone_teacher_ranks_the_newest_days_well(sample: tuple[Source, Exposures], tmp_path: Path) -> None:
    # The mean of eight, as an import has it, is a little better.
    report = import_kuairand(FOLDER, tmp_path, teacher=TeacherConfig(members=1))
    assert report.days[0] == date(2022, 4, 12)  # the preset's window before 04-28 needs 04-14
    assert report.days[-1] == date(2022, 4, 30)
    _, exposures = sample
    for day in report.days[-2:]:
        scores = pq.read_table(tmp_path / "candidates" / f"date={day}", columns=[*TASKS], partitioning=None)
        ctr, gctr, octr = (scores[task].to_numpy() for task in TASKS)
        assert ((gctr <= ctr) & (octr <= ctr)).all()
        labels = exposures.labels[exposures.day == (day - EPOCH).days]
        assert ctr.mean() == pytest.approx(labels[:, 0].mean(), rel=0.1)
        auc = [area(score, labels[:, t]) or 0 for t, score in enumerate((ctr, gctr))]
        assert np.greater_equal(auc, [0.71, 0.76]).all()

"""The published sample itself, where it is at hand: its traps, its days, and how well the teacher ranks."""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from mtmd.config import load_preset
from mtmd.evaluate.metrics import area
from mtmd.expectations import Measure
from mtmd.extras.kuairand.cross_fit import NEWEST, cross_fit
from mtmd.extras.kuairand.mapping import Exposures, map_exposures, teacher_inputs, teaching_rows
from mtmd.extras.kuairand.rows import TeacherConfig
from mtmd.extras.kuairand.source import Source, read_source, video_attributes
from mtmd.validate.deviations import FACTORS

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


def test_no_day_is_refused_for_its_number_of_rows(
    sample: tuple[Source, Exposures],
) -> None:
    # The sample thins its older days: the first dense one has six times the rows of the day before.
    _, exposures = sample
    limits = load_preset("kuairand").data
    rows = [int((exposures.day == day).sum()) for day in np.unique(exposures.day)]
    compared = [number for number in rows if number >= limits.min_trailing_rows]
    assert compared == rows[-6:]  # no thin day comes after one that others are compared with
    assert max(compared) / min(compared) < FACTORS[Measure.VOLUME]


def test_the_preset_has_the_buckets_that_a_check_asks_for(
    sample: tuple[Source, Exposures],
) -> None:
    source, exposures = sample
    in_window = exposures.day < (date(2022, 4, 30) - date(1970, 1, 1)).days
    users = source.users.take(np.unique(exposures.user[in_window]))
    columns = dict(zip(users.column_names, users.columns, strict=True))
    columns |= video_attributes(source.videos) | {"ad_id": source.videos["video_id"]}
    features = {f.name: f for f in load_preset("kuairand").features if f.kind == "categorical"}
    assert set(features) - set(columns) == {"hour"}
    values = {name: len(columns[name].drop_null().unique()) for name in set(features) - {"hour"}} | {
        "hour": 24
    }
    few = {name: number for name, number in values.items() if features[name].buckets < 9 * number}
    assert few == {}


def test_the_teacher_ranks_later_days_well(sample: tuple[Source, Exposures]) -> None:
    # One member of one epoch: below what an import fits, and already above what is asked of it.
    source, exposures = sample
    config = TeacherConfig(members=1, least_members=1, max_epochs=1, blocks=2)
    scores = cross_fit(teacher_inputs(source, exposures), teaching_rows(exposures), config, seed=0)
    newest = scores.block == NEWEST
    auc = [area(scores.scores[newest, i], exposures.labels[newest, i]) for i in range(3)]
    assert auc[0] is not None
    assert auc[0] >= 0.70
    assert auc[1] is not None
    assert auc[1] >= 0.75
    assert (scores.scores[:, 1:] <= scores.scores[:, :1]).all()
    older = scores.scores[~newest].mean(0) / exposures.labels[~newest].mean(0)
    assert np.allclose(older, 1.0, atol=0.1)

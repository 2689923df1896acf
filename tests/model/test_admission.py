"""Values that were seldom seen, by hand."""

import torch

from mtmd.features import feature
from mtmd.model.admission import Admission
from mtmd.model.build import build_model
from mtmd.model.two_tower import MTMD
from tests.model.listed import listed_preset
from tests.model.random_batches import random_batch

ONCE = feature(name="a", side="query", kind="categorical", buckets=3)
OFTEN = ONCE.model_copy(update={"name": "b", "min_count": 3})


def test_values_are_counted_by_feature_and_rare_ones_are_read_as_missing() -> None:
    admission = Admission((ONCE, OFTEN), (0, 4), 8)
    admission.observe(torch.tensor([[1, 1], [2, 2], [2, 2]]), torch.tensor([1, 2, 1]))
    assert admission.seen.tolist() == [0, 1, 3, 0, 0, 1, 3, 0]
    assert admission(torch.tensor([[1, 1], [2, 2], [3, 3], [0, 0]])).tolist() == [
        [1, 0],
        [2, 2],
        [3, 0],
        [0, 0],
    ]
    assert admission.admitted(0, 3).tolist() == [True] * 4
    assert admission.admitted(1, 3).tolist() == [False, False, True, False]


def test_requests_count_once_and_ads_as_often_as_they_are_candidates() -> None:
    model = build_model("mtmd", listed_preset())
    assert isinstance(model, MTMD)
    batch = random_batch(listed_preset().declarations)
    model.observe(batch)
    (country,) = [
        admission.seen[:10]
        for name, admission in model.query.adaptation.tables.admission.items()
        if model.query.adaptation.tables.layout[int(name)].features[0].name == "country"
    ]
    assert country.tolist() == torch.bincount(batch.query.categorical[:, 0], minlength=10).tolist()
    (topic,) = [admission.seen for admission in model.item.adaptation.tables.admission.values()]
    of_pairs = batch.item.categorical[batch.pair_item, 1]
    assert topic.tolist() == torch.bincount(of_pairs, minlength=13).tolist()
    # so they are stored with the weights
    assert sum(name.endswith(".seen") for name in model.state_dict()) == 3

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from mtmd.config import GatesConfig
from mtmd.config.limits import PublicationConfig
from mtmd.evaluate.predictors import score_day, score_shard
from mtmd.export.parity import Difference, Proof, _agree, check_parity, hard_rows, judged
from mtmd.model.ranker import build_model
from mtmd.serve.scorer import Scorer
from mtmd.store.files import read_json, sha256_file, write_json


def test_the_days_scores_and_ranks_agree(exported: Any) -> None:
    proof = check_parity(exported.model, exported.directory, exported.shard, exported.preset)
    assert proof.passed, proof.detail
    rankings = int(proof.detail.split()[-2])  # … agrees in all 123 rankings
    assert rankings >= 90  # ctr everywhere, octr where a request has a standard ad


def test_a_search_by_int8_that_misses_ads_fails(exported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = exported.preset.model_copy(update={"publication": PublicationConfig(int8=True)})
    given = (exported.model, exported.directory, exported.shard, preset)
    monkeypatch.setattr("mtmd.serve.ranker.LEAST", 5)  # the day has few ads
    monkeypatch.setattr(GatesConfig, "int8_ads", 5)
    assert check_parity(*given).passed
    monkeypatch.setattr("mtmd.serve.ranker.SPARE", 1)
    monkeypatch.setattr("mtmd.serve.scorer._LEVELS", 1)
    assert check_parity(*given).detail.startswith("the best 5 ads by int8 and by float32 differ by 0.")


@pytest.mark.parametrize(
    ("delta", "agrees", "words"),
    [
        (1e-6, True, "scores differ by 1e-06, at most 1e-05; top 20 agrees in all 2 rankings"),
        (2e-5, True, "scores differ by 2e-05, at most 1e-05"),
        (math.nan, True, "scores differ by a number that is not finite, at most 1e-05"),
        (1e-6, False, "top 20 differs in 1 of 2 rankings"),
    ],
)
def test_a_difference_beyond_its_tolerance_or_other_ranks_fail(
    delta: float, agrees: bool, words: str
) -> None:
    proof = judged([Difference(what="scores", delta=delta, tolerance=1e-5)], [True, agrees], 20)
    assert proof == Proof(passed="agrees in all" in words, detail=words)


def test_of_many_differences_the_worst_stands_first_with_how_many_there_are_more() -> None:
    deltas = {"a": 1e-4, "b": math.nan, "c": 1e-6, "d": 1e-3}
    found = [Difference(what=what, delta=delta, tolerance=1e-5) for what, delta in deltas.items()]
    proof = judged(found, [False], 20)
    assert proof.detail == "b differ by a number that is not finite, at most 1e-05; 3 more such"
    assert [one.split(" differ")[0] for one in proof.others] == ["d", "a", "top 20"]


def test_scores_of_a_shard_are_the_models_in_the_days_order(exported: Any) -> None:
    own = score_shard(Scorer.load(exported.directory), exported.shard)
    reference = score_day(exported.model, exported.shard, exported.preset.declarations)
    applies = ~np.isnan(exported.shard.teacher.numpy())
    assert np.array_equal(np.isnan(own), ~applies)
    assert np.abs(np.exp(own[applies]) - np.exp(reference[applies])).max() <= 2e-6


def test_other_weights_fail_and_the_worst_file_is_named(exported: Any) -> None:
    other = build_model("mtmd", exported.preset).eval()
    other.load_state_dict(exported.model.state_dict())
    with torch.no_grad():
        other.item.experts[1].project[0].bias.add_(0.01)
    report = check_parity(other, exported.directory, exported.shard, exported.preset)
    assert not report.passed
    said = " ".join((report.detail, *report.others))
    assert report.detail.startswith("item_shopping.onnx at batch size")
    assert "item_shopping.onnx at batch size 1: embeddings differ by" in said
    assert "held-out candidates: scores differ by" in said
    assert "item_standard.onnx at batch size 1: embeddings" not in said


def _not_finite(proto: onnx.ModelProto) -> None:
    weight = next(one for one in proto.graph.initializer if one.name == "module.fields.gain")
    weight.CopyFrom(numpy_helper.from_array(np.full(weight.dims, np.nan, np.float32), weight.name))


def _of_seven_rows(proto: onnx.ModelProto) -> None:
    for value in proto.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_not_finite, "query_search.onnx at batch size 7: embeddings differ by a number that is not finite"),
        (_of_seven_rows, "Got invalid dimensions for input: features.list.words"),
    ],
)
def test_a_file_with_other_numbers_or_of_one_batch_size_fails(
    exported: Any, tmp_path: Path, change: Callable[[onnx.ModelProto], None], words: str
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(exported.directory, bundle)
    path = bundle / "query_search.onnx"
    proto = onnx.load(path)
    change(proto)
    onnx.save(proto, path)
    info = read_json(bundle / "bundle.json")
    for one in info["files"]:
        one["sha256"] = sha256_file(bundle / one["file"])
    write_json(bundle / "bundle.json", info)
    report = check_parity(exported.model, bundle, exported.shard, exported.preset)
    assert not report.passed
    assert words in " ".join((report.detail, *report.others))


def test_hard_rows_reach_both_ends_of_every_table(exported: Any) -> None:
    schema = exported.preset.declarations.query
    rows = hard_rows(schema, 31)
    assert np.isnan(rows.continuous[0]).all()
    assert np.isnan(rows.embedding[0]).all()
    assert rows.categorical[0].tolist() == [0, 0]
    for column, feature in enumerate(schema.categorical):
        ids = rows.categorical[1:, column]
        assert ids.max() == feature.buckets
        assert ids.min() >= 1
        assert len(set(ids.tolist())) >= min(feature.buckets, 31) // 2


def test_ads_that_tie_may_swap_ranks_and_others_may_not() -> None:
    reference = np.array([[0.5], [0.3], [0.3 - 1e-7], [0.1]], np.float32)
    swapped = reference[[0, 2, 1, 3]]
    assert list(_agree(swapped, reference, 3, 1e-5)) == [True]
    wrong = np.array([[0.3], [0.5], [0.2], [0.1]], np.float32)
    assert list(_agree(wrong, reference, 3, 1e-5)) == [False]
    assert list(_agree(np.full((4, 1), np.nan, np.float32), reference, 3, 1e-5)) == []

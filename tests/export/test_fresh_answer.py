"""A bundle that answers from its files alone, without logs; and bundles that do not."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Domains
from mtmd.errors import BundleError
from mtmd.export.fresh_process import _flaw, check_answers
from mtmd.serve.requests import RankRequest, RankResponse, rank
from mtmd.serve.scorer import Scorer


def test_a_sound_bundle_answers_for_every_domain(exported: Any) -> None:
    assert check_answers(exported.directory) == "a fresh process answered for 2 surfaces × 2 products"


def test_a_bundle_with_a_broken_file_is_named(exported: Any, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(exported.directory, bundle)
    (bundle / "item_standard.onnx").write_bytes(b"not a model")
    with pytest.raises(BundleError, match=rf"{bundle} does not answer, so it can't go live: .*status 1"):
        check_answers(bundle)


def test_a_slow_bundle_is_given_up(exported: Any) -> None:
    with pytest.raises(BundleError, match=r"no answer within 0\.01 s"):
        check_answers(exported.directory, timeout_s=0.01)


def test_an_answer_must_have_a_probability_where_the_task_applies_and_none_elsewhere(exported: Any) -> None:
    domains: Domains = exported.preset.domains
    question = RankRequest(
        requests=({"request_id": 0, "surface": "home_feed"}, {"request_id": 1, "surface": "search"}),
        ads=({"ad_id": 0, "product": "standard"}, {"ad_id": 1, "product": "shopping"}),
    )
    answer = rank(Scorer.load(exported.directory), question)
    own = exported.info.bundle_id
    assert _flaw(answer, own, domains) is None
    assert _flaw(answer, "other", domains) == f"the answer is of bundle {own}, not other"

    def changed(task: str, scores: tuple[float | None, ...]) -> RankResponse:
        second = answer.requests[1]
        altered = second.model_copy(update={"scores": second.scores | {task: scores}})
        return answer.model_copy(update={"requests": (answer.requests[0], altered)})

    assert _flaw(changed("ctr", (float("nan"), 0.1)), own, domains) == (
        "search × standard × ctr has score nan; it must be a probability"
    )
    assert _flaw(changed("octr", (0.1, 0.1)), own, domains) == (
        "search × shopping × octr has score 0.1; it must be none"
    )

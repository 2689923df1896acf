"""A bundle that answers from its files alone, without logs; and bundles that do not."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtmd.config import Domains
from mtmd.errors import BundleError
from mtmd.export.fresh_process import answered_scores, check_answers, require_probabilities
from mtmd.export.rows import RawRows
from mtmd.publish.answer import Asked, answer


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
    sound = np.array([[[0.2, 0.1], [0.3, np.nan]], [[0.4, 0.2], [0.5, np.nan]]])  # octr is for standard ads
    require_probabilities(sound, domains)
    for place, score, words in (
        ((1, 0, 0), np.nan, "search × standard × ctr has score nan; it must be a probability"),
        ((0, 1, 0), 1.5, "home_feed × shopping × ctr has score 1.5; it must be a probability"),
        ((1, 1, 1), 0.1, "search × shopping × octr has score 0.1; it must be none"),
    ):
        altered = sound.copy()
        altered[place] = score
        with pytest.raises(BundleError, match=words):
            require_probabilities(altered, domains)


def test_answers_that_do_not_fit_the_requests_are_noticed(exported: Any) -> None:
    info = exported.info
    rows = RawRows(
        requests=({"request_id": 5, "surface": "search"},),
        ads=(
            {"ad_id": 1, "product": "standard", "bid": 1.0},
            {"ad_id": 2, "product": "shopping", "bid": 1.0},
        ),
    )
    bodies = tuple({"requests": rows.requests, "rank_by": task} for task in info.widths)
    answers = answer(exported.directory, Asked(ads=rows.ads, bodies=bodies)).answers
    scores = answered_scores(answers, rows, info)
    assert np.isnan(scores).tolist() == [[[False, False], [False, True]]]

    def problem_of(**changed: Any) -> str:
        with pytest.raises(BundleError) as error:
            answered_scores([answers[0].model_copy(update=changed), *answers[1:]], rows, info)
        return str(error.value)

    assert problem_of(bundle_id="other") == f"the answer is of bundle other, not {info.bundle_id}"
    (only,) = answers[0].requests
    assert (
        problem_of(requests=(only.model_copy(update={"request_id": 6}),)) == "answer 0 is to request 6, not 5"
    )
    turned = only.model_copy(update={"ads": only.ads[::-1]})
    assert problem_of(requests=(turned,)).startswith("the ads of request 5 are not ranked by ctr")

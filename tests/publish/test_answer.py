import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mtmd.publish.answer import ANSWERS, Asked, answer

REQUESTS = [
    {"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.0},
    {"request_id": 2, "surface": "home_feed", "activity": 0.0, "depth": 1.0},
    {"request_id": 3, "surface": "search", "activity": -1.0, "depth": 0.0},
]
ADS = [
    {"ad_id": 10, "product": "shopping", "bid": 3.0, "age": 0.0},
    {"ad_id": 11, "product": "standard", "bid": 1.0, "age": 2.0},
    {"ad_id": 12, "product": "shopping", "bid": 1.5, "age": 1.0},
]


def asked(*bodies: dict[str, Any]) -> Asked:
    return Asked(ads=tuple(ADS), bodies=bodies)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_raw_ads_are_published_and_ranked_as_the_service_ranks_them(bundle: Path) -> None:
    """Logit ctr = activity · bid + depth · age, and logit octr four times that; octr is conditional on ctr."""
    by_click, by_outbound = answer(
        bundle,
        asked({"requests": REQUESTS, "top_k": 3}, {"requests": REQUESTS[:1], "rank_by": "octr", "top_k": 3}),
    )
    assert [[ad.ad_id for ad in own.ads] for own in by_click.requests] == [
        [10, 12, 11],
        [11, 12, 10],
        [11, 12, 10],
    ]
    scores = [[ad.probability["ctr"] for ad in own.ads] for own in by_click.requests]
    logits = [[3.0, 1.5, 1.0], [2.0, 1.0, 0.0], [-1.0, -1.5, -3.0]]
    for own, expected in zip(scores, logits, strict=True):
        assert own == pytest.approx([sigmoid(x) for x in expected], rel=1e-5)
    (only,) = by_outbound.requests[0].ads
    assert (only.ad_id, only.score) == (11, pytest.approx(sigmoid(1.0) * sigmoid(4.0), rel=1e-5))
    assert by_click.requests[0].ads[0].probability["octr"] is None  # shopping has no such task
    assert by_click.bundle_id == "a" * 64


def test_the_command_reads_and_writes_json(bundle: Path) -> None:
    given = asked({"requests": REQUESTS[:1]})
    command = [sys.executable, "-m", "mtmd.publish.answer", str(bundle)]
    done, refused = (
        subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        for text in (given.model_dump_json(), asked({}).model_dump_json())
    )
    assert ANSWERS.validate_json(done.stdout) == answer(bundle, given)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: 1 validation error for RankRequest\nrequests\n  Field required")

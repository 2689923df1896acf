"""Two tasks more, `cvr` and `relevance`, by a preset alone: from logs to a scorer that ranks by them."""

from pathlib import Path

from mtmd.serve.scorer import Scorer
from tests.rich_line import RichLine

TASKS = ("ctr", "gctr", "octr", "cvr", "relevance")


def test_their_model_is_proved_and_promoted(rich_line: RichLine) -> None:
    assert rich_line.summary.words == "promoted"
    assert rich_line.done.proofs.parity.passed
    assert rich_line.done.proofs.fresh_process.passed


def test_the_bundle_ranks_by_conversions_and_never_above_clicks(rich_line: RichLine) -> None:
    scorer = Scorer.load(Path(rich_line.done.exported.path))
    assert scorer.tasks == TASKS
    rows = rich_line.rows()
    products = {ad["ad_id"]: ad["product"] for ad in rows.ads}
    bodies = tuple({"requests": rows.requests, "rank_by": task, "top_k": 10} for task in ("cvr", "relevance"))
    by_sales, by_relevance = rich_line.answers(rows, *bodies)
    for request in by_sales.requests:
        assert {ad.ad_id for ad in request.ads} == {ad for ad, own in products.items() if own == "shopping"}
        for ad in request.ads:
            clicks, sales = ad.probability["ctr"], ad.probability["cvr"]
            assert clicks is not None
            assert sales is not None
            assert sales <= clicks
    assert all({ad.ad_id for ad in request.ads} == set(products) for request in by_relevance.requests)

"""A day's requests and what targets them, before any ranker."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from mtmd.extras.abtest.funnel import draw_traffic, identity
from tests.extras.abtest.made import BROAD, DAY, FUNNEL, tiny_platform, tiny_traffic


def test_ads_target_a_topic_an_interest_or_everybody() -> None:
    traffic = tiny_traffic()
    requests, ads = traffic.requests, traffic.ads
    broad = set(np.argsort(-ads.popularity, kind="stable")[:BROAD].tolist())
    for row in (3, 77):
        topics = {int(requests.topic[row]), *requests.users.interests[row].tolist()}
        wanted = {ad for ad in range(len(ads.ad_id)) if int(ads.topic[ad]) in topics} | broad
        assert set(traffic.pairs.ad[traffic.first[row] : traffic.first[row + 1]].tolist()) == wanted


def test_no_request_is_in_a_log_or_in_another_sample(tiny_logs: Path) -> None:
    logged = pq.read_table(tiny_logs / "requests" / f"date={DAY}", partitioning=None).column("request_id")
    ids = [set(tiny_traffic(sample).requests.request_id.tolist()) for sample in (0, 1)]
    assert not ids[0] & ids[1]
    assert not (ids[0] | ids[1]) & set(logged.to_pylist())


def test_what_would_happen_is_a_trait_of_the_pair() -> None:
    """Targeting more ads leaves the pairs that were there as they were."""
    traffic = tiny_traffic()
    wide = draw_traffic(tiny_platform(), DAY, FUNNEL.requests, broad=60)
    known = np.isin(*(identity(one.requests, one.ads, one.pairs) for one in (wide, traffic)))
    assert len(wide.pairs.ad) > len(traffic.pairs.ad) == known.sum()
    np.testing.assert_array_equal(wide.truth[known], traffic.truth)
    np.testing.assert_array_equal(wide.teacher[known], traffic.teacher)

"""A service follows the champion of a line in a bucket, which another machine changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Live
from mtmd.store.files import remove
from tests.buckets import S3
from tests.serve.conftest import MakeBundle
from tests.serve.http.conftest import DAY, Line

Elsewhere = Callable[[Callable[[Line], object]], None]


@pytest.fixture
def elsewhere(machine: Callable[[str], Path], make_bundle: MakeBundle) -> Elsewhere:
    """Change the line on another machine than the service's."""

    def change(how: Callable[[Line], object]) -> None:
        how(Line(machine("trainer"), make_bundle))
        machine("service")

    return change


@pytest.fixture
def live(machine: Callable[[str], Path]) -> Live:
    """Followed by hand, in an empty working folder."""
    return Live(machine("service"), Settings(poll_s=0.001))


def served(live: Live) -> tuple[str, int]:
    assert live.serving is not None
    return live.serving.ranker.model_id, sum(len(block.ad_id) for block in live.serving.ranker.ads.blocks)


def test_what_is_served_is_served_on_while_the_bucket_does_not_answer(
    s3: S3, live: Live, elsewhere: Elsewhere
) -> None:
    elsewhere(lambda line: line.promote(0))
    live.refresh()
    elsewhere(lambda line: line.promote(1, publish=False))
    assert not live.refresh()  # it has no ads yet
    assert "no ads are published for champion model-1" in str(live.problem)
    elsewhere(lambda line: line.publish("model-1", DAY))
    s3.refused = [503] * 1000
    assert not live.refresh()
    assert "champion.json can't be read" in str(live.problem)
    assert served(live) == ("model-0", 4)
    s3.refused = []
    assert live.refresh()
    assert served(live) == ("model-1", 4)


def test_a_service_that_starts_again_fetches_only_what_it_lacks(
    s3: S3, machine: Callable[[str], Path], elsewhere: Elsewhere
) -> None:
    elsewhere(lambda line: line.promote(0))
    assert Live(machine("service"), Settings()).refresh()
    s3.asked.clear()
    again = Live(machine("service"), Settings())
    assert again.refresh()
    for _ in range(2):
        # The pointers of the champion and of its ads, and whether the history goes on after that champion.
        assert sum("/history/" in asked for asked in s3.asked) == 1
        assert len(s3.asked) == 3
        s3.asked.clear()
        assert not again.refresh()
    remove(machine("service") / "ads")
    assert Live(machine("service"), Settings()).refresh()

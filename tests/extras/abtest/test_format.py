"""What AB_TEST_FORMAT stands for: the same rankers in the same world have the same outcome."""

from typing import Any

from mtmd.extras.abtest.arms import alignment, arm
from mtmd.extras.abtest.changes import changes
from mtmd.extras.abtest.funnel import chance, heavyweight, oracle
from mtmd.extras.abtest.outcome import AB_TEST_FORMAT
from mtmd.extras.abtest.settings import FunnelConfig
from mtmd.extras.abtest.traffic import draw_traffic
from mtmd.store.files import digest
from tests.extras.abtest.funnels import tiny_platform
from tests.flows.runs import AS_OF
from tests.golden import rounded

PINNED = (2, "90e0aea20e184aab4b62e35ac6e6ae9acae3c4c815b0c04229b27299ae004ed0")


def test_another_outcome_has_another_number() -> None:
    """Raise AB_TEST_FORMAT where this fails with the number unchanged, and pin both."""
    funnel = FunnelConfig(requests=60, broad=20, keep=8, slots=3)
    arms: dict[str, list[Any]] = {"oracle": [], "heavyweight": [], "chance": []}
    aligned = {}
    for sample in range(5):
        traffic = draw_traffic(tiny_platform(), AS_OF, funnel, sample)
        for name, ranker in (("oracle", oracle), ("heavyweight", heavyweight), ("chance", chance)):
            scores = ranker(traffic)
            arms[name].append(arm(traffic, scores, funnel))
            aligned[f"{name} {sample}"] = [own.model_dump() for own in alignment(traffic, scores, funnel)]
    found = [
        own.model_dump() for name in ("oracle", "chance") for own in changes(arms["heavyweight"], arms[name])
    ]
    assert (AB_TEST_FORMAT, digest(rounded([aligned, found]))) == PINNED

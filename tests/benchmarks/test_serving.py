import re
from pathlib import Path

import pytest

from benchmarks.serving import Sizes, alternating, measured
from mtmd.config import Preset


@pytest.fixture
def smallest() -> Preset:
    """As few domains, tasks and layers as there can be: each exported operator takes time."""
    return Preset.model_validate(
        {
            "name": "smallest",
            "logs": "unused",
            "domains": {
                "surfaces": ["home_feed", "search"],
                "products": ["standard"],
                "tasks": [{"name": "ctr", "label": "clicked"}],
            },
            "features": [
                {"name": "country", "side": "query", "kind": "categorical", "buckets": 20, "shallow": True},
                {"name": "activity", "side": "query", "kind": "continuous", "domains": ["search"]},
                {"name": "goal", "side": "item", "kind": "categorical", "buckets": 8, "shallow": True},
            ],
            "model": {
                "expert_widths": [8],
                "task_shared_expert": False,
                "shallow_expert": False,
                "routing": False,
                "cross_layers": 0,
                "emb_deep": 4,
            },
            "training": {"loss_weights": {"ctr": 1.0}},
        }
    )


def test_each_row_has_what_was_measured_beside_its_rival(smallest: Preset, tmp_path: Path) -> None:
    sizes = Sizes(requests=9, ads=300, published=500, rounds=1, threads=(2,))
    table = measured(smallest, tmp_path, sizes)  # raises unless rivals compute the same
    assert [row[0] for row in table.rows] == [
        "query tower, batch 1, p50",
        "query tower, batch 1, p99",
        "embedding 300 ads",
        "publishing 300 ads",
        "best 100 of 500 ads, 0.00 GB",
    ]
    assert [row[5] for row in table.rows] == ["≤ 0.5", "", "≥ 2", "≥ 2", "≥ 60%"]
    own, every, ratio = (float(re.search(r"[\d.]+", str(cell))[0]) for cell in (table.rows[0][2:5]))
    assert ratio == pytest.approx(own / every, rel=0.1)


def test_contenders_take_turns_after_a_warm_up() -> None:
    turns: list[str] = []
    medians = alternating([lambda: turns.append("a"), lambda: turns.append("b")], rounds=2)
    assert turns == ["a", "b"] * 3
    assert len(medians) == 2

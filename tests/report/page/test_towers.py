import pytest

from mtmd.report.page.towers import TowerMeans, gates_map, routing


def test_routing_leaves_out_tasks_and_domains_without_weights(traces: tuple[TowerMeans, TowerMeans]) -> None:
    assert routing(traces[1]) == {
        "standard": {"ctr": [0.2, 0.3, 0.5], "octr": [0.1, 0.1, 0.8]},
        "shopping": {"ctr": [0.6, 0.3, 0.1]},
        "empty": {},
    }


def test_gates_come_with_the_largest_feature_first(traces: tuple[TowerMeans, TowerMeans]) -> None:
    found = gates_map(traces[1])
    assert found.title == "item tower: mean gate by product"
    assert [labels[0] for labels, _ in found.rows] == ["price", "bid"]
    assert [[cell.text for cell in cells] for _, cells in found.rows] == [
        ["–", "1.50", "–"],
        ["0.90", "1.10", "–"],
    ]
    assert found.rows[0][1][1].shade == pytest.approx(1.0)
    assert gates_map(traces[0]).title == "query tower: mean gate by surface"

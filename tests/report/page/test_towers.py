import pytest

from mtmd.report.page.towers import TowerMeans, tower_view


def test_routing_leaves_out_tasks_and_domains_without_weights(traces: tuple[TowerMeans, TowerMeans]) -> None:
    view = tower_view(traces[1])
    assert view.title == "item tower, by product"
    assert view.experts == ("deep", "task-shared", "domain-shared")
    rows = [(row.domain, row.task, row.first) for row in view.routing]
    assert rows == [("standard", "ctr", True), ("standard", "octr", False), ("shopping", "ctr", True)]
    assert view.routing[2].weights == (0.6, 0.3, 0.1)
    assert view.counts == (("standard", 6), ("shopping", 4), ("empty", 0))


def test_gates_come_with_the_largest_feature_first(traces: tuple[TowerMeans, TowerMeans]) -> None:
    view = tower_view(traces[1])
    assert [labels[0] for labels, _ in view.gates.rows] == ["price", "bid"]
    assert [[cell.text for cell in cells] for _, cells in view.gates.rows] == [
        ["–", "1.50", "–"],
        ["0.90", "1.10", "–"],
    ]
    assert view.gates.rows[0][1][1].shade == pytest.approx(1.0)
    assert tower_view(traces[0]).title == "query tower, by surface"

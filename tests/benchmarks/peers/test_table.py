from benchmarks.peers.table import tuning_table


def test_the_tuning_table_has_a_rate_per_column() -> None:
    table = tuning_table({"a": {1e-3: 0.01, 2e-3: 0.02}, "b": {2e-3: 0.03}}, epochs=2)
    assert [column.name for column in table.columns] == ["peer", "0.001", "0.002"]
    assert table.texts() == [["a", "0.01000", "0.02000"], ["b", "–", "0.03000"]]

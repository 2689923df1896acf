"""Which column holds which field, and what the tables give back."""

from dataclasses import replace

import pytest
import torch

from mtmd.config import Declarations, Domains, SideSchema, Task
from mtmd.errors import ConfigError
from mtmd.features import Feature, feature
from mtmd.model.batch import ListInput
from mtmd.model.fields import FieldLayout, FieldTables, Owned
from tests.model.listed import listed_preset


def schema() -> SideSchema:
    features = (
        feature(name="shape", side="item", kind="categorical", buckets=3, width=2, shallow=True),
        feature(name="maker", side="item", kind="categorical", buckets=5, width=4),
        feature(name="price", side="item", kind="continuous", domains=("b",)),
        feature(name="colour", side="item", kind="categorical", buckets=2, width=2, domains=("a",)),
        feature(name="vector", side="item", kind="embedding", width=3),
        feature(name="size", side="item", kind="categorical", buckets=7, width=2, shallow=True),
        feature(name="age", side="item", kind="continuous"),
        feature(name="hour", side="query", kind="categorical", buckets=3, shallow=True),
    )
    domains = Domains(surfaces=("s",), products=("a", "b"), tasks=(Task(name="ctr", label="clicked"),))
    return Declarations(domains=domains, features=features).item


def test_columns_are_numbers_vectors_deep_then_shallow_categories() -> None:
    layout = FieldLayout(schema())
    names = [field.name for field in layout.fields]
    assert names == ["price", "age", "vector", "colour", "maker", "shape", "size"]
    assert layout.widths == (1, 1, 3, 2, 4, 2, 2)
    assert (layout.width, layout.numeric_width, layout.shallow_width) == (15, 5, 4)


def test_ids_read_their_own_features_rows_in_each_copy() -> None:
    layout = FieldLayout(schema())
    tables = FieldTables(layout, copies=2)
    with torch.no_grad():  # row number as value
        for table in tables.tables:
            table.copy_(torch.arange(len(table)).unsqueeze(1).expand_as(table).float())
    ids = torch.tensor([[3, 5, 0, 7], [0, 1, 2, 4]])  # shape, maker, colour, size
    (colour, known), (maker, _), (shallow, _) = tables(ids)
    assert colour[:, :, 0, 0].tolist() == [[0, 2], [3, 5]]  # 3 rows a copy
    assert known.tolist() == [[False], [True]]
    assert maker[:, :, 0, 0].tolist() == [[5, 1], [11, 7]]  # 6 rows a copy
    assert shallow[0, :, :, 0].tolist() == [[3, 4 + 7], [0, 4 + 4]]  # shape has 4 rows, then size


@pytest.mark.parametrize(("value", "message"), [(6, "'maker' has id 6"), (-1, "'maker' has id -1")])
def test_ids_of_other_declarations_are_refused(value: int, message: str) -> None:
    tables = FieldTables(FieldLayout(schema()))
    with pytest.raises(ConfigError, match=message):
        tables.check(torch.tensor([[1, value, 1, 1]]))


def listed_tables() -> tuple[FieldTables, FieldTables]:
    """Of the query side and the item side."""
    declarations = listed_preset().declarations
    owned: Owned = {}
    query = FieldTables(FieldLayout(declarations.query), owned=owned)
    return query, FieldTables(FieldLayout(declarations.item), owned=owned)


def listed_features() -> tuple[Feature, ...]:
    return listed_preset().declarations.query.lists


def test_lists_are_fields_among_the_categories_and_shallow_ones_come_last() -> None:
    layout = FieldLayout(listed_preset().declarations.query)
    names = ["age", "spend", "wait", "rank", "topics", "words", "recent_ads", "tags", "country"]
    assert [field.name for field in layout.fields] == names
    assert layout.shallow_width == 5
    assert [table.shared for table in layout.tables] == ["topic", None, "ad_id", None, None]
    in_feed = FieldLayout(listed_preset().declarations.query, domain=0)
    assert [field.name for field in in_feed.fields] == [
        name for name in names if name not in {"rank", "words"}
    ]


def test_a_table_that_both_sides_read_is_one_parameter_of_the_first() -> None:
    query, item = listed_tables()
    rows = {table.shared: rows for table, rows in zip(item.layout, item.read, strict=True)}
    shared = [(t, own) for t, own in zip(query.layout, query.read, strict=True) if t.shared is not None]
    assert len(shared) == 2
    assert all(rows[table.shared] is own for table, own in shared)
    assert len(query.tables) == len(query.layout)
    assert len(item.tables) == 0


def test_a_value_in_a_list_has_the_embedding_that_it_has_as_a_single_value() -> None:
    query, item = listed_tables()
    seven, one = torch.tensor([7]), torch.tensor([1])
    sevens = [ListInput(seven, one, torch.ones(1), one, one) for _ in listed_features()]
    often = torch.tensor([100])
    query.observe(torch.tensor([[1]]), sevens, often)
    item.observe(torch.tensor([[7, 7]]), sevens[:1], often)
    first = {
        table.features[0].name: values[0, 0, 0]
        for tables, found in (
            (query, query(torch.tensor([[1]]), sevens)),
            (item, item(torch.tensor([[7, 7]]), [replace(sevens[0], weights=None)])),
        )
        for table, (values, _) in zip(tables.layout, found, strict=True)
    }
    torch.testing.assert_close(first["recent_ads"], first["ad_id"])
    torch.testing.assert_close(first["topics"], first["topic"])
    torch.testing.assert_close(first["further_topics"], first["topic"])

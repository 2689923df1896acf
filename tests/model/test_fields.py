"""Where tables are, what they give back, and which values are admitted."""

from collections.abc import Sequence

import torch

from mtmd.config import Declarations, Domains, SideSchema, Task
from mtmd.features import feature
from mtmd.model.batch import ListInput, SideInput
from mtmd.model.fields import Admission, FieldLayout, FieldTables, Owned
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


def rows(categorical: list[list[int]], lists: Sequence[ListInput] = ()) -> SideInput:
    """Rows of one domain, without numbers."""
    none = torch.empty(len(categorical), 0)
    return SideInput(none, torch.tensor(categorical), none, (len(categorical),), tuple(lists))


def test_ids_read_their_own_features_rows_in_each_copy() -> None:
    layout = FieldLayout(schema())
    tables = FieldTables(layout, copies=2)
    with torch.no_grad():  # row number as value
        for table in tables.tables:
            table.copy_(torch.arange(len(table)).unsqueeze(1).expand_as(table).float())
    # shape, maker, colour, size
    (colour, known), (maker, _), (shallow, _) = tables(rows([[3, 5, 0, 7], [0, 1, 2, 4]]))
    assert colour[:, :, 0, 0].tolist() == [[0, 2], [3, 5]]  # 3 rows a copy
    assert known.tolist() == [[False], [True]]
    assert maker[:, :, 0, 0].tolist() == [[5, 1], [11, 7]]  # 6 rows a copy
    assert shallow[0, :, :, 0].tolist() == [[3, 4 + 7], [0, 4 + 4]]  # shape has 4 rows, then size


def listed_tables() -> tuple[FieldTables, FieldTables]:
    """Of the query side and the item side."""
    declarations = listed_preset().declarations
    owned: Owned = {}
    query = FieldTables(FieldLayout(declarations.query), owned=owned)
    return query, FieldTables(FieldLayout(declarations.item), owned=owned)


def test_a_table_that_both_sides_read_is_one_parameter_of_the_first() -> None:
    query, item = listed_tables()
    rows = {table.shared: rows for table, rows in zip(item.layout, item.read, strict=True)}
    shared = [(t, own) for t, own in zip(query.layout, query.read, strict=True) if t.shared is not None]
    assert len(shared) == 2
    assert all(rows[table.shared] is own for table, own in shared)
    assert len(query.tables) == len(query.layout)
    assert len(item.tables) == 0


ONCE = feature(name="a", side="query", kind="categorical", buckets=3)
OFTEN = ONCE.model_copy(update={"name": "b", "min_count": 3})


def test_values_are_counted_by_feature_and_rare_ones_are_read_as_missing() -> None:
    admission = Admission((ONCE, OFTEN), (0, 4), 8)
    admission.observe(torch.tensor([[1, 1], [2, 2], [2, 2]]), torch.tensor([1, 2, 1]))
    assert admission.seen.tolist() == [0, 1, 3, 0, 0, 1, 3, 0]
    ids = torch.tensor([[1, 1], [2, 2], [3, 3], [0, 0]])
    assert admission(ids).tolist() == [[1, 0], [2, 2], [3, 0], [0, 0]]
    assert admission.admitted(0, 3).tolist() == [True] * 4
    assert admission.admitted(1, 3).tolist() == [False, False, True, False]

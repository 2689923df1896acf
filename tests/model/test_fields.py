"""Where tables are, what they give back, and which values are admitted."""

import torch

from mtmd.config import Declarations, Domains, SideSchema, Task
from mtmd.features import feature
from mtmd.model.batch import SideInput
from mtmd.model.fields import Admission, FieldLayout, FieldTables


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


def rows(categorical: list[list[int]]) -> SideInput:
    """Rows of one domain, without numbers."""
    none = torch.empty(len(categorical), 0)
    return SideInput(none, torch.tensor(categorical), none, (len(categorical),))


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

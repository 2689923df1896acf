"""Which column holds which field, and what the tables give back."""

import pytest
import torch

from mtmd.config import Domains, Feature, SideSchema, Task
from mtmd.config.features import Declarations
from mtmd.errors import ConfigError
from mtmd.model.fields import FieldLayout, FieldTables


def schema() -> SideSchema:
    features = (
        Feature(name="shape", side="item", kind="categorical", buckets=3, width=2, shallow=True),
        Feature(name="maker", side="item", kind="categorical", buckets=5, width=4),
        Feature(name="price", side="item", kind="continuous", domains=("b",)),
        Feature(name="colour", side="item", kind="categorical", buckets=2, width=2, domains=("a",)),
        Feature(name="vector", side="item", kind="embedding", width=3),
        Feature(name="size", side="item", kind="categorical", buckets=7, width=2, shallow=True),
        Feature(name="age", side="item", kind="continuous"),
        Feature(name="hour", side="query", kind="categorical", buckets=3, shallow=True),
    )
    domains = Domains(surfaces=("s",), products=("a", "b"), tasks=(Task(name="ctr", label="clicked"),))
    return Declarations(domains=domains, features=features).item


def test_columns_are_numbers_vectors_deep_then_shallow_categories() -> None:
    layout = FieldLayout(schema())
    names = [field.name for field in layout.fields]
    assert names == ["price", "age", "vector", "colour", "maker", "shape", "size"]
    assert layout.widths == (1, 1, 3, 2, 4, 2, 2)
    assert (layout.width, layout.numeric_width, layout.shallow_width) == (15, 5, 4)


def test_present_columns_follow_the_declared_domains() -> None:
    layout = FieldLayout(schema())
    assert layout.present_columns(0).tolist() == [False] + [True] * 14
    assert layout.present_columns(1).tolist() == [True] * 5 + [False] * 2 + [True] * 8


def test_a_domain_layout_has_only_its_own_fields() -> None:
    layout = FieldLayout(schema(), domain=0)
    assert [field.name for field in layout.fields] == ["age", "vector", "colour", "maker", "shape", "size"]
    assert layout.numeric_columns == [1, 2, 3, 4]


def test_the_indicator_marks_the_columns_of_each_field() -> None:
    indicator = FieldLayout(schema()).indicator()
    assert indicator.sum(dim=0).tolist() == [1.0] * 15
    assert indicator.sum(dim=1).tolist() == [1.0, 1.0, 3.0, 2.0, 4.0, 2.0, 2.0]
    assert indicator[2].nonzero().squeeze(1).tolist() == [2, 3, 4]


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


def test_no_rows_are_no_reason_to_refuse() -> None:
    FieldTables(FieldLayout(schema())).check(torch.zeros(0, 4, dtype=torch.long))

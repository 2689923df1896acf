"""The log contract as code: columns, types and clashes."""

import pytest

from mtmd.config import Declarations, Domains, IdsConfig, Preset, Task
from mtmd.errors import ConfigError
from mtmd.features import feature
from mtmd.logs.contract import TABLES, outcome_columns, table_columns


def declare(task: str = "ctr", label: str = "clicked", **query: object) -> Declarations:
    country = {"name": "country", "side": "query", "kind": "categorical", "buckets": 8, "shallow": True}
    return Declarations(
        domains=Domains(tasks=(Task(name=task, label=label),)),
        features=(
            feature(**country | query),
            feature(name="goal", side="item", kind="categorical", buckets=8, shallow=True),
        ),
    )


def test_the_tables_of_a_preset_have_the_contracts_columns(tiny_preset: Preset) -> None:
    columns = table_columns(tiny_preset.declarations)
    assert tuple(columns) == TABLES
    assert columns["candidates"] == {
        "request_id": "BIGINT",
        "ad_id": "BIGINT",
        "ctr": "FLOAT",
        "gctr": "FLOAT",
        "octr": "FLOAT",
        "impressed": "BOOLEAN",
        "position": "INTEGER",
        "clicked": "BOOLEAN",
        "good_clicked": "BOOLEAN",
        "outbound_clicked": "BOOLEAN",
        "hidden": "BOOLEAN",
        "repinned": "BOOLEAN",
    }
    assert columns["requests"]["ts"] == "TIMESTAMP"
    assert columns["requests"]["user_vector"] == "FLOAT[]"
    assert columns["ads"]["price"] == "FLOAT"


def test_a_feature_on_a_contract_column_adds_no_column() -> None:
    assert table_columns(declare())["ads"] == {
        "ad_id": "BIGINT",
        "product": "VARCHAR",
        "goal": "VARCHAR",
        "bid": "FLOAT",
    }


def test_a_feature_that_retypes_a_contract_column_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"'user_id' has type VARCHAR, .* requests.user_id is BIGINT"):
        table_columns(declare(name="user_id"))
    assert table_columns(declare(name="user_id", type="BIGINT"))["requests"]["user_id"] == "BIGINT"


def test_ids_have_the_types_that_the_preset_declares() -> None:
    ids = IdsConfig(request="BIGINT", user="VARCHAR", ad="VARCHAR")
    columns = table_columns(declare(name="user_id").model_copy(update={"ids": ids}))
    assert columns["requests"] == {
        "user_id": "VARCHAR",
        "request_id": "BIGINT",
        "ts": "TIMESTAMP",
        "surface": "VARCHAR",
    }
    assert columns["ads"]["ad_id"] == "VARCHAR"
    assert {columns["candidates"][key] for key in ("request_id", "ad_id")} == {"BIGINT", "VARCHAR"}
    with pytest.raises(
        ConfigError, match=r"'user_id' has type BIGINT, .* is VARCHAR; set its type to VARCHAR"
    ):
        table_columns(declare(name="user_id", type="BIGINT").model_copy(update={"ids": ids}))


@pytest.mark.parametrize("task", ["clicked", "candidates", "product"])
def test_a_task_named_as_a_contract_column_is_an_error(task: str) -> None:
    with pytest.raises(ConfigError, match=rf"task '{task}' with label 'clicked': logs or their checks have"):
        table_columns(declare(task=task))


def test_a_label_of_ones_own_is_a_boolean_outcome_beside_the_contracts() -> None:
    columns = table_columns(declare(label="saved"))["candidates"]
    assert columns == table_columns(declare())["candidates"] | {"saved": "BOOLEAN"}
    assert list(outcome_columns(declare(label="saved").domains)) == [
        *outcome_columns(declare().domains),
        "saved",
    ]


@pytest.mark.parametrize("label", ["ad_id", "position", "ctr", "surface", "request_known"])
def test_a_label_that_is_a_column_of_another_type_is_an_error(label: str) -> None:
    words = rf"task 'ctr' with label '{label}': .* as label one of \['clicked', .*'repinned'\] or a boolean"
    with pytest.raises(ConfigError, match=words):
        table_columns(declare(label=label))

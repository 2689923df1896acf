"""Feature declarations and the place of each value in its matrices."""

import pytest
from pydantic import ValidationError

from mtmd.config import Declarations, Domains, Task
from mtmd.features import Feature, feature

DOMAINS = Domains(tasks=(Task(name="ctr", label="clicked"),))
COUNTRY = feature(name="country", side="query", kind="categorical", buckets=8, shallow=True)
TERM = feature(name="term", side="query", kind="categorical", buckets=9, domains=("search",))
AGE = feature(name="age", side="query", kind="continuous")
VECTOR = feature(name="vector", side="query", kind="embedding", width=4)
HISTORY = feature(name="history", side="query", kind="embedding", width=3, domains=("home_feed",))
FORMAT = feature(name="format", side="item", kind="categorical", buckets=4, shallow=True)
FEATURES = (VECTOR, TERM, COUNTRY, AGE, FORMAT, HISTORY)


LIST = {"kind": "multivalued", "buckets": 2, "max_length": 3}


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ({"kind": "continuous"}, "FLOAT"),
        ({"kind": "continuous", "type": "BIGINT"}, "BIGINT"),
        ({"kind": "categorical", "buckets": 2}, "VARCHAR"),
        ({"kind": "categorical", "buckets": 2, "type": "INTEGER"}, "INTEGER"),
        (LIST, "VARCHAR[]"),
        (LIST | {"type": "BIGINT"}, "BIGINT[]"),
        ({"kind": "embedding"}, "FLOAT[]"),
    ],
)
def test_the_column_type_follows_kind_and_type(given: dict[str, object], column: str) -> None:
    assert feature(name="x", side="query", **given).column_type == column


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Unable to extract tag using discriminator 'kind'"),
        ({"kind": "bool"}, "does not match any of the expected tags: 'continuous', 'categorical'"),
        ({"kind": "categorical"}, r"buckets\n +Field required"),
        ({"kind": "continuous", "buckets": 4}, "Extra inputs are not permitted"),
        ({"kind": "continuous", "type": "VARCHAR"}, "should be 'FLOAT', 'DOUBLE', 'INTEGER' or 'BIGINT'"),
        (
            {"kind": "categorical", "buckets": 4, "type": "FLOAT"},
            "should be 'VARCHAR', 'INTEGER' or 'BIGINT'",
        ),
        ({"kind": "embedding", "type": "VARCHAR"}, "should be 'FLOAT'"),
        ({"kind": "categorical", "buckets": 2**31 - 1}, "less than or equal to 2147483646"),
        ({"kind": "continuous", "name": "Age"}, "should match pattern"),
        ({"kind": "categorical", "buckets": 4, "dropout": 0.1}, "has `dropout` and no `min_count`"),
        ({"kind": "categorical", "buckets": 4, "min_count": 1, "dropout": 1.0}, "less than 1"),
        (LIST | {"max_length": 1_001}, "less than or equal to 1000"),
    ],
)
def test_a_wrong_feature_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        feature(**{"name": "x", "side": "query"} | given)


def test_a_side_orders_its_features_by_kind_then_declaration() -> None:
    query = Declarations(domains=DOMAINS, features=FEATURES).query
    assert [f.name for f in query.fields] == ["age", "term", "country", "vector", "history"]
    assert query.vector_width == 7
    assert query.shallow == (1,)
    assert query.domains == DOMAINS.surfaces


def test_a_side_knows_which_domain_has_which_field() -> None:
    query = Declarations(domains=DOMAINS, features=FEATURES).query
    assert query.present.tolist() == [
        [True, False, True, True, True],  # home_feed: no term
        [True, True, True, True, False],  # search: no history
        [True, False, True, True, False],
    ]


def test_the_same_name_may_stand_on_both_sides() -> None:
    twin = COUNTRY.model_copy(update={"side": "item"})
    assert Declarations(domains=DOMAINS, features=(COUNTRY, twin)).item.fields == (twin,)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ((COUNTRY, AGE, AGE, FORMAT), r"features \[\('query', 'age'\)\] are declared more than once"),
        (
            (COUNTRY, FORMAT, AGE.model_copy(update={"domains": ("shopping",)})),
            r"'age' names domains \['shopping'\]; declared: \['home_feed', 'search', 'related_pin'\]",
        ),
        (
            (COUNTRY, FORMAT.model_copy(update={"domains": ("search",)})),
            r"'format' names domains \['search'\]; declared: \['standard', 'shopping'\]",
        ),
        ((COUNTRY, AGE), r"\['shopping', 'standard'\] of the item side have no feature; give them one"),
        (
            (COUNTRY, FORMAT.model_copy(update={"shallow": False})),
            r"the item side has no shallow feature; mark",
        ),
        ((AGE, FORMAT), r"the query side has no shallow feature"),
        ((COUNTRY,), r"at least 2 items"),
    ],
)
def test_wrong_declarations_are_refused(features: tuple[Feature, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Declarations(domains=DOMAINS, features=features)


def test_declarations_survive_json_and_are_frozen() -> None:
    declarations = Declarations(domains=DOMAINS, features=FEATURES, hash_seed=3)
    _ = declarations.query  # what is derived is no part of it
    assert Declarations.model_validate_json(declarations.model_dump_json()) == declarations
    with pytest.raises(ValidationError, match="frozen"):
        declarations.hash_seed = 4  # type: ignore[misc]


TERMS = feature(name="terms", side="query", kind="multivalued", buckets=9, max_length=5)


def test_lists_are_apart_from_single_categories() -> None:
    query = Declarations(domains=DOMAINS, features=(TERMS, *FEATURES)).query
    assert [f.name for f in query.categorical] == ["term", "country"]
    assert [f.name for f in query.lists] == ["terms"]
    assert query.fields[-1] is TERMS
    assert query.columns["terms"] == "VARCHAR[]"
    assert query.present[:, -1].all()


def test_features_of_either_side_share_a_table_and_its_hash() -> None:
    formats = TERMS.model_copy(update={"name": "formats", "table": "format", "buckets": 4})
    declarations = Declarations(domains=DOMAINS, features=(formats, *FEATURES))
    assert formats.hashed_as == "format"
    assert TERMS.hashed_as == "terms"
    assert declarations.query.shared == declarations.item.shared == {"format"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": "colour"}, "'terms' has table 'colour', which names 0 features that have a table of"),
        ({"table": "terms"}, "'terms' has table 'terms', which names 0 features"),
        ({"table": "further"}, "'terms' has table 'further', which names 0 features"),
        ({"table": "twice"}, "'terms' has table 'twice', which names 2 features"),
        ({"table": "term", "width": 8}, r"and \(9, 8\) buckets and width; they must be \(9, 16\)"),
        ({"table": "format"}, r"and \(9, 16\) buckets and width; they must be \(4, 16\)"),
    ],
)
def test_a_reference_to_what_is_none_is_refused(changes: dict[str, object], message: str) -> None:
    further = TERM.model_copy(update={"name": "further", "table": "term"})
    twice = [
        TERM.model_copy(update={"name": "twice", "side": side, "domains": None}) for side in ("query", "item")
    ]
    with pytest.raises(ValidationError, match=message):
        Declarations(domains=DOMAINS, features=(TERMS.model_copy(update=changes), further, *twice, *FEATURES))

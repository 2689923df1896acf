"""What a check says of lists, on staged tables made by hand."""

import duckdb
import pytest

from mtmd.config import Feature
from mtmd.project.day_lists import distinct_in_lists, list_findings
from mtmd.project.findings import Level

WORDS = Feature(name="words", side="query", kind="categorical", buckets=50, multi=True, max_length=3)
WEIGHTED = WORDS.model_copy(update={"weights": "word_weights"})


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    made.execute(
        'create table requests (words varchar[], "words.length" integer, "words.nulls" integer, '
        '"words.weights" boolean)'
    )
    return made


def findings(connection: duckdb.DuckDBPyConnection, feature: Feature, *rows: str) -> dict[Level, str]:
    connection.execute(f"insert into requests values {', '.join(rows)}")
    return {found.level: found.text for found in list_findings(connection, "requests", [feature])}


def test_sound_lists_have_their_lengths_said(connection: duckdb.DuckDBPyConnection) -> None:
    rows = ("(['a', 'b'], 2, 0, true)", "(null, 0, 0, true)", "(['a'], 1, 0, true)")
    said = findings(connection, WEIGHTED, *rows)
    assert said == {Level.FACT: "lists of 1.0 values on average, 2 at most"}
    assert distinct_in_lists(connection, "requests", WORDS) == 2


def test_a_table_without_rows_has_no_lengths(connection: duckdb.DuckDBPyConnection) -> None:
    (found,) = list_findings(connection, "requests", [WORDS])
    assert found.text == "lists of 0.0 values on average, 0 at most"


@pytest.mark.parametrize(
    ("row", "level", "text"),
    [
        ("(['a', null], 2, 1, true)", Level.ERROR, "1 list with a null inside"),
        ("(['a'], 1000000, 0, true)", Level.ERROR, "a list of 1,000,000 values; 10,000 are allowed"),
        ("(['a'], 4, 0, true)", Level.WARNING, "1 list of more than max_length = 3 values"),
        (
            "(['a'], 1, 0, false)",
            Level.ERROR,
            "1 row without a number from 0 to 1e18 in word_weights for each value",
        ),
    ],
)
def test_what_is_wrong_with_a_list_is_found(
    connection: duckdb.DuckDBPyConnection, row: str, level: Level, text: str
) -> None:
    assert findings(connection, WEIGHTED, row)[level] == text


def test_actions_and_ages_are_looked_at_apart(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute('alter table requests add column "words.actions" boolean')
    noted = WEIGHTED.model_copy(update={"actions": "word_actions"})
    said = findings(connection, noted, "(['a'], 1, 0, true, false)", "(['a'], 1, 0, true, false)")
    assert said[Level.ERROR] == "2 rows without a text in word_actions for each value"

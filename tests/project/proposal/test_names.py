"""Names that a preset and SQL can have."""

import pytest

from mtmd.logs.sql import sql_name
from mtmd.project.proposal.names import preset_name, preset_names, sql_as, sql_domain, tokens


def test_names_are_read_in_words() -> None:
    assert tokens("requestId2") == ["request", "id2"]
    assert tokens("__AD-id") == ["ad", "id"]


@pytest.mark.parametrize(
    ("name", "proposed"),
    [("shopId", "shop_id"), ("2nd", "n_2nd"), ("Größe", "gr_e"), ("ホーム", "unnamed"), ("all", "all_2")],
)
def test_names_become_names_that_a_preset_can_have(name: str, proposed: str) -> None:
    assert preset_name(name) == proposed


def test_no_two_names_are_equal() -> None:
    assert preset_names(["shopId", "shop_id", "Shop id", "ts"], {"ts"}) == {
        "shopId": "shop_id",
        "shop_id": "shop_id_2",
        "Shop id": "shop_id_3",
        "ts": "ts_2",
    }


def test_a_column_is_in_quotes_where_it_must_be() -> None:
    assert [sql_name(name) for name in ("hour", "order", "Hour", 'a"b')] == [
        "hour",
        '"order"',
        '"Hour"',
        '"a""b"',
    ]
    assert sql_as("order", "order") == '"order"'
    assert sql_as("Hour", "hour") == '"Hour" as hour'


def test_values_of_a_domain_get_their_names() -> None:
    assert sql_domain("page", {"feed": "feed"}, "surface") == "page as surface"
    assert sql_domain("page", {"Home Feed": "home_feed", "it's": "it_s"}, "surface") == (
        "case page when 'Home Feed' then 'home_feed' when 'it''s' then 'it_s' else page end as surface"
    )

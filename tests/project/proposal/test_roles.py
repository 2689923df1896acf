"""Which columns are ids, times, surfaces, products, bids: by name, type and values."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.extract.database import session
from mtmd.project.engine import Connection
from mtmd.project.proposal.roles import Roles, find_roles
from mtmd.project.proposal.write import ad_columns
from tests.project.proposal.looked import looked

DAYS = [date(2026, 1, 4), date(2026, 1, 5)]
REQUESTS = {
    "requestId": "['r' || n for n in range(6)]",
    "session": "['s' || n for n in range(6)]",
    "sent_at": "[make_timestamp(1767571200000000 + n) for n in range(6)]",
    "viewer": "[n // 2 for n in range(6)]",
    "page": "['a', 'b', 'a', 'b', 'a', 'b']",
}
ADS = {
    "creative": "[10, 11, 12]",
    "kind": "['x', 'y', 'x']",
    "cpc": "[0.5, 1.0, 2.0]",
    "objective": "['click', 'click', 'conversion']",
}
CANDIDATES = {
    "request": "['r0', 'r0', 'r5', 'r1']",
    "ad": "[10, 11, 10, 12]",
    "shown": "[true, false, true, true]",
    "slot": "[0, null, 0, 1]",
    "p": "[0.1, 0.2, 0.3, 0.4]",
    "click": "[true, false, false, false]",
}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with session(tmp_path / "spill", [tmp_path]) as opened:
        yield opened


def _roles(connection: Connection, folder: Path, **changed: dict[str, str]) -> Roles:
    tables = {"requests": REQUESTS, "ads": ADS, "candidates": CANDIDATES} | changed
    looks = (looked(connection, folder, name, columns) for name, columns in tables.items())
    return find_roles(connection, *looks, DAYS)


def test_columns_are_known_by_name_type_and_values(connection: Connection, tmp_path: Path) -> None:
    roles = _roles(connection, tmp_path)
    assert (roles.request.own.name, roles.request.in_candidates) == ("requestId", "request")
    assert (roles.ad.own.name, roles.ad.in_candidates) == ("creative", "ad")
    assert roles.time.chosen.sql == "sent_at"
    parts = (
        roles.user,
        roles.surface.look,
        roles.product.look,
        roles.goal,
        roles.bid,
        roles.impressed,
        roles.position,
    )
    assert [look and look.name for look in parts] == [
        "viewer",
        "page",
        "kind",
        "objective",
        "cpc",
        "shown",
        "slot",
    ]
    assert roles.taken["candidates"] == {"request", "ad", "shown", "slot"}


def test_on_one_day_no_candidate_may_be_explored(connection: Connection, tmp_path: Path) -> None:
    roles = _roles(connection, tmp_path, candidates=CANDIDATES | {"explored": "[0, 0, 0, 0]"})
    assert roles.explored is not None
    assert roles.explored.truth == "cast(explored as boolean)"


def test_what_no_column_plays_is_left_open(connection: Connection, tmp_path: Path) -> None:
    requests = {name: REQUESTS[name] for name in ("requestId", "sent_at")}
    roles = _roles(connection, tmp_path, requests=requests, ads={"creative": ADS["creative"]})
    assert (roles.user, roles.surface.look, roles.product.look, roles.goal, roles.bid) == (None,) * 5


def test_a_group_of_users_is_no_user_and_bids_may_be_whole(connection: Connection, tmp_path: Path) -> None:
    requests = {name: column for name, column in REQUESTS.items() if name != "viewer"}
    requests |= {"user_group": "['a', 'b', 'a', 'b', 'a', 'b']", "uid": "[1, 2, 3, 1, 2, 3]"}
    ads = {name: column for name, column in ADS.items() if name != "cpc"} | {"bid": "[1, 2, 2]"}
    roles = _roles(connection, tmp_path, requests=requests, ads=ads)
    assert (roles.user and roles.user.name, roles.bid and roles.bid.name) == ("uid", "bid")


@pytest.mark.parametrize(
    ("bid", "sql"),
    [
        ("[1, 2, 25000000]", "cast(bid as float) as bid"),
        ("[1::ubigint, 2, 25000000]", "cast(bid as float) as bid"),
        ("[1::smallint, 2, 2]", "bid"),
        ("[1.5, 2, 2]", "bid"),
    ],
)
def test_a_bid_in_millionths_is_cast(connection: Connection, tmp_path: Path, bid: str, sql: str) -> None:
    ads = {name: column for name, column in ADS.items() if name != "cpc"} | {"bid": bid}
    assert ad_columns(_roles(connection, tmp_path, ads=ads))[-1] == sql


def test_a_table_without_rows_is_named(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(LogsError, match=r"requests\.parquet has 0 rows; at least 1 is required"):
        _roles(connection, tmp_path, requests={"request_id": "[]::bigint[]", "ts": "[]::timestamp[]"})

"""The profile of a staged day; its counts and means are pinned in test_runner.py."""

from hashlib import md5

from mtmd.validate.profiles import CELLS


def test_categories_are_counted_by_the_md5_of_their_values(logs) -> None:
    profile = logs.validate().profile
    found = {(one.table, one.domain, one.feature): one.cells for one in profile.categories}
    # Of the 20 requests of search two have no country, and all others a value of their own.
    cells = found["requests", "search", "country"]
    assert sum(cells.values()) == 18
    value = b"value-625"  # of request 1
    assert cells[int.from_bytes(md5(value).digest()[8:], "little") % CELLS] >= 1


def test_features_that_a_domain_lacks_have_no_categories(logs) -> None:
    profile = logs.validate().profile
    assert not [one for one in profile.categories if (one.domain, one.feature) == ("search", "history_topic")]
    assert profile.null_rates[0].rows == 20

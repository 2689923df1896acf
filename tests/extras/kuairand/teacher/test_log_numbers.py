"""Lists: their lengths, and how much of them is the category of the ad."""

import numpy as np
import pyarrow as pa
import pytest

from mtmd.config import Declarations, Feature
from mtmd.extras.kuairand.teacher.layout import listed_categories
from mtmd.extras.kuairand.teacher.log_numbers import SideRows, log_numbers
from tests.extras.kuairand.teacher.logs import DOMAINS

RECENT = Feature(
    name="recent", side="query", kind="categorical", buckets=50, multi=True, max_length=3, table="topic"
)
TAGS = Feature(name="tags", side="item", kind="categorical", buckets=50, multi=True, max_length=3)
TOPIC = Feature(name="topic", side="item", kind="categorical", buckets=50, shallow=True)
COUNTRY = Feature(name="country", side="query", kind="categorical", buckets=50, shallow=True)
DECLARATIONS = Declarations(domains=DOMAINS, features=(RECENT, COUNTRY, TAGS, TOPIC))


def test_a_list_meets_the_category_whose_table_it_shares() -> None:
    assert listed_categories(DECLARATIONS) == ((RECENT, TOPIC),)
    alone = RECENT.model_copy(update={"table": None})
    assert listed_categories(Declarations(domains=DOMAINS, features=(alone, COUNTRY, TAGS, TOPIC))) == ()


def test_lists_have_a_length_and_a_share() -> None:
    requests = pa.table({"recent": [["a", "b", "a"], [], None], "country": ["x", "x", "x"]})
    ads = pa.table({"tags": [["a"], None], "topic": pa.array(["a", None], pa.string())})
    requests = requests.set_column(0, "recent", requests["recent"].cast(pa.list_(pa.string())))
    sides = (
        SideRows(DECLARATIONS.query, requests, np.array([0, 0, 1, 2])),
        SideRows(DECLARATIONS.item, ads, np.array([0, 1, 0, 0])),
    )
    numbers = log_numbers(DECLARATIONS, sides, np.array([0, 0, 0, 0]))
    # hour sin, cos; length of recent; length of tags; share of recent that is the topic
    assert numbers[0] == pytest.approx([0, 1, np.log(4), np.log(2), 2 / 3])
    assert numbers[1] == pytest.approx([0, 1, np.log(4), 0, 0])
    assert numbers[2:, 2].tolist() == [0, 0]
    assert np.isnan(numbers[2:, 4]).all()

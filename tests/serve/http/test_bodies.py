"""Lists in the bodies that a bundle understands, and in what OpenAPI says of them."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.config import Preset
from mtmd.features.feature import LONGEST_LIST
from mtmd.serve.http.intake import Bodies, Settings
from mtmd.serve.http.intake import parsed as parsed_body
from tests.model.listed import listed_preset


@pytest.fixture(scope="module")
def bodies() -> Bodies:
    return Bodies(listed_preset().declarations, Settings())


def parsed(bodies: Bodies, **features: Any) -> dict[str, Any]:
    body = {"requests": [{"surface": "search", **features}]}
    (row,) = parsed_body(bodies.embed, json.dumps(body).encode())["requests"]
    return dict(row)


def test_lists_are_taken_as_they_are(bodies: Bodies) -> None:
    features = {"topics": [3, 3.0], "words": [], "recent_ads": [2**62]}
    assert parsed(bodies, **features) == {"surface": "search", **features}
    assert parsed(bodies, topics=None, words=["a"] * LONGEST_LIST)["words"] == ["a"] * LONGEST_LIST


@pytest.mark.parametrize(
    ("features", "where", "says"),
    [
        ({"topics": [1, None]}, "requests.0.topics.1", "valid integer"),
        ({"topics": [1, "two"]}, "requests.0.topics.1", "valid integer"),
        ({"topics": [2**31]}, "requests.0.topics.0", "less than or equal to 2147483647"),
        ({"topics": 5}, "requests.0.topics", "valid array"),
        ({"words": [["a"]]}, "requests.0.words.0", "valid string"),
        ({"words": [1]}, "requests.0.words.0", "valid string"),
        ({"words": ["a"] * (LONGEST_LIST + 1)}, "requests.0.words", "at most 10000 items"),
    ],
)
def test_what_is_no_list_of_values_is_refused_by_its_place(
    bodies: Bodies, features: dict[str, Any], where: str, says: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        parsed(bodies, **features)
    (wrong,) = refused.value.errors()
    assert ".".join(map(str, wrong["loc"])) == where
    assert says in wrong["msg"]


def test_openapi_says_how_long_lists_may_be_and_how_much_of_them_is_read(bodies: Bodies) -> None:
    properties = bodies.embed.model_json_schema()["$defs"]["Request"]["properties"]
    (words, _) = properties["words"]["anyOf"]
    assert (words["type"], words["items"]["type"], words["maxItems"]) == ("array", "string", LONGEST_LIST)
    assert words["description"] == "the first 5 are read"


@pytest.mark.parametrize("names", [("column_1", "feature_1"), ("column_0", "column_9")])
def test_features_may_have_the_names_of_the_bodys_own_fields(
    tiny_preset: Preset, names: tuple[str, str]
) -> None:
    """Anonymous columns are often numbered; numbers come before categories in a schema."""
    values = tiny_preset.model_dump(mode="json")
    renamed = dict(zip(("device", "user_activity"), names, strict=True))
    for feature in values["features"]:
        feature["name"] = renamed.get(feature["name"], feature["name"])
    bodies = Bodies(Preset.model_validate(values).declarations, Settings())
    features = dict(zip(names, ("phone", 3.0), strict=True))
    assert parsed(bodies, **features) == {"surface": "search", **features}


def test_numbers_that_validation_lets_pass_are_taken(tiny_preset: Preset) -> None:
    """Such as milliseconds since 1970, which are more than 1e12."""
    bodies = Bodies(tiny_preset.declarations, Settings())
    assert parsed(bodies, user_activity=1e18) == {"surface": "search", "user_activity": 1e18}
    with pytest.raises(ValidationError, match="user_activity"):
        parsed(bodies, user_activity=1.1e18)

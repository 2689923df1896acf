"""Which inputs a teacher of contract logs has, as a preset's declarations give them.

A heavyweight ranker sees request and ad together, as a two-tower model cannot: how this user took to this category of
ads, how this ad does on this surface. The choice of histories is bounded:

- user, ad, and the first 8 declared categories of ads;
- user × surface, user × product, ad × surface, surface × product, hour × surface;
- user × each of those categories that has at most 1,000 values.
"""

from mtmd.config import Declarations, Feature, SideSchema

FIELDS = ("user", "ad", "surface", "product", "hour")
CROSSES = (
    ("user", "surface"), ("user", "product"), ("ad", "surface"), ("surface", "product"), ("hour", "surface"),
)  # fmt: skip
NARROW = 16  # of a vector whose components are inputs; of all vectors there are cosines
_MOST_CATEGORIES = 8
_BYTES_OF_ROW = 17  # its day, its block, whether it was shown
_BYTES_OF_TASK = 24  # four truths, as numbers for the loss too, logit and score


def coded_features(schema: SideSchema) -> tuple[Feature, ...]:
    """Categorical features but for the ids of users and ads, which are fields anyway."""
    return tuple(feature for feature in schema.categorical if feature.name not in {"user_id", "ad_id"})


def field_name(feature: Feature) -> str:
    """Of a categorical feature: both sides may have one of the same name."""
    return f"{feature.side}.{feature.name}"


def history_categories(declarations: Declarations) -> tuple[str, ...]:
    """Fields of ads that have a history."""
    return tuple(field_name(feature) for feature in coded_features(declarations.item)[:_MOST_CATEGORIES])


def listed_categories(declarations: Declarations) -> tuple[tuple[Feature, Feature], ...]:
    """Each list with each category of the other side whose table it shares: their values mean the same."""
    query, item = declarations.query, declarations.item
    return tuple(
        (listed, category)
        for left, right in ((query, item), (item, query))
        for listed in left.lists
        for category in right.categorical
        if listed.hashed_as == category.hashed_as
    )


def row_bytes(declarations: Declarations) -> int:
    """Bytes that a fit holds of one row: codes (all; then frequent ones and the domain), numbers, histories, labels."""
    query, item = declarations.query, declarations.item
    tasks = len(declarations.domains.tasks)
    coded = len(FIELDS) + len(coded_features(query)) + len(coded_features(item))
    static = 2 + sum(left.width == right.width for left in query.embedding for right in item.embedding)
    static += len(listed_categories(declarations))
    for schema in (query, item):
        narrow = sum(feature.width for feature in schema.embedding if feature.width <= NARROW)
        static += 2 * len(schema.continuous) + len(schema.embedding) + len(schema.lists) + narrow
    keys = 2 + len(CROSSES) + 2 * len(history_categories(declarations))
    return 4 * (2 * coded + 1 + static + keys * (1 + tasks)) + _BYTES_OF_TASK * tasks + _BYTES_OF_ROW

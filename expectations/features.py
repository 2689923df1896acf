"""What the feature columns of `requests` and `ads` must hold; one query covers all features of a side."""

from collections.abc import Callable, Iterator, Sequence

from mtmd.config import COMPANION_TYPES, LARGEST_NUMBER, LONGEST_LIST, Feature, SideSchema
from mtmd.config.features import Companion
from mtmd.expectations.common import Expect, Measure, Severity, SuiteTable, listed, name, steady
from mtmd.logs.sql import literal

_LONGEST = 1024  # characters of a category that the service takes
_NO_NAME = 65_536  # characters that no category has: a document, or the rest of a file behind a lost quote


def feature_expectations(batch: SuiteTable, key: str, domain: str, schema: SideSchema) -> Iterator[Expect]:
    """Expectations on one side's features.

    `key` is the column that names a row, `domain` the column with its surface or product.
    """
    numbers = [feature for feature in schema.continuous if _is_floating(feature)]
    if numbers:
        yield _finite(key, numbers)
    if schema.embedding:
        yield _whole_vectors(key, schema.embedding)
    if texts := [feature for feature in schema.categorical + schema.lists if is_text(feature)]:
        yield from _short(key, texts)
    if schema.lists:
        yield from _lists(key, schema.lists)
    if any(feature.domains is not None for feature in schema.fields):
        yield _null_where_lacking(key, domain, schema)
    yield from _steady(batch, key, schema)


def _steady(batch: SuiteTable, key: str, schema: SideSchema) -> Iterator[Expect]:
    """That the side is as earlier days let expect."""
    yield from steady(
        batch,
        Measure.VOLUME,
        key,
        "A day with far more or fewer rows than usual was delivered twice, in part, or from another source.",
    )
    if schema.continuous:
        yield from steady(
            batch,
            Measure.MAGNITUDES,
            ", ".join(feature.name for feature in schema.continuous),
            "Numbers that are suddenly ten times as large or small are in another unit, or one of them is broken.",
        )
    if schema.continuous or schema.categorical:
        yield from steady(
            batch,
            Measure.CONSTANT,
            ", ".join(feature.name for feature in schema.continuous + schema.categorical),
            "A feature that has one value on a whole day, and had many before, is filled with a default: the model "
            "learns nothing from it, and unlearns what it knew.",
        )
    yield from steady(
        batch,
        Measure.NULLS,
        ", ".join(feature.name for feature in schema.fields),
        "A feature that goes missing in a domain, or is suddenly filled, shifts every score there, and the model "
        "learns its default instead of its values.",
    )
    if categories := schema.categorical + schema.lists:
        yield from steady(
            batch,
            Measure.CATEGORIES,
            ", ".join(feature.name for feature in categories),
            "Categories that are written otherwise than before are new to the model: what it learned of the old values "
            "is lost.",
        )


def missing_sql(feature: Feature) -> str:
    """SQL that is true where the feature is missing: null, or NaN, which many writers mean by it, or an empty list."""
    if feature.kind == "embedding":
        return f"{length_column(feature)} is null"
    if feature.multi:
        return f"({length_column(feature)} = 0)"
    if _is_floating(feature):
        return f"({name(feature.name)} is null or isnan({name(feature.name)}))"
    return f"{name(feature.name)} is null"


def length_column(feature: Feature) -> str:
    """Quoted column of the staged table with the length of a vector, null where the vector is; or of a list."""
    return name(f"{feature.name}.length")


def longest_column(feature: Feature) -> str:
    """Quoted column of the staged table: the characters of the longest text that is read of a list; null if none is."""
    return name(f"{feature.name}.longest")


def nulls_column(feature: Feature) -> str:
    """Quoted column of the staged table: how many nulls are inside of a list."""
    return name(f"{feature.name}.nulls")


def companion_column(feature: Feature, what: Companion) -> str:
    """Quoted column of the staged table: whether there is a sound weight, action or age for each value of a list."""
    return name(f"{feature.name}.{what}")


def finite_column(feature: Feature) -> str:
    """Quoted column of the staged table: whether each component is at most LARGEST_NUMBER; null if missing."""
    return name(f"{feature.name}.finite")


def is_text(feature: Feature) -> bool:
    """Whether the values of a category, or of a list of them, are text."""
    return feature.column_type in {"VARCHAR", "VARCHAR[]"}


def _longest(feature: Feature) -> str:
    return longest_column(feature) if feature.multi else f"length({name(feature.name)})"


def _is_floating(feature: Feature) -> bool:
    return feature.column_type in {"FLOAT", "DOUBLE"}


def _offenders(
    what: str,
    why: str,
    key: str,
    features: Sequence[Feature],
    condition: Callable[[Feature], str],
    severity: Severity = Severity.CRITICAL,
) -> Expect:
    """The `condition` is true of no feature in any row; the samples name those of which it is."""
    conditions = {feature.name: condition(feature) for feature in features}
    names = ", ".join(f"case when {sql} then {literal(feature)} end" for feature, sql in conditions.items())
    return Expect(
        name=what,
        column=", ".join(conditions),
        description=why,
        query=f"select {key}, concat_ws(', ', {names}) as features from {{batch}} where {{where}} order by all",
        where=" or ".join(conditions.values()),
        severity=severity,
    )


def _finite(key: str, features: list[Feature]) -> Expect:
    return _offenders(
        "numbers_finite",
        "An infinite feature makes its whole domain's statistics infinite, then every score; so does one whose square "
        "is beyond a float32.",
        key,
        features,
        lambda feature: (
            f"(abs({name(feature.name)}) > {LARGEST_NUMBER:g} and not isnan({name(feature.name)}))"
        ),
    )


def _short(key: str, features: list[Feature]) -> Iterator[Expect]:
    def longer_than(limit: int) -> Callable[[Feature], str]:
        return lambda feature: f"({_longest(feature)} > {limit})"

    yield _offenders(
        "categories_bounded",
        f"A text of more than {_NO_NAME} characters is a document, or what follows a lost quote or separator: the "
        "model would learn a category that never comes again, and whatever the text swallowed is lost.",
        key,
        features,
        longer_than(_NO_NAME),
    )
    yield _offenders(
        "categories_short",
        f"A category of more than {_LONGEST} characters is no name of anything, and the service refuses it.",
        key,
        features,
        longer_than(_LONGEST),
        Severity.WARNING,
    )


def _whole_vectors(key: str, features: tuple[Feature, ...]) -> Expect:
    return _offenders(
        "vectors_whole",
        "A vector of another length, or with a hole, comes from another embedding model than the rest; the tower "
        "would read it as if it meant the same. So does one with a number whose square is beyond a float32.",
        key,
        features,
        lambda feature: f"({length_column(feature)} <> {feature.width} or not {finite_column(feature)})",
    )


def _lists(key: str, features: tuple[Feature, ...]) -> Iterator[Expect]:
    yield _offenders(
        "lists_whole",
        f"A null inside of a list says that the writer lost a value, a list of more than {LONGEST_LIST} values that it "
        "joined too much: both are refused when the day is extracted.",
        key,
        features,
        lambda feature: f"({nulls_column(feature)} > 0 or {length_column(feature)} > {LONGEST_LIST})",
    )
    yield _offenders(
        "lists_within_max_length",
        "Values after the first `max_length` are never read: raise it, or write the ones that matter first.",
        key,
        features,
        lambda feature: f"({length_column(feature)} > {feature.max_length})",
        Severity.WARNING,
    )
    for what in COMPANION_TYPES:
        if having := [feature for feature in features if what in feature.companions]:
            yield _sound(key, having, what)


def _sound(key: str, features: Sequence[Feature], what: Companion) -> Expect:
    return _offenders(
        f"list_{what}_sound",
        f"A list has one of its {what} for each value, none of them null, and as numbers 0 to {LARGEST_NUMBER:g}. "
        "Others would turn the list into anything, and the service refuses them; where there are more or fewer, they "
        "belong to other values.",
        key,
        features,
        lambda feature: f"(not {companion_column(feature, what)})",
    )


def _null_where_lacking(key: str, domain: str, schema: SideSchema) -> Expect:
    limited = [feature for feature in schema.fields if feature.domains is not None]

    def lacking(feature: Feature) -> tuple[str, ...]:
        return tuple(d for d in schema.domains if d not in (feature.domains or ()))

    return _offenders(
        "features_null_where_lacking",
        "A value in a domain that is declared to lack the feature is never read: the declaration or the join behind "
        "the column is wrong.",
        key,
        limited,
        lambda feature: f"({domain} in ({listed(lacking(feature))}) and not {missing_sql(feature)})",
    )


def null_rates_sql(domain: str, schema: SideSchema, source: str) -> str:
    """Query with one row per domain of `source`: "domain.name", "domain.rows", each feature's null rate by name."""
    rates = ", ".join(
        f"avg(cast({missing_sql(feature)} as double)) as {name(feature.name)}" for feature in schema.fields
    )
    known = listed(schema.domains)
    return (
        f'select {domain} as "domain.name", count(*) as "domain.rows", {rates} from {source} '
        f"where {domain} in ({known}) group by {domain}"
    )

"""What the feature columns of `requests` and `ads` must hold; one query covers all features of a side."""

from collections.abc import Iterator

from mtmd.config import SideSchema
from mtmd.expectations.common import Expect, Severity, listed
from mtmd.features import Check, Feature
from mtmd.logs.sql import literal

_LACKING = Check(
    "features_null_where_lacking",
    "A value in a domain that is declared to lack the feature is never read: the declaration or the join behind the "
    "column is wrong.",
    "",
)


def feature_expectations(key: str, domain: str, schema: SideSchema) -> Iterator[Expect]:
    """Expectations on one side's features: one for each check of their kinds, and one for domains that lack some.

    `key` is the column that names a row, `domain` the column with its surface or product.
    """
    checks: dict[str, Check] = {}
    wrong: dict[str, dict[str, str]] = {}
    of_kinds = [
        (f, check)
        for f in (*schema.continuous, *schema.embedding, *schema.categorical, *schema.lists)
        for check in f.checks()
    ]
    of_domains = [(f, _lacking(f, domain, schema)) for f in schema.fields if f.domains is not None]
    for feature, check in of_kinds + of_domains:
        checks[check.name] = check
        wrong.setdefault(check.name, {})[feature.name] = check.wrong
    for name, check in checks.items():
        yield _offenders(check, key, wrong[name])


def _lacking(feature: Feature, domain: str, schema: SideSchema) -> Check:
    lacking = [name for name in schema.domains if name not in (feature.domains or ())]
    return _LACKING._replace(
        wrong=f"({domain} in ({listed(tuple(lacking))}) and not {feature.missing_sql()})"
    )


def _offenders(check: Check, key: str, wrong: dict[str, str]) -> Expect:
    """`wrong`, by feature, is true of no feature in any row; the samples name those of which it is."""
    names = ", ".join(f"case when {sql} then {literal(feature)} end" for feature, sql in wrong.items())
    where = " or ".join(wrong.values())
    return Expect(
        name=check.name,
        column=", ".join(wrong),
        description=check.why,
        query=f"select {key}, concat_ws(', ', {names}) as features from {{batch}} where {where} order by all",
        severity=Severity.CRITICAL if check.stops else Severity.WARNING,
    )


def null_rates_sql(domain: str, schema: SideSchema, source: str) -> str:
    """Query with one row per domain of `source`: "domain.name", "domain.rows", each feature's null rate by name."""
    rates = ", ".join(
        f"avg(cast({feature.missing_sql()} as double)) as {feature.quoted}" for feature in schema.fields
    )
    known = listed(schema.domains)
    return (
        f'select {domain} as "domain.name", count(*) as "domain.rows", {rates} from {source} '
        f"where {domain} in ({known}) group by {domain}"
    )

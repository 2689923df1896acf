"""The bodies that a bundle understands: models made from its declarations, for validation and for OpenAPI alike.

Ids have the type that the bundle declares. A BIGINT may be written as text too, because JavaScript's numbers hold whole
ones only up to 2^53.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    create_model,
)

from mtmd.config import LARGEST_NUMBER, LONGEST_LIST, Declarations, Feature
from mtmd.logs.contract import id_types
from mtmd.logs.ids import LONGEST_ID, Id
from mtmd.serve.http.intake import Detail, Refused, Settings
from mtmd.serve.ranker import Row

_SHOWN = 5  # of the things that are wrong with a body
_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,18}")
_STRICT = ConfigDict(extra="forbid", strict=True)


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 3.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decimal(value: Any) -> Any:
    """The integer that a text says, if it says one; anything else as it is."""
    return int(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else _whole(value)


def _integer(bits: int) -> Any:
    return Annotated[int, Field(strict=True, ge=-(2**bits), le=2**bits - 1), BeforeValidator(_whole)]


def _number(least: float, most: float = LARGEST_NUMBER) -> Any:
    return Annotated[float, Field(strict=True, allow_inf_nan=False, ge=least, le=most)]


def _list(value: Any, most: int = LONGEST_LIST, least: int = 0, says: str | None = None) -> Any:
    """A type that is made for a bundle."""
    return Annotated[list[value], Field(min_length=least, max_length=most, description=says)]


_TEXT = Annotated[str, Field(strict=True, max_length=1024)]
_BIG = Annotated[
    int,
    Field(strict=True, ge=-(2**63), le=2**63 - 1),
    BeforeValidator(
        _decimal,
        json_schema_input_type=_integer(63) | Annotated[str, Field(pattern=f"^({_DECIMAL.pattern})$")],
    ),
]
_UUID = Annotated[UUID, PlainSerializer(str)]
_IDS: dict[str, Any] = {
    "BIGINT": _BIG,
    "VARCHAR": Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00]*$")],
    "UUID": _UUID,
}
_NUMBERS: dict[str, Any] = {
    **dict.fromkeys(("FLOAT", "DOUBLE"), _number(-LARGEST_NUMBER)),
    "INTEGER": _integer(31),
    "BIGINT": _integer(63),
}
_CATEGORIES: dict[str, Any] = _NUMBERS | {"BIGINT": _BIG, "VARCHAR": _TEXT, "UUID": _UUID}  # many are ids
_COMPANIONS: dict[str, Any] = {
    "weights": _list(_number(0)),
    "actions": _list(_TEXT),
    "ages": _list(_number(0)),
}
IdsAs = Annotated[
    Literal["declared", "string"],
    Field(
        description="how the answer writes ids: as they are declared, or as strings, where BIGINT is a number too"
    ),
]


@dataclass(frozen=True)
class Call:
    """A validated body; one of /embed has no more than requests and ids."""

    requests: list[Row]
    ids: IdsAs
    top_k: int = 0
    rank_by: str | dict[str, float] | None = (
        None  # a task, by default the first, or weights of tasks for a utility
    )
    ad_ids: list[Id] | None = None


class Bodies:
    """The bodies of /rank and /embed that one bundle understands."""

    def __init__(self, declarations: Declarations, settings: Settings) -> None:
        tasks: Any = Literal[declarations.domains.task_names]
        requests = _list(_row(declarations), settings.requests, 1, "raw requests, as the logs have them")
        ads = _list(_IDS[declarations.ids.ad], settings.ads)
        weight = _number(-1e6, 1e6)
        weights: Any = Annotated[dict[tasks, weight], Field(min_length=1)]  # type: ignore[valid-type]
        by = "a task (default: the first), or weights: bid × Σ weight × P(task)"
        named = "rank these published ads only; each counts once. Default: all"
        count: Any = Annotated[int, Field(strict=True, ge=1, le=settings.top_k), BeforeValidator(_whole)]
        shared: dict[str, Any] = {"requests": (requests, ...), "ids": (IdsAs, "declared")}
        self.embed: type[BaseModel] = create_model("EmbedRequest", __config__=_STRICT, **shared)
        self.rank: type[BaseModel] = create_model(
            "RankRequest",
            __config__=_STRICT,
            **shared,
            rank_by=(tasks | weights | None, Field(None, description=by)),
            top_k=(count, 10),
            ad_ids=(ads | None, Field(None, description=named)),
        )


def parsed(model: type[BaseModel], body: bytes) -> Call:
    """A body of a model of `Bodies`; raises Refused with 400 for what is not JSON, 422 for what it does not accept."""
    try:
        read = model.model_validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
    else:
        return Call(**read.model_dump(by_alias=True, exclude_none=True))
    details = [
        Detail(where=".".join(map(str, fault["loc"]))[:200], says=fault["msg"][:300])
        for fault in wrong[:_SHOWN]
    ]
    if wrong[0]["type"] == "json_invalid":
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is not JSON that can be read", details)
    count = "1 value" if len(wrong) == 1 else f"{len(wrong)} values"
    text = f"{count} of the body cannot be read; /openapi.json describes what is accepted"
    raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, text, details)


def _row(declarations: Declarations) -> type[BaseModel]:
    """A raw request: its surface, and any of the declared features; an absent one is null.

    Fields are numbered, since a feature may have any name; the names are aliases.
    """
    query = declarations.query
    ids = {column: _IDS[kind] for column, kind in id_types("requests", declarations.ids).items()}
    fields: dict[str, Any] = {
        "request_id": (ids["request_id"] | None, Field(None, description="comes back with the answer")),
        "surface": (Literal[declarations.domains.surfaces], ...),
    }
    reserved = frozenset(fields)
    columns = {feature.name: ids.get(feature.name) or _type(feature) for feature in query.fields}
    columns |= {c: _COMPANIONS[what] for feature in query.lists for what, c in feature.companions.items()}
    for number, (name, kind) in enumerate(columns.items()):
        if name not in reserved:
            fields[f"column_{number}"] = (kind | None, Field(None, alias=name))
    made: type[BaseModel] = create_model("Request", __config__=_STRICT, **fields)
    return made


def _type(feature: Feature) -> Any:
    if feature.kind == "embedding":
        return _list(_number(-LARGEST_NUMBER), feature.width, feature.width)
    if feature.multi:
        return _list(_CATEGORIES[feature.type or "VARCHAR"], says=f"the first {feature.max_length} are read")
    return (_CATEGORIES if feature.kind == "categorical" else _NUMBERS)[feature.column_type]

"""The bodies that a bundle understands: models made from its declarations, for validation and for OpenAPI alike.

Ids have the type that the bundle declares. A BIGINT may be written as text too, because JavaScript's numbers hold whole
ones only up to 2^53.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from mtmd.config import LARGEST_NUMBER, LONGEST_LIST, Declarations, Feature
from mtmd.logs.contract import id_types
from mtmd.logs.ids import LONGEST_ID, Id
from mtmd.serve.http.intake import Detail, Refused, Settings
from mtmd.serve.ranker import Row

_TEXT = 1024  # characters of a categorical value
_SHOWN = 5  # of the things that are wrong with a body
_WEIGHT = 1e6

_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,18}")

_STRICT = ConfigDict(extra="forbid", strict=True)

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Text = Annotated[str, Field(strict=True, max_length=_TEXT)]
_Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=LARGEST_NUMBER)]
_COMPANIONS: dict[str, Any] = {
    "weights": Annotated[list[_Amount], Field(max_length=LONGEST_LIST)],
    "actions": Annotated[list[Text], Field(max_length=LONGEST_LIST)],
    "ages": Annotated[list[_Amount], Field(max_length=LONGEST_LIST)],
}


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 3.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decimal(value: Any) -> Any:
    """The integer that a text says, if it says one; anything else as it is."""
    return int(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else _whole(value)


Int32 = Annotated[int, Field(strict=True, ge=-(2**31), le=2**31 - 1), BeforeValidator(_whole)]
Int64 = Annotated[int, Field(strict=True, ge=-(2**63), le=2**63 - 1), BeforeValidator(_whole)]
_Int64Text = Annotated[str, Field(pattern=f"^({_DECIMAL.pattern})$", description="the number in decimal")]
BigId = Annotated[
    int,
    Field(strict=True, ge=-(2**63), le=2**63 - 1),
    BeforeValidator(_decimal, json_schema_input_type=Int64 | _Int64Text),
]
TextId = Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00]*$")]

_IDS: dict[str, Any] = {"BIGINT": BigId, "VARCHAR": TextId, "UUID": UUID}
_TYPES: dict[str, Any] = {
    "FLOAT": Number,
    "DOUBLE": Number,
    "INTEGER": Int32,
    "BIGINT": Int64,
    "VARCHAR": Text,
    "UUID": UUID,
}
_VALUES = _TYPES | {"BIGINT": BigId}  # of categories: many are ids of something
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
    rank_by: str | dict[str, float] = ""  # a task, or weights of tasks for a utility
    top_k: int = 0
    ad_ids: list[Id] | None = None


class Bodies:
    """The bodies of /rank and /embed that one bundle understands."""

    def __init__(self, declarations: Declarations, settings: Settings) -> None:
        row, tasks = _row(declarations), declarations.domains.task_names
        what = "raw requests, as the logs have them"
        requests: Any = Annotated[
            list[row],  # type: ignore[valid-type]  # a model made a moment ago
            Field(min_length=1, max_length=settings.requests, description=what),
        ]
        task: Any = Literal[tasks]
        weight = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-_WEIGHT, le=_WEIGHT)]
        weights = Annotated[dict[task, weight], Field(min_length=1)]
        ad_id = _IDS[declarations.ids.ad]
        ads = Annotated[list[ad_id], Field(max_length=settings.ads)]  # type: ignore[valid-type]
        by = "a task (default: the first), or weights: bid × Σ weight × P(task)"
        named = "rank these published ads only; each counts once. Default: all"
        count = Annotated[int, Field(strict=True, ge=1, le=settings.top_k), BeforeValidator(_whole)]
        self._default = tasks[0]
        self.embed: type[BaseModel] = create_model(
            "EmbedRequest", __config__=_STRICT, requests=(requests, ...), ids=(IdsAs, "declared")
        )
        self.rank: type[BaseModel] = create_model(
            "RankRequest",
            __config__=_STRICT,
            requests=(requests, ...),
            rank_by=(task | weights | None, Field(None, description=by)),
            top_k=(count, 10),
            ad_ids=(ads | None, Field(None, description=named)),
            ids=(IdsAs, "declared"),
        )

    def parse_rank(self, body: bytes) -> Call:
        """Raises Refused with 400 for what is not JSON, 422 for what the bundle does not understand."""
        asked: Any = _parse(self.rank, body)
        rows = [_plain(row) for row in asked.requests]
        ad_ids = None if asked.ad_ids is None else [_text_of_uuid(ad_id) for ad_id in asked.ad_ids]
        return Call(rows, asked.ids, asked.rank_by or self._default, asked.top_k, ad_ids)

    def parse_embed(self, body: bytes) -> Call:
        """Raises as `parse_rank` does."""
        asked: Any = _parse(self.embed, body)
        return Call([_plain(row) for row in asked.requests], asked.ids)


def _row(declarations: Declarations) -> type[BaseModel]:
    """A raw request: its surface, and any of the declared features; an absent one is null.

    Fields are numbered, since a feature may have any name; the names are aliases.
    """
    ids = {column: _IDS[kind] for column, kind in id_types("requests", declarations.ids).items()}
    fields: dict[str, Any] = {
        "request_id": (ids["request_id"] | None, Field(None, description="comes back with the answer")),
        "surface": (Literal[declarations.domains.surfaces], ...),
    }
    reserved = frozenset(fields)
    for number, feature in enumerate(declarations.query.fields):
        if feature.name not in reserved:
            fields[f"feature_{number}"] = (
                ids.get(feature.name, _type(feature)) | None,
                Field(None, alias=feature.name),
            )
    companions = {
        column: (what, feature.name)
        for feature in declarations.query.lists
        for what, column in feature.companions.items()
    }
    for number, (column, (what, name)) in enumerate(companions.items()):
        words = f"{what}, one for each value of {name}"
        fields[f"companion_{number}"] = (
            _COMPANIONS[what] | None,
            Field(None, alias=column, description=words),
        )
    return create_model("Request", __config__=_STRICT, **fields)


def _type(feature: Feature) -> Any:
    if feature.kind == "embedding":
        return Annotated[list[Number], Field(min_length=feature.width, max_length=feature.width)]
    if feature.multi:
        words = f"the first {feature.max_length} are read"
        value = _VALUES[feature.type or "VARCHAR"]
        return Annotated[list[value], Field(max_length=LONGEST_LIST, description=words)]  # type: ignore[valid-type]
    return _VALUES[feature.column_type] if feature.kind == "categorical" else _TYPES[feature.column_type]


def _plain(row: BaseModel) -> Row:
    values = row.model_dump(by_alias=True, exclude_none=True)
    return {name: _text_of_uuid(value) for name, value in values.items()}


def _text_of_uuid(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _parse(model: type[BaseModel], body: bytes) -> BaseModel:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
    details = [
        Detail(where=".".join(map(str, fault["loc"]))[:200], says=fault["msg"][:300])
        for fault in wrong[:_SHOWN]
    ]
    if wrong[0]["type"] == "json_invalid":
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is not JSON that can be read", details)
    count = "1 value" if len(wrong) == 1 else f"{len(wrong)} values"
    text = f"{count} of the body cannot be read; /openapi.json describes what is accepted"
    raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, text, details)

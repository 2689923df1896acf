"""The bodies that a bundle understands: types made from its declarations, for validation and for OpenAPI alike."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from mtmd.config import LONGEST_LIST, Declarations, Feature
from mtmd.serve.http.intake import Detail, Refused, Settings
from mtmd.serve.ranker import Row

_NUMBER = 1e12  # far beyond any log's numbers, and squares of it are float32 numbers still
_TEXT = 1024  # characters of a categorical value
_SHOWN = 5  # of the things that are wrong with a body
_WEIGHT = 1e6

_STRICT = ConfigDict(extra="forbid", strict=True)

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-_NUMBER, le=_NUMBER)]
Text = Annotated[str, Field(strict=True, max_length=_TEXT)]
_Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=_NUMBER)]
_COMPANIONS: dict[str, Any] = {
    "weights": Annotated[list[_Amount], Field(max_length=LONGEST_LIST)],
    "actions": Annotated[list[Text], Field(max_length=LONGEST_LIST)],
    "ages": Annotated[list[_Amount], Field(max_length=LONGEST_LIST)],
}


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 3.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Int32 = Annotated[int, Field(strict=True, ge=-(2**31), le=2**31 - 1), BeforeValidator(_whole)]
Int64 = Annotated[int, Field(strict=True, ge=-(2**63), le=2**63 - 1), BeforeValidator(_whole)]

_TYPES: dict[str, Any] = {
    "FLOAT": Number,
    "DOUBLE": Number,
    "INTEGER": Int32,
    "BIGINT": Int64,
    "VARCHAR": Text,
}


@dataclass(frozen=True)
class RankQuestion:
    """A validated body of /rank; `rank_by` is a task, or weights of tasks for a utility."""

    requests: list[Row]
    rank_by: str | dict[str, float]
    top_k: int
    ad_ids: list[int] | None


class Questions:
    """The bodies of /rank and /embed that one bundle understands."""

    def __init__(self, declarations: Declarations, settings: Settings) -> None:
        row = _row(declarations)
        requests = Annotated[
            list[row],  # type: ignore[valid-type]  # a type made a moment ago
            Field(
                min_length=1, max_length=settings.requests, description="raw requests, as the logs have them"
            ),
        ]
        task: Any = Literal[declarations.domains.task_names]
        weight = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-_WEIGHT, le=_WEIGHT)]
        weights = Annotated[dict[task, weight], Field(min_length=1)]
        ads = Annotated[list[Int64], Field(max_length=settings.ads)]
        self._default = declarations.domains.task_names[0]
        self.embed: type[BaseModel] = create_model(
            "EmbedQuestion", __config__=_STRICT, requests=(requests, ...)
        )
        self.rank: type[BaseModel] = create_model(
            "RankQuestion",
            __config__=_STRICT,
            requests=(requests, ...),
            rank_by=(
                task | weights | None,
                Field(
                    None,
                    description="a task (default: the first), or weights: bid × Σ weight × P(task)",
                ),
            ),
            top_k=(Annotated[int, Field(strict=True, ge=1, le=settings.top_k), BeforeValidator(_whole)], 10),
            ad_ids=(
                ads | None,
                Field(None, description="rank these published ads only; each counts once. Default: all"),
            ),
        )

    def parse_rank(self, body: bytes) -> RankQuestion:
        """Raises Refused with 400 for what is not JSON, 422 for what the bundle does not understand."""
        asked: Any = _parse(self.rank, body)
        rows = [_plain(row) for row in asked.requests]
        return RankQuestion(rows, asked.rank_by or self._default, asked.top_k, asked.ad_ids)

    def parse_embed(self, body: bytes) -> list[Row]:
        """The requests to embed; raises as `parse_rank` does."""
        asked: Any = _parse(self.embed, body)
        return [_plain(row) for row in asked.requests]


def _row(declarations: Declarations) -> type[BaseModel]:
    """A raw request: its surface, and any of the declared features; an absent one is null.

    Fields are numbered, since a feature may have any name; the names are aliases.
    """
    fields: dict[str, Any] = {
        "request_id": (Int64 | None, Field(None, description="comes back with the answer")),
        "surface": (Literal[declarations.domains.surfaces], ...),
    }
    for number, feature in enumerate(declarations.query.fields):
        if feature.name not in fields:
            fields[f"feature_{number}"] = (_type(feature) | None, Field(None, alias=feature.name))
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
        return Annotated[
            list[_TYPES[feature.column_type.removesuffix("[]")]],  # type: ignore[misc]  # a type looked up
            Field(max_length=LONGEST_LIST, description=words),
        ]
    return _TYPES[feature.column_type]


def _plain(row: BaseModel) -> Row:
    return row.model_dump(by_alias=True, exclude_none=True)


def _parse(question: type[BaseModel], body: bytes) -> BaseModel:
    try:
        return question.model_validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
    details = [
        Detail(where=".".join(map(str, fault["loc"]))[:200], says=fault["msg"][:300])
        for fault in wrong[:_SHOWN]
    ]
    if wrong[0]["type"] == "json_invalid":
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is not JSON that can be read", details)
    count = f"{len(wrong)} things are wrong with the question"
    raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{count}; /openapi.json says how it must be", details)

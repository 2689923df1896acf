"""The bodies that a bundle understands: models made from its declarations, for validation and for OpenAPI alike.

Ids have the type that the bundle declares. A BIGINT may be written as text too, because JavaScript's numbers hold whole
ones only up to 2^53.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)

from mtmd.config import Declarations
from mtmd.features.requests import BIG_ID, list_of, number, whole
from mtmd.logs.contract import id_types
from mtmd.logs.ids import LONGEST_ID, Id
from mtmd.serve.http.intake import Detail, Refused, Settings
from mtmd.serve.ranker import Row

_SHOWN = 5  # of the things that are wrong with a body
_STRICT = ConfigDict(extra="forbid", strict=True)
_IDS: dict[str, Any] = {
    "BIGINT": BIG_ID,
    "VARCHAR": Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00]*$")],
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
        requests = list_of(_row(declarations), settings.requests, 1, "raw requests, as the logs have them")
        ads = list_of(_IDS[declarations.ids.ad], settings.ads)
        weight = number(-1e6, 1e6)
        weights: Any = Annotated[dict[tasks, weight], Field(min_length=1)]  # type: ignore[valid-type]
        by = "a task (default: the first), or weights: bid × Σ weight × P(task)"
        named = "rank these published ads only; each counts once. Default: all"
        count: Any = Annotated[int, Field(strict=True, ge=1, le=settings.top_k), BeforeValidator(whole)]
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
    columns = {name: kind for feature in query.fields for name, kind in feature.request_types().items()}
    for place, name in enumerate(columns):
        if name not in reserved:
            fields[f"column_{place}"] = (ids.get(name, columns[name]) | None, Field(None, alias=name))
    made: type[BaseModel] = create_model("Request", __config__=_STRICT, **fields)
    return made

"""The service in OpenAPI 3.1, as the model that is live understands it: features and tasks are the bundle's."""

from typing import Any

from pydantic.json_schema import models_json_schema

from mtmd.serve.http.answers import EmbedAnswer, RankAnswer, ReadyAnswer
from mtmd.serve.http.intake import MODELS, Problem
from mtmd.serve.http.live import Serving

_REFUSALS = {
    "400": "Not HTTP's or JSON's grammar",
    "408": "Too slow",
    "413": "Too large",
    "415": "Not application/json",
    "422": "JSON, but not a body that the bundle understands",
    "503": "No model is loaded, or too many calls wait; Retry-After says when to come back",
}
_JSON = "application/json"
_MODEL = {
    "name": "model",
    "in": "query",
    "required": False,
    "description": "candidate: it answers too, in the background, for comparison; this answer is the champion's",
    "schema": {"type": "string", "enum": list(MODELS), "default": "champion"},
}
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "browser": {"type": "http", "scheme": "basic", "description": "the key is the password"},
}


def openapi(serving: Serving, *, keys: bool = False) -> dict[str, Any]:
    """The document; with `keys`, of a service that asks for them."""
    questions = serving.questions
    models = (questions.rank, questions.embed)
    answers = (RankAnswer, EmbedAnswer, ReadyAnswer, Problem)
    _, schemas = models_json_schema(
        [*((model, "validation") for model in models), *((answer, "serialization") for answer in answers)],
        ref_template="#/components/schemas/{model}",
    )
    asks = {
        "/rank": ("The best published ads of each request", "RankQuestion", "RankAnswer"),
        "/embed": ("Query embeddings of each request", "EmbedQuestion", "EmbedAnswer"),
    }
    paths: dict[str, Any] = {
        path: {"post": _post(summary, question, answer)} for path, (summary, question, answer) in asks.items()
    }
    paths["/rank"]["post"]["parameters"] = [_MODEL]
    paths["/health"] = {"get": _get("Whether the process answers", {"200": _text("It does")})}
    ready = {"200": _json("Ready", "ReadyAnswer"), "503": _json("Nothing is loaded", "Problem")}
    paths["/ready"] = {"get": _get("Whether a model is loaded, and which", ready)}
    paths["/metrics"] = {"get": _get("Figures for Prometheus", {"200": _text("In its text format")})}
    paths["/docs"] = {"get": _get("This document as a page", {"200": _text("Without scripts", "text/html")})}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "MTMD ranker", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }
    return _guarded(document) if keys else document


def _guarded(document: dict[str, Any]) -> dict[str, Any]:
    """The same, with the keys that every path but two asks for."""
    for path, (operation,) in ((path, methods.values()) for path, methods in document["paths"].items()):
        if path not in {"/health", "/ready"}:
            operation["responses"]["401"] = _json("No valid key", "Problem")
            operation["security"] = [{name: []} for name in _KEYS]
    document["components"]["securitySchemes"] = _KEYS
    return document


def _post(summary: str, question: str, answer: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": question,
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref(question)}}},
        "responses": {
            "200": _json("Answered by one model", answer),
            **{status: _json(words, "Problem") for status, words in _REFUSALS.items()},
        },
    }


def _get(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": summary.partition(",")[0].replace(" ", ""),
        "responses": responses,
    }


def _json(description: str, name: str) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": _ref(name)}}}


def _text(description: str, kind: str = "text/plain") -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}

import io
import json
from pathlib import Path

from mtmd.serve.answer import main
from mtmd.serve.requests import RankResponse

QUESTION = {
    "requests": [{"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.0}],
    "ads": [{"ad_id": 10, "product": "shopping", "bid": 3.0, "age": 0.0}],
}


def ask(bundle: Path, question: str, *more: str) -> tuple[int, str, str]:
    sink, errors = io.StringIO(), io.StringIO()
    status = main([str(bundle), *more], io.StringIO(question), sink, errors)
    return status, sink.getvalue(), errors.getvalue()


def test_a_question_in_json_gets_an_answer_in_json(bundle: Path) -> None:
    status, answer, errors = ask(bundle, json.dumps(QUESTION))
    assert (status, errors) == (0, "")
    parsed = RankResponse.model_validate_json(answer)
    assert parsed.bundle_id == "a" * 64
    assert parsed.requests[0].scores["octr"] == (None,)


def test_a_bad_question_ends_with_status_1_and_the_reason(bundle: Path) -> None:
    status, answer, errors = ask(bundle, json.dumps(QUESTION | {"depth": 3}))
    assert (status, answer) == (1, "")
    assert "depth" in errors


def test_a_bad_bundle_ends_with_status_1_and_the_reason(tmp_path: Path) -> None:
    status, _, errors = ask(tmp_path, json.dumps(QUESTION))
    assert status == 1
    assert "bundle.json does not exist" in errors


def test_other_arguments_show_the_usage(bundle: Path) -> None:
    status, _, errors = ask(bundle, "", "more")
    assert status == 2
    assert "usage: python -m mtmd.serve.answer" in errors

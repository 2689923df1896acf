"""Answer one question from a bundle: `python -m mtmd.serve.answer BUNDLE_DIR < request.json`.

The question is a `RankRequest`, the answer on standard output a `RankResponse`, both as JSON. Exit status 1,
with the reason on standard error, when the bundle or the question is wrong.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from pydantic import ValidationError

from mtmd.errors import MtmdError
from mtmd.serve.requests import RankRequest, rank
from mtmd.serve.scorer import Scorer


def main(arguments: Sequence[str], source: TextIO, sink: TextIO, errors: TextIO) -> int:
    """Read a question from `source`, write its answer to `sink`; returns the exit status."""
    if len(arguments) != 1:
        errors.write("usage: python -m mtmd.serve.answer BUNDLE_DIR < request.json\n")
        return 2
    try:
        question = RankRequest.model_validate_json(source.read())
        answer = rank(Scorer.load(Path(arguments[0])), question)
    except (MtmdError, ValidationError) as error:
        errors.write(f"error: {error}\n")
        return 1
    sink.write(answer.model_dump_json() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin, sys.stdout, sys.stderr))

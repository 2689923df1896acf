"""Publish a few raw ads with a bundle, and answer the service's requests about them, in a process of its own:
`python -m mtmd.publish.answer BUNDLE_DIR < asked.json`.

Everything after the process has started is what the service does: the ads are embedded and written as a publication,
the publication is opened, and each body is validated, ranked and answered by the code behind `POST /rank`. Standard
input is an `Asked`, standard output has `ANSWERS`, both as JSON. Exit status 1, with the reason on standard error, when
the bundle, an ad or a body is wrong.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mtmd.config import Frozen
from mtmd.errors import MtmdError
from mtmd.logs.contract import id_array
from mtmd.logs.encoding import EncodedAds
from mtmd.serve.http.answers import RankAnswer, answer_rank
from mtmd.serve.http.intake import Bodies, Settings
from mtmd.serve.http.live import Serving
from mtmd.serve.published import open_ads, publish_ads
from mtmd.serve.ranker import Ranker, Row
from mtmd.serve.scorer import Scorer


class Asked(Frozen):
    """Ads to publish, as raw rows of the contract's `ads`, and bodies of `POST /rank` to answer."""

    ads: tuple[Row, ...]
    bodies: tuple[dict[str, Any], ...]


ANSWERS = TypeAdapter(tuple[RankAnswer, ...])  # the service's answers, in the order of the bodies


def answer(bundle_dir: Path, asked: Asked) -> tuple[RankAnswer, ...]:
    """Publish the ads with the bundle and answer every body.

    Raises BundleError for a bundle or an embedding that can't be used, LogsError or ValidationError for a body that the
    service would refuse.
    """
    scorer = Scorer.load(bundle_dir)
    settings = Settings(requests=1_000, top_k=max(len(asked.ads), Settings().top_k))
    with TemporaryDirectory() as place:
        publication = Path(place) / "ads"
        publish_ads(scorer, _encoded(scorer, asked.ads), publication)
        ranker = Ranker("unregistered", scorer, open_ads(publication, scorer.info))
        serving = Serving(ranker, Bodies(scorer.info.declarations, settings), "ads", date.min)
        answers = (answer_rank(serving, json.dumps(body).encode()) for body in asked.bodies)
        return tuple(map(RankAnswer.model_validate_json, answers))


def _encoded(scorer: Scorer, rows: Sequence[Row]) -> Iterator[EncodedAds]:
    """The ads of each product, encoded as the bundle declares."""
    products, kind = scorer.info.declarations.domains.products, scorer.info.declarations.ids.ad
    for product in products:
        if own := [row for row in rows if row["product"] == product]:
            ids = id_array([row["ad_id"] for row in own], kind)
            # A snapshot with an ad that has no bid is refused; here such an ad has bid 0, and ranks by task alone.
            bids = np.array([row.get("bid") or 0.0 for row in own], np.float32)
            yield EncodedAds(product, ids, scorer.encode(own, "item"), bids)


if __name__ == "__main__":
    try:
        answered = answer(Path(sys.argv[1]), Asked.model_validate_json(sys.stdin.read()))
    except (MtmdError, ValidationError) as wrong:
        sys.exit(f"error: {wrong}")
    sys.stdout.buffer.write(ANSWERS.dump_json(answered))

"""Score a whole day with a model."""

import numpy as np
import torch
from numpy.typing import NDArray

from mtmd.config import Declarations
from mtmd.data import Shard, day_batches
from mtmd.errors import EvaluationError
from mtmd.model import Ranker


def score_day(
    model: Ranker, shard: Shard, declarations: Declarations, batch_requests: int = 1024
) -> NDArray[np.float32]:
    """Natural-log probabilities (P, T) float32 of every candidate, in the order of the day's candidates.

    Runs in evaluation mode without gradients, in float32 whatever precision the model was trained in, and
    leaves the model in the mode it was in. Raises EvaluationError when the batches leave a candidate out.
    """
    scores = np.empty((len(shard.request_row), len(declarations.domains.tasks)), dtype=np.float32)
    filled = np.zeros(len(scores), dtype=np.bool_)
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            for batch in day_batches(shard, declarations, batch_requests):
                candidate = batch.candidate.numpy()
                scores[candidate] = model(batch).float().numpy()
                filled[candidate] = True
    finally:
        model.train(training)
    if missing := int((~filled).sum()):
        raise EvaluationError(
            f"{missing} of {len(scores)} candidates of {shard.day} were not scored; extract the day again"
        )
    return scores

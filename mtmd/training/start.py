"""What a model knows of its window before the first step."""

from mtmd.model import Ranker
from mtmd.training.data import TrainingData


def start(model: Ranker, data: TrainingData, batch_requests: int) -> None:
    """Set the biases to the window's mean scores, and the statistics of features to those of its training requests.

    One pass over the batches of epoch 0, which training does not use. A row counts once in each batch that it is in.
    """
    model.initialise_bias(data.base_rates())
    for batch in data.epoch(0, batch_requests):
        model.observe(batch)

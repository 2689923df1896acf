"""Losses, trainer, checkpoints."""

from mtmd.model import ModelKind
from mtmd.training.data import TrainingData
from mtmd.training.losses import TrainingLoss, bernoulli_kl
from mtmd.training.records import EpochRecord, FitResult, Progress
from mtmd.training.start import start
from mtmd.training.trainer import TRAINING_FORMAT, fit
from mtmd.training.weights import load_weights, save_weights, tensors_digest

__all__ = [
    "TRAINING_FORMAT",
    "EpochRecord",
    "FitResult",
    "ModelKind",
    "Progress",
    "TrainingData",
    "TrainingLoss",
    "bernoulli_kl",
    "fit",
    "load_weights",
    "save_weights",
    "start",
    "tensors_digest",
]

"""Training on a window: losses, optimizer, trainer, checkpoints."""

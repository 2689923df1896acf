"""A training shared by several processes, started by torchrun: `[extras.ranks]`."""

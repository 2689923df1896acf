"""`mtmd check`: all that is wrong with a preset and its logs, before a run."""

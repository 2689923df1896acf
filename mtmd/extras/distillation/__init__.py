"""Towers that learn from a cross model too: `[extras.distillation]`."""

"""Which of several settings is better, over days: each day is held out in turn."""

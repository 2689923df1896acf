"""From which earlier training a day goes on, if from any."""

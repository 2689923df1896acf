"""How the models did that answered people: a champion on probation, and the two models of a rollout."""

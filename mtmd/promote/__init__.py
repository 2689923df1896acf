"""Whether a candidate goes live: the gates, the decision, and the way back."""

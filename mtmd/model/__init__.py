"""The model (paper §2) and its rivals: layers → adaptation → towers → two_tower; pooled → per_slice."""

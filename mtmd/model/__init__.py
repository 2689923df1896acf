"""The model (paper §2) and its rivals: layers → adaptation → experts → towers → two_tower; baseline."""

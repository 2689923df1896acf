"""What `mtmd init --from-logs` proposes: a preset and statements for logs that nobody has described yet."""

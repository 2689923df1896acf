"""Another library's multi-task models, on the same rows as MTMD: `benchmarks.equal_cost` compares them."""

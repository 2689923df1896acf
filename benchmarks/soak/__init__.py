"""A month of the platform's life in accelerated time: `python -m benchmarks.soak`."""

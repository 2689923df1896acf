"""Where logs come from: a simulated platform, or a published data set."""

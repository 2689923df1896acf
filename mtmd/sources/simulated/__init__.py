"""The simulated ad platform: the embedded default for logs, and a test bed whose truth is known."""

"""Student's t distribution for whole degrees of freedom: what the mean of few samples is worth."""

import math


def tail(t: float, degrees: int) -> float:
    """P(T > t), exact (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    term, inside, odd = 1.0, 0.0, degrees % 2
    for power in range(odd, degrees - 1, 2):
        inside += term * math.cos(angle) ** power
        term *= (power + 1) / (power + 2)
    inside *= math.sin(angle)
    return (1.0 - (2.0 / math.pi * (angle + inside) if odd else inside)) / 2.0


def quantile(confidence: float, degrees: int) -> float:
    """The t that a sample leaves on neither side with this probability, such as 4.303 for 0.95 and 2 degrees."""
    beyond = (1.0 - confidence) / 2.0
    low, high = 0.0, 1.0
    while tail(high, degrees) > beyond:
        low, high = high, 2.0 * high
    for _ in range(60):  # halves down to the last bit
        middle = (low + high) / 2.0
        low, high = (middle, high) if tail(middle, degrees) > beyond else (low, middle)
    return high

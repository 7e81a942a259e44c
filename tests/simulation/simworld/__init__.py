"""The simulated world: the real engine and SDK under a clock, disk and network that a seed decides.

``plan`` draws what is to happen, ``simulation`` lets it happen, ``history`` holds what was seen
from outside, ``judging`` and ``watching`` say whether that may be.
"""

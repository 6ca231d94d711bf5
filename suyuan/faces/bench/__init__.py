"""Benches: what the platform does in a second, beside what its machine could do at best.

Every bench states machine, load and memory, repeats its baseline in the same run, and reports CPU beside wall time,
because a figure without them cannot be compared with tomorrow's. Nothing here is simulated but the traffic.
"""

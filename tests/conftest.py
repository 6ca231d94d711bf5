"""What all tests share: how long Hypothesis looks. What a test needs beyond that, it says itself.

`ci` does the same on every machine and every day, so a red run means a change; `nightly` looks for what nobody
thought of.
"""

from hypothesis import HealthCheck, settings

# A busy machine makes nothing wrong, so neither profile fails a test for being slow.
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "nightly", deadline=None, max_examples=2_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)

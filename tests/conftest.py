"""What all tests share: Hypothesis profiles."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_common = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", _common, max_examples=100)
settings.register_profile("ci", _common, max_examples=1000, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

"""Hypothesis here measures no time: these machines are shared."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unit", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
if settings.get_current_profile_name() == "default":
    settings.load_profile("unit")

"""Settings of all tests."""

from hypothesis import settings

# No deadline: a test measures what is computed, not how busy the machine is.
settings.register_profile("fcos-edu", deadline=None, print_blob=True)
settings.load_profile("fcos-edu")

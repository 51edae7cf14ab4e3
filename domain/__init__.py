"""The domain: pure, frozen entities and values with their rules.

Only the standard library and attrs may be imported here. No I/O, no clock, no randomness: the
time and every identity are handed in. A value that exists is valid; one that would not be is
refused with a `ValidationError` that names every faulty field.
"""

"""The ports: what the core asks of a store, with guarantees, errors and costs.

Only the standard library, attrs and `domain` may be imported here; `ports.contracts` may also
import pytest and hypothesis, and nothing outside it imports it. Each port does here, once, what
every store must do alike (checking arguments, building criteria, assigning identities) and leaves
a few primitives, whose names begin with an underscore, to the adapters.
"""

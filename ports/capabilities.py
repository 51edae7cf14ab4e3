"""What an adapter can do beyond what every adapter must; declared, and tested both ways."""

from enum import StrEnum


class Capability(StrEnum):
    """An undeclared capability's operations raise `UnsupportedOperationError`."""

    TRANSACTIONS = "transactions"
    """Units of work are atomic and isolated (snapshot isolation; first committer wins)."""

    REGEX = "regex"
    """Criteria may use `regex`."""

    DURABLE = "durable"
    """What was acknowledged survives the end of the process."""

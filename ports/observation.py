"""Rounds of work in the background, as whoever watches them is told of them."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime


class Round:
    """One round that is under way. Nobody listens to this one."""

    def count(self, what: str, number: int) -> None:
        """So many were dealt with in this way, in words of the round's own."""

    def since(self, oldest: datetime) -> None:
        """For how long the oldest of what is dealt with had been waiting."""

    def failed(self, error: str) -> None:
        """It failed, or a part of it did, by an error of this class."""


_UNHEARD = Round()


class Rounds:
    """Is told when a round begins that has something to do, and what became of it: where tracing is
    on, what happens within is part of it. Nobody listens to these.
    """

    def begun(self, name: str, **about: str) -> AbstractContextManager[Round]:
        """A round, for the block; an error that leaves it is the round's. `about`: what it is
        concerned with, few different words or a tenant.
        """
        return nullcontext(_UNHEARD)


UNOBSERVED = Rounds()

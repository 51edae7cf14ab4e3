"""Where a repository's operations run: each by itself, or within a unit of work."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from adapters.memory.tables import Tables, Transaction
from ports.errors import TransactionError


class Session(ABC):
    """Gives operations the view that they read, and the transaction that they write in."""

    @abstractmethod
    def reading(self) -> Transaction:
        """What a read sees."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Transaction]:
        """All of what is written inside, or none if it raises."""


class SingleSession(Session):
    """Every operation is a transaction of its own."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def reading(self) -> Transaction:
        return Transaction(self._tables)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        transaction = Transaction(self._tables)
        yield transaction
        transaction.commit()


class UnitSession(Session):
    """All operations share one transaction; a write that raises dooms it."""

    def __init__(self, tables: Tables) -> None:
        self._transaction = Transaction(tables)
        self._begun = False
        self._refusal: str | None = None

    def reading(self) -> Transaction:
        if self._refusal is not None:
            raise TransactionError(self._refusal)
        if not self._begun:
            self._begun = True
            self._transaction.watch()
        return self._transaction

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        transaction = self.reading()
        try:
            yield transaction
        except BaseException:
            self._refusal = "an operation within this unit of work failed; nothing of it is kept"
            raise

    def commit(self) -> None:
        """Make the unit's writes visible, unless it is doomed."""
        try:
            self.reading().commit()
        finally:
            self.end()

    def end(self) -> None:
        """Forget what wasn't committed; nothing can be asked any more."""
        self._transaction.end()
        self._refusal = "this unit of work has ended"

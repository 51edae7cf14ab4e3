"""Any course of operations: the trail tells how everything came to be as it is, and is sound."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from ports.contracts.audit_model import document_of, each_authored, retold, trail_of
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, examples
from ports.contracts.state_machine import Machine
from ports.contracts.subjects import Subject


class AuditedMachine(Machine):
    """The machine of every repository, while the trail is sealed now and then."""

    @rule(instance=st.sampled_from([0, 1]), limit=st.integers(1, 5))
    def seal(self, instance: int, limit: int) -> None:
        """Some of what is there."""
        self.backend.run(self.scopes[instance].audit.seal(limit))

    async def retold(self) -> None:
        """Told from its beginning, the trail comes to what is stored, and to nothing else."""
        trail = await trail_of(self.scopes[0])
        expected = {
            entity.id: (entity.revision, dict(document_of(self.subject, entity)))
            for entity in self.model.entities.values()
        }
        assert exact(retold(self.subject, trail)) == exact(expected)
        verified = await self.scopes[1].audit.verify()
        assert (verified.finding, verified.entries) == (None, len(trail))

    def teardown(self) -> None:
        super().teardown()
        self.backend.run(self.retold())


@each_authored
def test_the_trail_of_any_course_of_operations_comes_to_what_is_stored(
    backend: Backend, authored: Subject
) -> None:
    """Alone and in units of work, kept and rolled back, by either instance."""
    factory: Any = lambda: AuditedMachine(backend, authored)  # noqa: E731  # typed as a class
    run_state_machine_as_test(factory, settings=settings(examples(0.1), stateful_step_count=20))

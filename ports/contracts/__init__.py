"""The ports' promises as tests: whoever writes an adapter runs them against it.

Describe the adapter once, in a module of your own (`my_adapter.py`):

    class MyStore(Backend):                     # from ports.contracts.harness
        name = "my-store"

        @asynccontextmanager
        async def stores(self):
            yield MyAdapter(clock=self.clock), MyAdapter(clock=self.clock)

and run all of them, from any folder:

    python -m pytest -p ports.contracts.plugin --pyargs ports.contracts --backend my_adapter:MyStore

That is one of flows. An adapter of conversations, messages and contexts says so by
`offers = frozenset({Group.DIALOGUE})`; one of both offers both groups, and yields two of
`Instance(authoring=…, dialogue=…)`. `Group.RUNTIME` is what lives for a while, `runtime=…`: such a
store goes by `self.clock`, or `self.clock` sets its server's; if it can't be set, a `ForeignClock`
says so, and what would move it is skipped. What isn't offered isn't tested.

`HYPOTHESIS_PROFILE=contracts` tries many more examples. Nothing in the store is ever truncated:
each test works in tenants that nobody used before.

Only the standard library, attrs, pytest, hypothesis, `domain` and `ports` are imported here.
"""

"""A chat service over HTTP: sessions by cookie, conversations that follow a tenant's flows.

    DIALOGBASE_PROFILE=embedded uvicorn --factory examples.chat_api.app:create_app

Meant to be copied. What is where:

- `engine.py`: how a flow goes on at an input. No I/O, so its tests need nothing.
- `beginning.py`, `turns.py`: what happens when a conversation begins, and at each message. They
  know a tenant's scope, that is ports and the domain, and no store and no HTTP.
- `routes/`, `shapes.py`: the same as HTTP. `app.py` puts it together; `limits.py` says how often.
- `sample.py`: a flow to begin with.
"""

"""A chat service over HTTP: sessions by cookie, conversations that follow a tenant's flows.

    export DIALOGBASE_PROFILE=embedded               # or servers, by URL
    python -m examples.chat_api.sample acme          # publish a flow for a tenant
    uvicorn --factory examples.chat_api.app:create_app

    alias call="curl -b jar -c jar -H X-Tenant-Id:acme -H Content-Type:application/json"
    call localhost:8000/sessions -d '{"user_id": "ada"}'
    call localhost:8000/conversations -d '{}'
    call localhost:8000/conversations/<id>/messages -H Idempotency-Key:1 -d '{"text": "hungry"}'

What it takes and answers is at `/docs`. It is meant to be copied:

- `engine.py`: how a flow goes on at an input. No I/O, so its tests need nothing.
- `beginning.py`, `turns.py`: what happens when a conversation begins, and at each message; with
  `flows.py`, `places.py` and `events.py` for their parts of it. They know a tenant's scope, that is
  ports and the domain, and no store and no HTTP.
- `routes/`, `shapes.py`, `asking.py`: the same as HTTP, and how often who may ask. `app.py` puts it
  together.
"""

"""Whose data it is, who asks, how often they may."""

import asyncio
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Response
from fastapi.responses import StreamingResponse

from bootstrap.fastapi import (
    IdempotencyKey,
    RequiredIdempotencyKey,
    Scope,
    json_lines,
    limit_key,
    rate_limited,
    scope_of,
    session_cookie,
)
from bootstrap.fastapi.sessions import COOKIE
from domain.rates import fixed_window
from domain.sessions import Session
from ports.stores import TenantScope
from tests.bootstrap.running import run
from tests.fastapi.services import TENANT, client_of, service

SESSIONS = session_cookie()
TWICE = fixed_window(2, timedelta(days=1))


def _claimed(authorization: Annotated[str, Header()]) -> str:
    return authorization.removeprefix("Bearer ")


def _who() -> str:
    return "ada"


def _routes(app: FastAPI) -> None:
    @app.get("/tenant")
    async def tenant(scope: Scope) -> str:
        return scope.tenant

    @app.get("/claimed")
    async def claimed(
        scope: Annotated[TenantScope, Depends(scope_of(_claimed, actor=_who))],
    ) -> list[str | None]:
        return [scope.tenant, scope.author.actor]

    @app.get("/keys")
    async def keys(key: IdempotencyKey) -> str | None:
        return key

    @app.get("/keyed")
    async def keyed(key: RequiredIdempotencyKey) -> str:
        return key

    @app.post("/in/{user}")
    async def log_in(
        user: str,
        scope: Scope,
        presented: Annotated[str | None, Depends(SESSIONS.token)],
        response: Response,
    ) -> str:
        session = await SESSIONS.log_in(response, scope, user, presented=presented)
        return session.user_id

    @app.post("/rotate")
    async def rotate(
        scope: Scope, token: Annotated[str, Depends(SESSIONS.token)], response: Response
    ) -> str:
        return (await SESSIONS.rotate(response, scope, token)).user_id

    @app.post("/out")
    async def log_out(
        scope: Scope, token: Annotated[str, Depends(SESSIONS.token)], response: Response
    ) -> bool:
        return await SESSIONS.log_out(response, scope, token)

    @app.get("/me")
    async def me(session: Annotated[Session, Depends(SESSIONS.required)]) -> str:
        return session.user_id

    @app.get("/left")
    async def left(scope: Scope) -> int:
        return (await scope.rate_limits.peek(limit_key("things", "ada"), TWICE)).remaining

    limited = rate_limited("things", TWICE, key=_who)

    @app.get("/limited", dependencies=[limited])
    async def often() -> str:
        return "done"

    @app.get("/limited/stream", dependencies=[limited])
    async def stream(scope: Scope) -> StreamingResponse:
        return await json_lines(scope.flows.stream(), lambda flow: flow.name.encode())


@run
async def test_the_tenant_is_the_one_that_the_header_names() -> None:
    """Once: of two, nobody knows which the gateway set."""
    async with client_of(service(_routes), headers={}) as client:
        fine = await client.get("/tenant", headers=TENANT)
        none = await client.get("/tenant")
        both = [("X-Tenant-Id", "acme"), ("X-Tenant-Id", "other")]
        twice = await client.get("/tenant", headers=both)
    assert (fine.status_code, fine.json()) == (200, "acme")
    assert (none.status_code, twice.status_code) == (400, 400)


@pytest.mark.parametrize("hostile", ["", "../x", "a b", "a" * 65, "{acme}", "ümläut", "a,b", "*"])
@run
async def test_what_cannot_be_a_tenant_s_name_is_refused(hostile: str) -> None:
    """As what it is: wrong, not missing."""
    async with client_of(service(_routes), headers={}) as client:
        answer = await client.get("/tenant", headers=[(b"X-Tenant-Id", hostile.encode("latin-1"))])
    assert answer.status_code == 422


@run
async def test_a_service_may_find_the_tenant_otherwise_and_say_who_asks() -> None:
    """By a token, say; and the document shows what is asked for."""
    app = service(_routes)
    async with client_of(app, headers={}) as client:
        answer = await client.get("/claimed", headers={"Authorization": "Bearer globex"})
    assert answer.json() == ["globex", "ada"]
    asked = app.openapi()["paths"]["/claimed"]["get"]["parameters"]
    assert [one["name"] for one in asked] == ["authorization"]


@run
async def test_an_idempotency_key_is_the_same_quoted_and_bare() -> None:
    """Where it is needed, a request without it is 400."""
    async with client_of(service(_routes)) as client:
        keys = [
            (await client.get("/keyed", headers={"Idempotency-Key": sent})).json()
            for sent in ('"k 1"', "k 1", '"', '""')
        ]
        assert keys == ["k 1", "k 1", '"', '""']
        assert (await client.get("/keys")).json() is None
        assert (await client.get("/keyed")).status_code == 400
        long = await client.get("/keyed", headers={"Idempotency-Key": "k" * 258})
        assert long.status_code == 422


@run
async def test_a_session_s_token_is_in_a_cookie_that_scripts_cannot_read() -> None:
    """And nowhere else; it is sent over TLS alone, and lives as long as the session may."""
    async with client_of(service(_routes)) as client:
        answer = await client.post("/in/ada")
        assert (await client.get("/me")).json() == "ada"
    cookie = answer.headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    parts = {part.strip().lower() for part in rest.split(";")}
    assert name == COOKIE
    assert {"httponly", "secure", "samesite=lax", "path=/", "max-age=43200"} <= parts
    assert not any(part.startswith("domain") for part in parts)
    assert rest.partition(";")[0] not in answer.text


@run
async def test_who_logs_in_gets_another_session_and_the_one_before_ends() -> None:
    """Whoever's it was: nobody can slip a token to a user beforehand."""
    async with client_of(service(_routes)) as client:
        await client.post("/in/mallory")
        slipped = client.cookies[COOKIE]
        assert (await client.post("/in/ada")).json() == "ada"
        assert client.cookies[COOKIE] != slipped
        client.cookies.clear()
        client.cookies.set(COOKIE, slipped, domain="test")
        assert (await client.get("/me")).status_code == 401


@run
async def test_a_rotated_session_goes_on_under_another_token_alone() -> None:
    """The old one is dead at once."""
    async with client_of(service(_routes)) as client:
        await client.post("/in/ada")
        before = client.cookies[COOKIE]
        assert (await client.post("/rotate")).json() == "ada"
        assert client.cookies[COOKIE] != before
        assert (await client.get("/me")).json() == "ada"


@run
async def test_who_logs_out_is_known_no_more() -> None:
    """The cookie goes, and so does what it stood for."""
    async with client_of(service(_routes)) as client:
        await client.post("/in/ada")
        token = client.cookies[COOKIE]
        assert (await client.post("/out")).json() is True
        assert COOKIE not in client.cookies
        client.cookies.set(COOKIE, token, domain="test")
        refused = await client.get("/me")
    assert refused.status_code == 401
    assert "www-authenticate" in refused.headers


@pytest.mark.parametrize("token", ["", "x", "0" * 47, "a" * 5_000])
@run
async def test_a_token_that_was_never_issued_is_nobody_s(token: str) -> None:
    """Nor is a session of another tenant's anybody's here."""
    async with client_of(service(_routes)) as client:
        answer = await client.get("/me", headers={"Cookie": f"{COOKIE}={token}"})
        await client.post("/in/ada")
        elsewhere = await client.get("/me", headers={"X-Tenant-Id": "other"})
    assert (answer.status_code, elsewhere.status_code) == (401, 401)


@run
async def test_a_limit_is_told_on_every_response_and_a_refusal_says_when_to_come_again() -> None:
    """On streams too, whose headers no handler writes."""
    async with client_of(service(_routes)) as client:
        first = await client.get("/limited")
        stream = await client.get("/limited/stream")
        refused = await client.get("/limited")
        unlimited = await client.get("/tenant")
    assert first.headers["ratelimit-policy"] == '"things";q=2;w=86400'
    assert first.headers["ratelimit"].startswith('"things";r=1;t=')
    assert stream.headers["ratelimit"].startswith('"things";r=0;t=')
    assert (refused.status_code, refused.json()["status"]) == (429, 429)
    assert refused.headers["ratelimit"].startswith('"things";r=0;t=')
    assert int(refused.headers["retry-after"]) > 0
    assert "ratelimit" not in unlimited.headers


@run
async def test_a_limit_admits_as_many_as_it_says_whoever_comes_at_once() -> None:
    """And each tenant has its own."""
    async with client_of(service(_routes)) as client:
        answers = await asyncio.gather(*(client.get("/limited") for _ in range(10)))
        other = await client.get("/limited", headers={"X-Tenant-Id": "other"})
    assert sorted(answer.status_code for answer in answers) == [200] * 2 + [429] * 8
    assert other.status_code == httpx.codes.OK


@run
async def test_what_is_counted_under_does_not_name_whose_limit_it_is() -> None:
    """As an erasure doesn't find it; who knows the key can still look."""
    async with client_of(service(_routes)) as client:
        await client.get("/limited")
        left = await client.get("/left")
    assert left.json() == 1
    assert "ada" not in limit_key("things", "ada")
    assert limit_key("things", "ada") != limit_key("things", "bob")

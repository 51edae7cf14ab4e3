"""What is logged, as lines for people and for programs."""

import json
import logging
import os
import subprocess
import sys
from uuid import uuid4

import pytest
import structlog

import bootstrap.settings
from bootstrap import Settings, SettingsError
from bootstrap.logs import Form, formatter, listen
from ports.logs import LOGGER, Log


def _written(form: Form, capsys: pytest.CaptureFixture[str]) -> str:
    handler = listen(form)
    try:
        Log("operations").warning("an operation failed", port="flows", seconds=0.25)
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(logging.NOTSET)
    return capsys.readouterr().err


def test_an_event_is_a_document_of_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    """With what the service has bound to the request."""
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        told = json.loads(_written("json", capsys))
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "event": "an operation failed",
        "level": "warning",
        "logger": "dialogbase.operations",
        "port": "flows",
        "seconds": 0.25,
        "request_id": "r-1",
    }


def test_an_event_is_a_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Each value once."""
    line = _written("text", capsys)
    assert "[warning  ] an operation failed" in line
    assert line.rstrip().endswith("port=flows seconds=0.25")


def test_a_service_s_own_handler_may_have_the_form() -> None:
    """What other libraries log is formatted as well."""
    record = logging.LogRecord("other", logging.INFO, __file__, 1, "it %s", ("works",), None)
    assert json.loads(formatter("json").format(record))["event"] == "it works"


def test_the_command_writes_what_is_logged_if_it_is_told_to() -> None:
    """To standard error, beside what it says of its own; without the setting, nothing."""
    command = [sys.executable, "-m", "bootstrap.cli", "experiments", "results", str(uuid4())]
    settings = {"DIALOGBASE_PROFILE": "memory", "DIALOGBASE_LOG_FAILURES": "true"}

    def said(**more: str) -> list[str]:
        ran = subprocess.run(
            [*command, "--tenant", "acme"],
            env={**os.environ, **settings, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 1
        return ran.stderr.splitlines()

    logged, told = said(DIALOGBASE_LOG="json")
    assert json.loads(logged).items() >= {
        ("event", "an operation failed"),
        ("error", "EntityNotFoundError"),
        ("tenant", "acme"),
    }
    assert said() == [told]


def test_to_write_what_is_logged_takes_structlog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it without is told what to install."""
    monkeypatch.setattr(bootstrap.settings, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"log.*dialogbase\[observability\]"):
        Settings(profile="memory", log="json")

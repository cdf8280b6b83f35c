"""What a line tells of an error, and what it must not."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from infra import logs


@pytest.fixture
def _configured(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:  # noqa: ARG001 - logs write to the stream that it puts there
    """Let logs be as a process has them, and afterwards as they were."""
    root, libraries = logging.getLogger(), ("kafka", "aiokafka", "faust", "mode", "botocore")
    named = [logging.getLogger(name) for name in (*libraries, "urllib3")]
    handlers, level = root.handlers[:], root.level
    levels = [each.level for each in named]
    config = structlog.get_config()
    logs.configure("INFO")
    yield
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)
    for each, was in zip(named, levels, strict=True):
        each.setLevel(was)


@pytest.mark.usefixtures("_configured")
def test_an_error_is_logged_with_where_it_was_raised_and_without_what_was_in_hand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(secret: str) -> None:
        raise ValueError(f"not {len(secret)} letters")

    try:
        refused("in-hand")
    except ValueError:
        logs.logger("tests.logged_errors").exception("it_failed", job="job_1")

    line = capsys.readouterr().err
    told = json.loads(line)
    (error,) = told["exception"]
    assert (told["event"], told["job"]) == ("it_failed", "job_1")
    assert (error["exc_type"], error["exc_value"]) == ("ValueError", "not 7 letters")
    assert error["frames"][-1]["name"] == "refused"
    assert "in-hand" not in line

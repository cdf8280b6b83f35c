"""`python -m api`: the process as a supervisor sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.integration.api.api_world import World, until

if TYPE_CHECKING:
    from infra.stack import Stack


def test_it_says_when_it_is_ready_and_ends_cleanly_on_sigterm(
    stack: Stack, world: World, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    environment = {
        **os.environ,
        **stack.environment,
        "PICMEND_DATABASE_URL": world.settings.database_url.get_secret_value(),
        "PICMEND_BUCKET": world.bucket.name,
        "PICMEND_READY_FILE": str(ready),
    }
    port = stack.environment["PICMEND_API_PORT"]
    with subprocess.Popen(
        [sys.executable, "-m", "api"], env=environment, stderr=subprocess.PIPE
    ) as process:
        try:
            until(ready.exists, timeout_s=60)
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz")
            assert answer.json() == {"status": "ready"}
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGTERM)
    assert b"Traceback" not in log

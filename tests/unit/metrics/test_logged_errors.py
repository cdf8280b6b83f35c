"""What a line tells of an error, and what it must not."""

import json
import subprocess
import sys

PROGRAM = """
from infra import logs

def refuse(secret):
    raise ValueError(f"not {len(secret)} letters")

logs.configure("INFO")
try:
    refuse("in-" + "hand")
except ValueError:
    logs.logger("program").exception("it_failed", job="job_1")
"""


def test_an_error_is_logged_with_where_it_was_raised_and_without_what_was_in_hand() -> None:
    # In a process of its own: logs are configured once for all of one.
    ran = subprocess.run(  # noqa: S603 - a fixed program
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    told = json.loads(ran.stderr)
    (error,) = told["exception"]
    assert (told["event"], told["job"]) == ("it_failed", "job_1")
    assert (error["exc_type"], error["exc_value"]) == ("ValueError", "not 7 letters")
    assert error["frames"][-1]["name"] == "refuse"
    assert "in-hand" not in ran.stderr

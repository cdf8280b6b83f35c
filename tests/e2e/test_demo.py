"""`picmend demo` as people run it: the real command, a stack of its own, and nothing left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import psutil
import pytest
from PIL import Image

from cli.demonstration.samples import samples

COMMAND = (sys.executable, "-m", "cli.main", "demo", "--json")
REPOSITORY = Path(__file__).parents[2]


def begin(folder: Path) -> subprocess.Popen[str]:
    """Start the demonstration where no stack runs, with temporary files of its own."""
    (folder / "tmp").mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PICMEND_")},
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(REPOSITORY),
    }
    return subprocess.Popen(  # noqa: S603 - this very program, with arguments of our own
        [*COMMAND, "--output", "pictures"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_of(folder: Path) -> list[str]:
    """Return the command lines of processes that have to do with `folder`."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        told = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
        if any(str(folder) in text for text in told):
            found.append(" ".join(process.info["cmdline"] or []))
    return found


@pytest.mark.timeout(420)
def test_the_demonstration_restores_charges_once_and_shows_it(tmp_path: Path) -> None:
    process = begin(tmp_path)
    stdout, stderr = process.communicate(timeout=400)

    assert process.returncode == 0, stderr
    told = json.loads(stdout.splitlines()[-1])
    waits = told.pop("upload_to_charged_s")
    wanted = samples()
    assert told == {
        "jobs": {"rejected": 1, "succeeded": len(wanted)},
        "charged": sum(1000 if one.preset.startswith("inpaint") else 2000 for one in wanted),
        "ledger_sum": 0,
        "uncharged": 0,
        "double_charged": 0,
        "output": "pictures",
    }
    assert 0 < waits["p50"] <= waits["max"]

    output = tmp_path / "pictures"
    page = (output / "index.html").read_text("utf-8")
    sources = {unquote(unescape(each)) for each in re.findall(r'src="([^"]+)"', page)}
    assert not any("//" in each for each in sources)
    assert len(sources) == 2 * len(wanted)
    for sample in wanted:
        names = {each for each in sources if Path(each).stem == sample.name}
        sizes = {}
        for each in names:
            with Image.open(output / each) as picture:
                sizes[each.partition("/")[0]] = picture.size
        assert sizes == {"before": sample.size, "after": sample.expected_size}
    problem = json.loads((output / "refused" / "shopping-list.problem.json").read_text("utf-8"))
    assert problem["code"] == "unreadable_image"
    assert 'href="refused/shopping-list.problem.json"' in page

    assert left_of(tmp_path) == []
    assert list((tmp_path / "tmp").glob("picmend-demo-*")) == []


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demonstration_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = begin(tmp_path)
    deadline = time.monotonic() + 120
    # Kafka is started first: once its log is there, there is something to leave behind.
    while not list((tmp_path / "tmp").glob("picmend-demo-*/logs/kafka.log")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)

    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "interrupted" in stderr
    assert left_of(tmp_path) == []
    assert list((tmp_path / "tmp").glob("picmend-demo-*")) == []

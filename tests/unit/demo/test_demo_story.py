"""From uploads, arrivals and books to what is shown: nothing missing goes unsaid."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from cli.demonstration import outcome
from cli.demonstration.customer import Arrived, Sent
from cli.demonstration.outcome import Outcome
from cli.demonstration.page import write_files, write_page
from cli.demonstration.proof import Proof
from cli.demonstration.samples import Impostor, samples
from cli.demonstration.terminal import movements
from domain.billing.model import LedgerName, Statement, StatementLine, TransactionKind
from schemas.ids import AccountId, JobId
from schemas.states import JobState

AT = datetime(2026, 5, 1, tzinfo=UTC)
JOB, OTHER = (JobId(f"job_{letter * 32}") for letter in "ab")
SAMPLE = next(sample for sample in samples() if sample.name == "coffee-worn")
ACCOUNT = AccountId("acc_1")


def restored() -> Outcome:
    with Image.open(io.BytesIO(SAMPLE.body)) as image:
        size = image.size
    return Outcome(
        sent=Sent(SAMPLE, JOB, AT),
        arrived=Arrived(JOB, "png", is_problem=False, body=SAMPLE.body),
        state=JobState.SUCCEEDED,
        code="",
        size=size,
        seconds=1.25,
        price=1000,
    )


def refused() -> Outcome:
    return Outcome(
        sent=Sent(Impostor(), OTHER, AT),
        arrived=Arrived(OTHER, "problem.json", is_problem=True, body=b"{}"),
        state=JobState.REJECTED,
        code="unreadable_image",
        size=None,
        seconds=0.1,
        price=0,
    )


def line(
    transaction: int, ledger: LedgerName, amount: int, *, after: int, kind: TransactionKind
) -> StatementLine:
    return StatementLine(
        at=AT,
        recorded_at=AT + timedelta(seconds=transaction),
        transaction_id=transaction,
        kind=kind,
        job_id=None if kind is TransactionKind.TOP_UP else JOB,
        ledger=ledger,
        amount=amount,
        balance_after=after,
        version=1,
    )


STATEMENT = Statement(
    ACCOUNT,
    "CNY",
    AT,
    AT + timedelta(days=1),
    0,
    (
        line(1, LedgerName.AVAILABLE, 5000, after=5000, kind=TransactionKind.TOP_UP),
        line(2, LedgerName.AVAILABLE, -1000, after=4000, kind=TransactionKind.HOLD),
        line(2, LedgerName.HELD, 1000, after=1000, kind=TransactionKind.HOLD),
        line(3, LedgerName.HELD, -1000, after=0, kind=TransactionKind.CAPTURE),
    ),
)
PROOF = Proof(
    jobs={JobState.SUCCEEDED: 1},
    charged=1000,
    uncharged=frozenset(),
    double_charged=frozenset(),
    stray=frozenset(),
    ledger_sum=0,
    faults=(),
)


def page_of(tmp_path: Path, found: list[Outcome], faults: tuple[str, ...] = ()) -> str:
    path = write_page(
        tmp_path,
        found,
        files=write_files(tmp_path, found),
        statement=STATEMENT,
        proof=PROOF,
        faults=faults,
    )
    return path.read_text("utf-8")


def test_what_came_as_it_had_to_lacks_nothing() -> None:
    assert outcome.missing_files([restored(), refused()]) == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (replace(restored(), arrived=None), "neither a result nor a problem file came"),
        (replace(restored(), arrived=Arrived(JOB, "png", is_problem=False, body=b"")), "not open"),
        (
            replace(restored(), arrived=Arrived(JOB, "problem.json", is_problem=True, body=b"{}")),
            "a problem file came",
        ),
        (
            replace(refused(), arrived=Arrived(OTHER, "jpg", is_problem=False, body=b"")),
            "a result came",
        ),
    ],
)
def test_a_file_that_is_missing_or_wrong_is_named(wrong: Outcome, said: str) -> None:
    (fault,) = outcome.missing_files([wrong])

    assert fault.startswith(f"{wrong.sent.sample.path}: ")
    assert said in fault


def test_the_summary_counts_only_what_was_charged_in_its_seconds() -> None:
    slow = replace(restored(), seconds=3.0)

    summary = outcome.summary([restored(), slow, refused()], PROOF, "out")

    assert summary["upload_to_charged_s"] == {"p50": 2.125, "max": 3.0}
    assert summary["charged"] == 1000


def test_the_summary_of_nothing_charged_has_no_seconds() -> None:
    assert outcome.summary([refused()], PROOF, "out")["upload_to_charged_s"] == {
        "p50": None,
        "max": None,
    }


def test_a_transaction_is_one_movement() -> None:
    moved = [(m.kind, m.available, m.held, m.available_after) for m in movements(STATEMENT)]

    assert moved == [
        (TransactionKind.TOP_UP, 5000, 0, 5000),
        (TransactionKind.HOLD, -1000, 1000, 4000),
        (TransactionKind.CAPTURE, 0, -1000, 4000),
    ]


def test_the_page_shows_files_that_are_there_and_loads_nothing_else(tmp_path: Path) -> None:
    page = page_of(tmp_path, [restored(), refused()])

    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert named
    assert all((tmp_path / each).is_file() for each in named)
    assert "url(" not in page
    assert re.findall(r"<img [^>]*>", page) == re.findall(r'<img [^>]*alt="[^"]+"[^>]*>', page)


def test_the_page_escapes_what_it_quotes(tmp_path: Path) -> None:
    sent = Sent(replace(SAMPLE, damage='<b> & "'), JOB, AT)

    page = page_of(tmp_path, [replace(restored(), sent=sent)], faults=("<i>fault</i>",))

    assert "<b>" not in page
    assert "<i>fault" not in page
    assert "&lt;i&gt;fault&lt;/i&gt;" in page


def test_results_of_an_earlier_run_do_not_stand_for_this_one(tmp_path: Path) -> None:
    page_of(tmp_path, [restored()])
    assert (tmp_path / "after" / "coffee-worn.png").exists()

    page_of(tmp_path, [replace(restored(), arrived=None, size=None)])

    assert not (tmp_path / "after" / "coffee-worn.png").exists()

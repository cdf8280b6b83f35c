"""`picmend demo`: photographs from upload to charge, on real servers, and the proof of it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import psycopg
import typer
from rich.console import Console

from cli.context import EXIT_NO_STACK, fail
from cli.demonstration import operator, outcome, terminal
from cli.demonstration.customer import Arrived, Customer, Sent
from cli.demonstration.operator import Books
from cli.demonstration.page import write_files, write_page
from cli.demonstration.photographs import PhotographsMissingError
from cli.demonstration.place import stack_to_use
from cli.demonstration.proof import prove
from cli.demonstration.samples import Impostor, Sample, samples
from cli.starting import until_ended
from domain.billing.errors import BillingError
from infra import object_credentials
from infra.clock import SystemClock
from infra.object_store import S3ObjectStore, StoreError
from infra.settings import Settings
from infra.stack.errors import StackError
from schemas.ids import JobId

EXIT_INTERRUPTED: Final = 130

_SETTLE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Story:
    """What happened: uploads, what came of them, and the account's books afterwards."""

    sent: tuple[Sent, ...]
    arrived: dict[JobId, Arrived]
    books: Books


def demo(
    *,
    output: Annotated[
        Path, typer.Option(file_okay=False, help="Where results and the page are written.")
    ] = Path("demo-output"),
    data_dir: Annotated[
        Path | None, typer.Option(help="State of the stack to use.  [default: .picmend]")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that results may take.")] = 300,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line.")
    ] = False,
) -> None:
    """Restore a set of photographs end to end, and prove that each was charged exactly once.

    Uses the stack that runs; else starts one in a temporary directory and ends it afterwards.
    Exit codes: 0 all of it is proven; 1 something is missing, and is named; 3 the stack does
    not answer; 130 interrupted, nothing runs on.
    """
    console = Console(stderr=as_json)
    ended = False
    with until_ended():
        try:
            pictures = samples()
            with _writing(output):
                output.mkdir(parents=True, exist_ok=True)
            with stack_to_use(data_dir, console) as settings:
                story = perform(settings, (*pictures, Impostor()), console, timeout)
                summary, faults = tell(story, output, console)
                if faults:
                    _conclude(summary, as_json=as_json)
                    fail(
                        f"not proven: {len(faults)} things are missing or wrong, as told above; "
                        "`picmend status` shows whether every process runs, and --timeout "
                        "gives them longer"
                    )
        except PhotographsMissingError as error:
            fail(str(error))
        except (StackError, BillingError) as error:
            fail(str(error))
        except (psycopg.OperationalError, StoreError) as error:
            fail(f"{error}; `picmend status` shows what does not answer", EXIT_NO_STACK)
        ended = True
    if not ended:
        fail("interrupted; what this command started has been ended", EXIT_INTERRUPTED)
    _conclude(summary, as_json=as_json)


def perform(
    settings: Settings, uploads: tuple[Sample | Impostor, ...], console: Console, timeout_s: float
) -> Story:
    """Make an account, upload as its holder, take what comes, and read the books.

    What has not come after `timeout_s` is missing from the story. Raises `StoreError`,
    `BillingError` and psycopg's errors.
    """
    clock = SystemClock()
    with psycopg.connect(
        settings.database_url.get_secret_value(), autocommit=True, connect_timeout=5
    ) as conn:
        account_id, key = operator.open_account(
            conn, object_credentials.from_settings(settings), clock
        )
        console.print(f"Made account {account_id} with a balance.")
        store = S3ObjectStore(
            endpoint=settings.s3_public_endpoint or settings.s3_endpoint,
            access_key=key.access_key,
            secret_key=key.secret_key,
            bucket=settings.bucket,
            region=settings.s3_region,
        )
        customer = Customer(store, account_id, clock)
        deadline = time.monotonic() + timeout_s
        arrived: dict[JobId, Arrived] = {}
        with terminal.arrivals(console, len(uploads)) as shown:
            sent: dict[JobId, Sent] = {}
            for each in customer.send(uploads):
                sent[each.job_id] = each
                shown.sent()
            shown.wait()
            for came in customer.receive(sent, deadline=deadline):
                upload = sent[came.job_id]
                arrived[came.job_id] = came
                shown.came(upload, came, (clock.now() - upload.at).total_seconds())
            shown.settle()
            if len(arrived) == len(sent):
                operator.wait_settled(conn, sent, deadline=time.monotonic() + _SETTLE_S)
        return Story(tuple(sent.values()), arrived, operator.read_books(conn, account_id))


def tell(story: Story, output: Path, console: Console) -> tuple[dict[str, object], tuple[str, ...]]:
    """Save files and page, print table, statement and proof; return the summary and faults."""
    books = story.books
    found = outcome.outcomes(story.sent, story.arrived, books)
    proof = prove(books.evidence, outcome.expected(story.sent))
    faults = (*outcome.missing_files(found), *proof.faults)
    unit = books.statement.unit
    with _writing(output):
        files = write_files(output, found)
        page = write_page(
            output, found, files=files, statement=books.statement, proof=proof, faults=faults
        )
    terminal.show_outcomes(console, found, unit)
    names = {each.job_id: each.sample.path for each in story.sent}
    terminal.show_statement(console, books.statement, names)
    terminal.show_proof(console, proof, faults, unit)
    console.print(f"Before and after: {page}", soft_wrap=True)
    return outcome.summary(found, proof, str(output)), faults


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fail(f"cannot write to {output}: {error}; choose another folder with --output")


def _conclude(summary: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary))

"""`picmend upload` and `picmend download`: bulk transfer with an account's own credentials.

Exit codes: 0 all is well; 1 a file was not transferred or its upload refused, or --timeout
passed first; 2 called wrongly; 3 the store does not answer or refuses the credentials;
130 interrupted. Both go on where they were when run again.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.bulk.download import Downloaded, NotDownloaded, download_objects, outputs
from cli.bulk.files import LocalFile, find_files
from cli.bulk.outcomes import Outcomes, look
from cli.bulk.patience import patiently
from cli.bulk.progress import TransferProgress
from cli.bulk.report import (
    DownloadReport,
    Failure,
    UploadReport,
    show_download,
    show_upload,
)
from cli.bulk.upload import NotUploaded, Uploaded, present, upload_files
from cli.context import EXIT_FAILED, EXIT_NO_STACK, fail, load_environment
from infra.object_store import AccessDenied, S3ObjectStore, StoreError
from infra.stack.errors import StackError
from schemas.ids import AccountId
from schemas.keys import PROBLEM_EXTENSION

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_PAUSE_S = 2.0
_LISTING_SHARE = 5
"""Waiting takes five times as long as the listing that it waits for."""

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder.", file_okay=False)]
Account = Annotated[str, typer.Option(envvar="PICMEND_ACCOUNT", help="Such as acc_…")]
Endpoint = Annotated[
    str | None,
    typer.Option(envvar="PICMEND_S3_ENDPOINT", help="The object store; else the local stack's."),
]
Bucket = Annotated[str | None, typer.Option(envvar="PICMEND_BUCKET", help="By default uploads.")]
Region = Annotated[str, typer.Option(envvar="PICMEND_S3_REGION", help="The store's region.")]
AccessKey = Annotated[
    str, typer.Option(envvar="PICMEND_ACCESS_KEY", help="The account's, from `account create`.")
]
SecretKey = Annotated[
    str,
    typer.Option(envvar="PICMEND_SECRET_KEY", help="Better in the environment than here."),
]
Parallel = Annotated[int, typer.Option(min=1, max=64, help="Transfers at once.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]


def upload(
    folder: Folder,
    *,
    preset: Annotated[str, typer.Option(help="What to do with them, such as upscale-photo-x4.")],
    account: Account,
    access_key: AccessKey,
    secret_key: SecretKey,
    endpoint: Endpoint = None,
    bucket: Bucket = None,
    region: Region = "us-east-1",
    parallel: Parallel = 8,
    wait: Annotated[bool, typer.Option(help="Wait for a result or problem of each.")] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds that --wait waits at most.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send the photographs below DIR; those already there are skipped.

    Exit codes: 0 all is well; 1 a file was not sent or was refused, or --timeout passed;
    3 the store does not answer or refuses the credentials; 130 interrupted.
    """
    store = _store(endpoint, bucket, region, key=(access_key, secret_key), parallel=parallel)
    account_id = AccountId(account)
    with _told():
        files = _files(folder)
        already = present(store, account_id, preset)
        report, uploads = UploadReport(), list[Uploaded]()
        sizes = {file.name: file.size for file in files}
        with TransferProgress("uploading", sizes, shown=not as_json) as progress:
            for outcome in upload_files(
                store,
                files,
                already,
                account_id=account_id,
                preset=preset,
                parallel=parallel,
                on_bytes=lambda file, count: progress.moved(file.name, count),
            ):
                progress.ended(outcome.file.name)
                _count_upload(outcome, report, uploads)
        outcomes = Outcomes(store.bucket, uploads)
        deadline = time.monotonic() + (timeout if timeout is not None else float("inf"))
        await_outcomes(
            lambda: patiently(lambda: look(store, account_id, preset, outcomes)),
            outcomes,
            deadline=deadline if wait else time.monotonic(),
        )
        report.results = len(outcomes.results)
        report.waiting = sorted(outcomes.waiting)
        report.refused = patiently(lambda: outcomes.refusals(store))
    _print(as_json, report, lambda console: show_upload(report, console))
    if report.failed or report.refused or (wait and report.waiting):
        raise typer.Exit(EXIT_FAILED)


def download(
    folder: Folder,
    *,
    account: Account,
    access_key: AccessKey,
    secret_key: SecretKey,
    prefix: Annotated[str, typer.Option(help="Only what begins so: preset/path")] = "",
    endpoint: Endpoint = None,
    bucket: Bucket = None,
    region: Region = "us-east-1",
    parallel: Parallel = 8,
    as_json: AsJson = False,
) -> None:
    """Fetch an account's results into DIR; those already there are skipped.

    Exit codes: 0 all is well; 1 a file was not fetched; 3 the store does not answer or
    refuses the credentials; 130 interrupted.
    """
    store = _store(endpoint, bucket, region, key=(access_key, secret_key), parallel=parallel)
    account_id = AccountId(account)
    report = DownloadReport()
    with _told():
        found = outputs(store, account_id, prefix)
        folder.mkdir(parents=True, exist_ok=True)
        sizes = {each.name: each.size for each in found}
        with TransferProgress("downloading", sizes, shown=not as_json) as progress:
            for outcome in download_objects(
                store, found, folder, parallel=parallel, on_bytes=progress.moved
            ):
                progress.ended(outcome.name)
                _count_download(outcome, report)
    _print(as_json, report, lambda console: show_download(report, console))
    if report.failed:
        raise typer.Exit(EXIT_FAILED)


def await_outcomes(look_once: Callable[[], None], outcomes: Outcomes, *, deadline: float) -> None:
    """Look until each upload has a result or a problem, or `deadline` (monotonic) has passed.

    Looks at least once, and less often the longer a look takes.
    """
    while True:
        began = time.monotonic()
        look_once()
        now = time.monotonic()
        if not outcomes.waiting or now >= deadline:
            return
        time.sleep(min(max(_PAUSE_S, _LISTING_SHARE * (now - began)), max(0.0, deadline - now)))


def _store(
    endpoint: str | None,
    bucket: str | None,
    region: str,
    *,
    key: tuple[str, str],
    parallel: int,
) -> S3ObjectStore:
    if endpoint is None:
        try:
            stack = load_environment()
        except StackError:
            fail("name the object store with --endpoint or PICMEND_S3_ENDPOINT", EXIT_USAGE)
        endpoint = stack["PICMEND_S3_ENDPOINT"]
        bucket = bucket or stack.get("PICMEND_BUCKET")
    try:
        return S3ObjectStore(
            endpoint=endpoint,
            access_key=key[0],
            secret_key=key[1],
            bucket=bucket or "uploads",
            region=region,
            connections=parallel,
        )
    except ValueError as error:
        fail(str(error), EXIT_USAGE)


def _files(folder: Path) -> list[LocalFile]:
    try:
        return find_files(folder)
    except OSError as error:
        fail(f"cannot read {folder}: {error}", EXIT_USAGE)


def _count_upload(
    outcome: Uploaded | NotUploaded, report: UploadReport, uploads: list[Uploaded]
) -> None:
    match outcome:
        case Uploaded(sent=sent):
            uploads.append(outcome)
            report.sent += sent
            report.skipped += not sent
        case NotUploaded(file=file, reason=reason):
            report.failed.append(Failure(file.name, reason))


def _count_download(outcome: Downloaded | NotDownloaded, report: DownloadReport) -> None:
    match outcome:
        case Downloaded(fetched=fetched):
            report.fetched += fetched
            report.skipped += not fetched
            report.problems += outcome.name.endswith(f".{PROBLEM_EXTENSION}")
        case NotDownloaded(name=name, reason=reason):
            report.failed.append(Failure(name, reason))


@contextmanager
def _told() -> Iterator[None]:
    """Say what ended the command before its report."""
    try:
        yield
    except AccessDenied as error:
        hint = "check the account, PICMEND_ACCESS_KEY and PICMEND_SECRET_KEY"
        fail(f"the object store refuses: {error}; {hint}", EXIT_NO_STACK)
    except StoreError as error:
        hint = "run the same command again to go on"
        fail(f"the object store cannot be used: {error}; {hint}", EXIT_NO_STACK)
    except KeyboardInterrupt:
        fail("interrupted; run the same command again to go on", EXIT_INTERRUPTED)


def _print(
    as_json: bool,  # noqa: FBT001 - handed on as it came from the command line
    report: UploadReport | DownloadReport,
    show: Callable[[Console], None],
) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        show(Console())

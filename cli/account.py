"""`picmend account`: make accounts, hand out and take back their credentials, suspend them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from psycopg import Connection
from rich.console import Console

from cli.books import print_json, print_table, transaction
from cli.context import EXIT_FAILED, EXIT_NO_STACK, fail, load_settings
from cli.handed_out import HandedOut
from domain.accounts import read, service, store
from domain.accounts.model import (
    DEFAULT_PLAN,
    DEFAULT_TIME_ZONE,
    Account,
    AccountKind,
    AccountUnknownError,
)
from domain.admission.windows import TimeZoneUnknownError
from domain.billing import money
from domain.billing import service as billing
from domain.billing.errors import BillingError
from domain.catalogue.plans import PlanUnknownError
from domain.pipeline.enrol import enrol
from infra import object_credentials
from infra.clock import SystemClock
from infra.object_credentials import AccessKey
from infra.settings import Settings
from infra.stored_objects import StoreError
from schemas.ids import AccountId

app = typer.Typer(name="account", help="Make, suspend and resume accounts.", no_args_is_help=True)

_CLOCK: Final = SystemClock()
_UNIT: Final = "CNY"
_LONGEST_NAME: Final = 200
_OBJECT_STORE: Final = "object_store"

DataDir = Annotated[Path | None, typer.Option(help="State of the stack to use.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Such as acc_…")]
By = Annotated[str, typer.Option(help="Who does this, for the record.")]


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="What you call the client.")],
    kind: Annotated[AccountKind, typer.Option(help="A person or a company.")] = (
        AccountKind.INDIVIDUAL
    ),
    plan: Annotated[str, typer.Option(help="See `picmend quota plans`.")] = DEFAULT_PLAN,
    time_zone: Annotated[
        str, typer.Option(help="Where its days and months begin.")
    ] = DEFAULT_TIME_ZONE,
    top_up: Annotated[
        str | None, typer.Option(help=f"A first balance in {_UNIT}, such as 12.50")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an account; print its API key and object-store credentials, which are shown once."""
    settings = load_settings(data_dir)
    if not 1 <= len(name.strip()) <= _LONGEST_NAME or not name.isprintable():
        raise typer.BadParameter(
            f"a name has 1 to {_LONGEST_NAME} printable characters", param_hint="--name"
        )
    amount = _amount(top_up)
    with transaction(settings) as conn, _known():
        made = enrol(
            conn,
            name=name.strip(),
            kind=kind,
            unit=_UNIT,
            clock=_CLOCK,
            plan=plan,
            time_zone=time_zone,
        )
        account_id = made.account.id
        if amount:
            billing.top_up(conn, account_id, amount, key="first", at=_CLOCK.now())
    # The account is there from here on, whatever the store says.
    try:
        access_key = _issue(settings, account_id)
    except StoreError as error:
        _show_created(HandedOut(settings, account_id, made.api_key, None), name, as_json=as_json)
        _no_credentials(account_id, error)
    _show_created(HandedOut(settings, account_id, made.api_key, access_key), name, as_json=as_json)


@app.command("list")
def list_accounts(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all accounts, oldest first."""
    with transaction(load_settings(data_dir)) as conn:
        found = store.every(conn)
    if as_json:
        print_json({"accounts": [asdict(account) for account in found]})
        return
    print_table(
        ("account", "name", "kind", "state", "plan", "unit", "since (UTC)"),
        [(a.id, a.name, a.kind, a.state, a.plan, a.unit, a.created_at) for a in found],
    )


@app.command()
def show(account: AccountArgument, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show an account: its state, what it can spend, its credentials without their secrets."""
    with transaction(load_settings(data_dir)) as conn:
        found = _found(conn, account)
        balance = billing.balance(conn, found.id)
        held = read.credentials_of(conn, found.id)
        reason = read.suspended_for(conn, found.id)
    if as_json:
        print_json(
            {
                **asdict(found),
                "suspended_for": reason,
                "balance": asdict(balance),
                "credentials": [asdict(credential) for credential in held],
            }
        )
        return
    why = f" ({reason})" if reason else ""
    Console().print(
        f"{found.id}  {found.name}  {found.kind}  {found.state}{why}\n"
        f"plan {found.plan}, days begin in {found.time_zone}\n"
        f"{money.to_text(balance.available, balance.unit)} available, "
        f"{money.to_text(balance.held, balance.unit)} held",
        markup=False,
    )
    print_table(
        ("credential", "kind", "since (UTC)", "revoked (UTC)"),
        [(c.id, c.kind, c.created_at, c.revoked_at) for c in held],
    )


@app.command()
def suspend(
    account: AccountArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    by: By = "operator",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Suspend an account: none of its jobs starts any more. Again is harmless."""
    with transaction(load_settings(data_dir)) as conn, _known():
        found = service.suspend(conn, AccountId(account), reason=reason, by=by, at=_CLOCK.now())
    _show_state(found, as_json=as_json)


@app.command()
def resume(
    account: AccountArgument,
    *,
    by: By = "operator",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Lift an account's suspension; its waiting jobs go on. Again is harmless."""
    with transaction(load_settings(data_dir)) as conn, _known():
        found = service.resume(conn, AccountId(account), by=by, at=_CLOCK.now())
    _show_state(found, as_json=as_json)


@app.command()
def key(account: AccountArgument, *, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Give an account one more API key; those it has stay valid until they are revoked."""
    settings = load_settings(data_dir)
    with transaction(settings) as conn:
        found = _found(conn, account)
        made = service.add_api_key(conn, found.id, at=_CLOCK.now())
    _show(HandedOut(settings, found.id, made, None), as_json=as_json)


@app.command()
def credentials(
    account: AccountArgument, *, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Give an account new object-store credentials; those it had end at once."""
    settings = load_settings(data_dir)
    with transaction(settings) as conn:
        found = _found(conn, account)
    try:
        access_key = _issue(settings, found.id)
    except StoreError as error:
        _no_credentials(found.id, error)
    _show(HandedOut(settings, found.id, None, access_key), as_json=as_json)


@app.command()
def revoke(
    account: AccountArgument,
    credential: Annotated[str, typer.Argument(help="Its id, from `account show`.")],
    *,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End one credential at once: an API key, or the object-store key."""
    settings = load_settings(data_dir)
    with transaction(settings) as conn:
        found = _found(conn, account)
        held = {c.id: c for c in read.credentials_of(conn, found.id)}
        if credential not in held:
            fail(f"{found.id} has no credential {credential!r}; see `picmend account show`")
        if held[credential].kind == _OBJECT_STORE and held[credential].revoked_at is None:
            _end_at_the_store(settings, found.id)
        store.revoke(conn, found.id, credential, _CLOCK.now())
    if as_json:
        print_json({"account_id": found.id, "revoked": credential})
    else:
        typer.echo(f"{credential} of {found.id} is revoked.")


def _amount(text: str | None) -> int:
    try:
        amount = money.to_minor(text, _UNIT) if text else 0
    except BillingError as error:
        raise typer.BadParameter(str(error), param_hint="--top-up") from error
    if amount < 0:
        raise typer.BadParameter("it must not be negative", param_hint="--top-up")
    return amount


def _issue(settings: Settings, account_id: AccountId) -> AccessKey:
    """Issue object-store credentials and note them in the books. Raises `StoreError`."""
    made = object_credentials.from_settings(settings).issue(account_id)
    with transaction(settings) as conn:
        for old in read.credentials_of(conn, account_id):
            if old.kind == _OBJECT_STORE and old.revoked_at is None:
                store.revoke(conn, account_id, old.id, _CLOCK.now())
        store.insert_object_store_key(conn, account_id, made.access_key, _CLOCK.now())
    return made


def _end_at_the_store(settings: Settings, account_id: AccountId) -> None:
    try:
        object_credentials.from_settings(settings).revoke(account_id)
    except StoreError as error:
        fail(f"The object store did not revoke it, so it is still valid: {error}", EXIT_NO_STACK)


def _no_credentials(account_id: AccountId, error: StoreError) -> NoReturn:
    fail(
        f"The account is there, but the object store issued no credentials: {error}\n"
        f"Once it answers, run `picmend account credentials {account_id}`.",
        EXIT_NO_STACK,
    )


def _found(conn: Connection, account_id: str) -> Account:
    found = store.get(conn, AccountId(account_id))
    if found is None:
        fail(str(AccountUnknownError(account_id)), EXIT_FAILED)
    return found


@contextmanager
def _known() -> Iterator[None]:
    try:
        yield
    except (AccountUnknownError, PlanUnknownError, TimeZoneUnknownError) as error:
        fail(str(error), EXIT_FAILED)


def _show_created(handed: HandedOut, name: str, *, as_json: bool) -> None:
    if not as_json:
        typer.echo(f"Account {handed.account_id} for {name.strip()} is made.")
    _show(handed, as_json=as_json)


def _show(handed: HandedOut, *, as_json: bool) -> None:
    if as_json:
        print_json(handed.as_record())
    else:
        handed.print()


def _show_state(found: Account, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(f"{found.id} is {found.state}.")

"""What an account has, and what it used."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query

from api.access import Caller
from api.documented import CALLED, problems
from api.errors import wrong_field
from domain.billing import service as billing
from domain.billing.daily_usage import DailyUsage, daily_usage
from schemas.api import AccountBalance, Usage, UsageLine, UsageTotal
from schemas.errors import ErrorCode
from schemas.operations import OperationName

router = APIRouter(prefix="/v1", tags=["money"])

_USUAL: Final = timedelta(days=30)
_LONGEST: Final = timedelta(days=366)
_DAY: Final = timedelta(days=1)


@router.get("/balance", responses=problems(*CALLED))
def read_balance(caller: Caller) -> AccountBalance:
    """Return what the account can spend, and what is held for its jobs under way."""
    with caller.session() as session:
        found = billing.balance(session.conn, session.account.id)
    return AccountBalance(
        account_id=session.account.id,
        available=found.available,
        held=found.held,
        unit=found.unit,
    )


@router.get("/usage", responses=problems(*CALLED, ErrorCode.REQUEST_INVALID))
def read_usage(
    caller: Caller,
    from_day: Annotated[
        date | None, Query(alias="from", description="First day; 29 before `to` by default")
    ] = None,
    to_day: Annotated[
        date | None, Query(alias="to", description="Last day; today by default")
    ] = None,
) -> Usage:
    """Add up the jobs that ended, by day (UTC, by the time of admission) and operation.

    Each is counted when it is billed, seconds after it ended; 366 days at most at a time.
    """
    last = to_day or caller.services.clock.now().date()
    first = from_day or last - min(_USUAL - _DAY, last - date.min)
    if not first <= last <= first + min(_LONGEST - _DAY, date.max - _DAY - first):
        raise wrong_field("from", f"it must be {_LONGEST.days - 1} days before `to` at most")
    with caller.session() as session:
        lines = daily_usage(
            session.conn, session.account.id, _midnight(first), _midnight(last + _DAY)
        )
    return Usage(
        from_day=first,
        to_day=last,
        days=tuple(_line(line) for line in lines),
        totals=tuple(_total(unit, lines) for unit in sorted({line.unit for line in lines})),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _line(used: DailyUsage) -> UsageLine:
    return UsageLine(
        day=used.day,
        operation=OperationName(used.operation),
        unit=used.unit,
        jobs=used.jobs,
        succeeded=used.succeeded,
        pixels=used.pixels,
        amount=used.charged,
    )


def _total(unit: str, lines: tuple[DailyUsage, ...]) -> UsageTotal:
    of_unit = [line for line in lines if line.unit == unit]
    return UsageTotal(
        unit=unit,
        jobs=sum(line.jobs for line in of_unit),
        succeeded=sum(line.succeeded for line in of_unit),
        pixels=sum(line.pixels for line in of_unit),
        amount=sum(line.charged for line in of_unit),
    )

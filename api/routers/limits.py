"""What an account may use, and what of it is used."""

from fastapi import APIRouter

from api.access import Caller
from api.documented import CALLED, problems
from domain.pipeline.standing import Standing, standing
from schemas.api import AccountLimits, LimitStanding

router = APIRouter(prefix="/v1/limits", tags=["limits"])


@router.get("", responses=problems(*CALLED))
def read_limits(caller: Caller) -> AccountLimits:
    """Return the account's limits, what is used of each, and when it begins anew.

    How the rate of requests stands is in the headers of every answer.
    """
    with caller.session() as session:
        account = session.account
        found = standing(session.conn, account, caller.services.clock.now())
    return AccountLimits(
        account_id=account.id,
        plan=account.plan,
        time_zone=account.time_zone,
        limits=tuple(map(_view, found)),
    )


def _view(one: Standing) -> LimitStanding:
    return LimitStanding(
        quota=one.limit.quota,
        operation=one.limit.operation,
        limit=one.limit.value,
        used=one.used,
        left=one.left,
        resets_at=one.resets_at,
        until=one.override.ends_at if one.override else None,
    )

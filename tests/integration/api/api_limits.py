"""Limits of accounts of the served API, and networks that its clients come from."""

from itertools import count

from tests.integration.api.api_world import CLOCK, Client, World

WRONG_KEY = "pm_live_0000000000000000_" + "0" * 64

ADDRESSES = (f"10.{n // 256}.{n % 256}.7" for n in count())
"""For `X-Forwarded-For`, which the API believes of this machine: each is in a network where
nobody was before."""


def override(world: World, client: Client, **quotas: int) -> None:
    """Give an account limits of its own from now on."""
    with world.connect() as conn:
        for quota, value in quotas.items():
            conn.execute(
                "INSERT INTO quota_overrides (account_id, quota, value, starts_at, reason, by, at)"
                " VALUES (%s, %s, %s, %s, 'test', 'test', now())",
                (client.id, quota, value, CLOCK.now()),
            )

"""Which errors are the world's: a server that is away, not a message that is wrong.

What raises one of these is tried again, for as long as it takes; nothing is skipped for it.
"""

from typing import Final

import psycopg

from infra.kafka import BrokerUnavailableError
from infra.stored_objects import AccessDenied, StoreUnavailable

WORLD_ERRORS: Final[tuple[type[Exception], ...]] = (
    # Connections lost or refused, deadlocks, serialisation failures, time-outs, pools run dry.
    psycopg.OperationalError,
    psycopg.InterfaceError,
    BrokerUnavailableError,
    StoreUnavailable,
    # Our own credentials: no message can be blamed for them.
    AccessDenied,
    ConnectionError,
    TimeoutError,
)

"""Logs: structured events with stable names, one JSON object a line, on standard error.

They carry ids (account, job, topic, partition, offset), never secrets, mail addresses or
what is in a picture. Whoever has one message or one job in hand says so once, by `about`; every
line that is logged meanwhile by the same thread carries its ids.
"""

import logging
import sys
from contextlib import AbstractContextManager
from typing import cast

import structlog
from structlog.typing import FilteringBoundLogger


def configure(level: str) -> None:
    """Send this process's logs, those of libraries too, to standard error as JSON lines."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Not the values of variables, which may be credentials or what is in a picture.
                structlog.processors.ExceptionRenderer(
                    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
                ),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(numeric)
    # These tell of every connection and every retry, which drowns what matters.
    for noisy in ("kafka", "aiokafka", "faust", "mode", "botocore"):
        logging.getLogger(noisy).setLevel(max(numeric, logging.WARNING))
    logging.getLogger("urllib3").setLevel(max(numeric, logging.ERROR))


def logger(name: str) -> FilteringBoundLogger:
    """Return a logger; bind ids to it as they become known."""
    return cast("FilteringBoundLogger", structlog.get_logger(name))


def about(
    *,
    account: str | None = None,
    job: str | None = None,
    topic: str | None = None,
    partition: int | None = None,
    offset: int | None = None,
    **more: str | int | None,
) -> AbstractContextManager[object]:
    """Let every line of a block carry these ids; what is None is not known, and left out."""
    ids = {
        "account": account,
        "job": job,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        **more,
    }
    return structlog.contextvars.bound_contextvars(
        **{name: value for name, value in ids.items() if value is not None}
    )


def verbose() -> bool:
    """Tell whether lines below INFO are wanted: one for every message that is done."""
    return logging.getLogger().isEnabledFor(logging.DEBUG)

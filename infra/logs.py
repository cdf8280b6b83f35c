"""Logs: structured events with stable names, one JSON object a line, on standard error.

They carry ids (account, job, topic, partition, offset), never secrets, mail addresses or
what is in a picture.
"""

import logging
import sys
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
                structlog.processors.dict_tracebacks,
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

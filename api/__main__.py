"""The API process: `python -m api`."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.app import create_app
from api.server import ApiServer
from api.services import Services, open_services
from infra import logs, metrics, tracing
from infra.monitor import Monitor
from infra.schema_version import require_schema
from infra.settings import Settings, settings


def main() -> None:
    """Serve until told to stop. Exits with 1 when the address is taken."""
    own = settings()
    logs.configure(own.log_level)
    metrics.introduce("api")
    require_schema(own.database_url.get_secret_value())
    with Monitor(host=own.monitor_host, port=own.monitor_port) as monitor:
        app = create_app(lambda: _opened(own))
        ApiServer(app, host=own.api_host, port=own.api_port, monitor=monitor).run()


@contextmanager
def _opened(own: Settings) -> Iterator[Services]:
    # Within the application's life, for the server ends by the signal that it was sent.
    with tracing.sending(own.traces_endpoint, process="api"), open_services(own) as services:
        yield services


if __name__ == "__main__":
    main()

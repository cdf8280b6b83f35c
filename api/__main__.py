"""The API process: `python -m api`."""

from api.app import create_app
from api.server import ApiServer
from api.services import open_services
from infra import logs
from infra.monitor import Monitor
from infra.schema_version import require_schema
from infra.settings import settings


def main() -> None:
    """Serve until told to stop. Exits with 1 when the address is taken."""
    own = settings()
    logs.configure(own.log_level)
    require_schema(own.database_url.get_secret_value())
    with Monitor(host=own.monitor_host, port=own.monitor_port) as monitor:
        app = create_app(lambda: open_services(own))
        ApiServer(app, host=own.api_host, port=own.api_port, monitor=monitor).run()


if __name__ == "__main__":
    main()

"""What every provider gives: the servers of a stack, and the environment that reaches them."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from infra.settings import Settings
from infra.stack.errors import StackError
from infra.stack.server import Server


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Return the settings that `PICMEND_*` variables of `environment` give.

    Raises `StackError`, which names each wrong variable.
    """
    prefix = "PICMEND_"
    given = {
        name.removeprefix(prefix).lower(): value
        for name, value in environment.items()
        if name.startswith(prefix)
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(
            f"{prefix}{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}"
            for each in error.errors()
        )
        raise StackError(f"wrong settings: {wrong}") from error


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that runs: Kafka with its topics, Postgres migrated, an object store.

    `environment` holds every `PICMEND_*` variable a process needs to use it. `servers` are
    those this stack started; a stack of external servers has none.
    """

    provider: str
    environment: Mapping[str, str]
    servers: tuple[Server, ...] = ()

    def settings(self) -> Settings:
        """Return the settings of a process that uses this stack."""
        return settings_of(self.environment)

    def server(self, name: str) -> Server:
        """Return the server `kafka`, `postgres` or `store`.

        Raises `KeyError` when this stack did not start it.
        """
        for server in self.servers:
            if server.name == name:
                return server
        raise KeyError(f"this stack runs no {name}; it runs {[s.name for s in self.servers]}")

"""Credentials as their holder gets to see them: once."""

from dataclasses import dataclass

from rich.console import Console

from domain.accounts.model import ApiKey
from infra.object_credentials import AccessKey
from infra.settings import Settings
from schemas import keys
from schemas.ids import AccountId


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What an account was just given; what it was not is None."""

    settings: Settings
    account_id: AccountId
    api_key: ApiKey | None
    access_key: AccessKey | None

    def as_record(self) -> dict[str, object]:
        """Return them as a record for JSON."""
        return {
            "account_id": self.account_id,
            "api_key": str(self.api_key) if self.api_key else None,
            "object_store": self._store_record() if self.access_key else None,
        }

    def print(self) -> None:
        """Print them for a person."""
        console = Console(highlight=False, soft_wrap=True)
        console.print("Shown once; keep them now.", style="bold")
        if self.api_key is not None:
            console.print(f"  API key        {self.api_key}", markup=False)
        for name, value in self._store_record().items() if self.access_key else ():
            console.print(f"  {name.replace('_', ' '):<14} {value}", markup=False)

    def _store_record(self) -> dict[str, str]:
        if self.access_key is None:
            return {}
        own = self.settings
        return {
            "endpoint": own.s3_public_endpoint or own.s3_endpoint,
            "region": own.s3_region,
            "bucket": own.bucket,
            "access_key": self.access_key.access_key,
            "secret_key": self.access_key.secret_key,
            "upload_to": f"{keys.account_input_prefix(self.account_id)}PRESET/",
            "results_in": keys.account_output_prefix(self.account_id),
        }

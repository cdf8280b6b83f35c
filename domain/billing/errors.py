"""What billing refuses by raising.

    BillingError
    ├── IdempotencyConflictError   a key, or a job, stands for another request
    ├── NoLedgerAccountsError      the account was never opened here
    ├── CurrencyConflictError      the account is kept in another currency
    ├── AmountError                not an amount that can be posted, or not written as one
    ├── OverdrawnError             a balance would fall below zero
    ├── NotCreditableError         more than was charged, or nothing was
    └── NotReversibleError         no top-up or credit, or reversed before

The first, and the last four when the database raised them, leave the caller's transaction
failed: roll it back.
"""


class BillingError(Exception):
    """Anything billing refuses."""


class IdempotencyConflictError(BillingError):
    """The same key, or the same job, was used before for another request."""


class NoLedgerAccountsError(BillingError):
    """The account has no ledger accounts; `open_accounts` makes them."""


class CurrencyConflictError(BillingError):
    """The account's ledger is kept in another currency, for ever."""


class AmountError(BillingError, ValueError):
    """An amount that is not positive, too large, or not written as one."""


class OverdrawnError(BillingError):
    """A balance would leave its limits."""


class NotCreditableError(BillingError):
    """A credit of more than a job was charged, or of a job that was not charged."""


class NotReversibleError(BillingError):
    """Only a top-up or a credit can be reversed, and each once."""

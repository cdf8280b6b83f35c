"""billing: the ledger, the holds on it, and the usage that closes them."""

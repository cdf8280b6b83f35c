"""Who may do how much: quotas, request rates, and rules against misuse."""

"""Use cases that span the modules of the domain."""

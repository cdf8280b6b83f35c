"""Rules against misuse: one file each, pure functions of facts and parameters."""

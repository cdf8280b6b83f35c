"""The steps, in order; each is one file here, with its SQL."""

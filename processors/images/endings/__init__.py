"""Where pictures end by their own account, which decoders partly forgive to be missing."""

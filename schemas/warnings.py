"""What a result's report warns of: stable names, for results that are good all the same."""

from enum import StrEnum


class Warned(StrEnum):
    """Something that a client may want to know of a result."""

    FIRST_FRAME_ONLY = "first_frame_only"
    """The file is animated, or has several pages; the first was restored."""

    DEPTH_REDUCED = "depth_reduced"
    """The file has more than 8 bits a channel; the result has 8."""

    PROFILE_MISSING = "profile_missing"
    """The file is in CMYK without a profile; its colours are a guess."""

    PROFILE_UNUSABLE = "profile_unusable"
    """The file's colour profile is damaged, or of another colour space, and was left out."""

    DATA_DAMAGED = "data_damaged"
    """Parts of the file make no sense, and what they showed was guessed."""

    METADATA_DAMAGED = "metadata_damaged"
    """The file's metadata could not be read, and was left out."""

    METADATA_NOT_WRITTEN = "metadata_not_written"
    """The metadata that was to be kept does not fit into the result's format."""

    ALPHA_FLATTENED = "alpha_flattened"
    """The result's format knows no transparency; the picture was laid on white."""

    TARGET_NOT_REACHED = "target_not_reached"
    """Even at the lowest quality the file has more bytes than were asked for."""

    TILES_REDONE = "tiles_redone"
    """Parts were computed a second time, by a safer way."""

    NOTHING_FOUND = "nothing_found"
    """The operation found nothing to do: the picture is as it was."""

    ENGINE_UNSUITED = "engine_unsuited"
    """The engine that was asked for failed on a part, and another filled it."""

"""What can be done to a picture: one file each, one signature for all."""

from processors.operations.restorer import Restorer, restore
from processors.operations.result import Phase, Report, Restored

__all__ = ["Phase", "Report", "Restored", "Restorer", "restore"]

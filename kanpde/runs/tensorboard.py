"""Write every number of the history for TensorBoard, as a scalar over the iterations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """A training callback that writes event files; `folder` is called when training starts and returns their folder."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

    def on_start(self, trainer: Any) -> None:
        """Open the event file."""
        # Imported here, because it is slow to import and few runs need it.
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self._folder()))

    def on_iteration(self, record: Mapping[str, Any]) -> None:
        """Write the numbers of one iteration."""
        if self._writer is None:
            return
        for name, value in record.items():
            if name != "iteration" and isinstance(value, (int, float)) and math.isfinite(value):
                self._writer.add_scalar(name, value, int(record["iteration"]))

    def on_checkpoint(self, trainer: Any) -> None:
        """Flush the buffer to the disk."""
        if self._writer is not None:
            self._writer.flush()

    def on_end(self, trainer: Any) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()

"""Weights out of the archives that torch saves, as authors of networks publish them.

Real-ESRGAN's hold a state dict under `params_ema` (preferred: the weights averaged over
training) or `params`; others hold it bare, or with each name after `module.`, as a network
trained on several devices has it.
"""

import io

import torch
from torch import Tensor, nn

from processors.models.files import WeightsMalformed

_WITHIN = ("params_ema", "params")
_PREFIX = "module."


def load_archive(network: nn.Module, archive: bytes) -> None:
    """Fill `network` in place with the state dict that `archive` holds.

    Raises `WeightsMalformed` when it holds anything but tensors (`state_dict`), or such of other
    names or shapes than the network's.
    """
    state = state_dict(archive)
    expected = network.state_dict()
    for name in expected.keys() ^ state.keys():
        place = "network" if name in expected else "archive"
        raise WeightsMalformed(f"only the {place} has {name}")
    for name, parameter in expected.items():
        if state[name].shape != parameter.shape:
            raise WeightsMalformed(
                f"{name} is {tuple(parameter.shape)} in the network, "
                f"{tuple(state[name].shape)} in the archive"
            )
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        # Tensors without values, or with some of them.
        raise WeightsMalformed(f"the archive's tensors cannot be taken over: {error}") from error


def state_dict(archive: bytes) -> dict[str, Tensor]:
    """Return the tensors that `archive` holds, by name.

    Nothing but tensors and plain containers is unpickled, so an archive cannot run code. Raises
    `WeightsMalformed` when it holds anything else.
    """
    try:
        held = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
    # An archive with a byte changed raises nearly anything: torch checks little of what it reads.
    except Exception as error:
        raise WeightsMalformed(f"the archive holds more, or less, than weights: {error}") from error
    for key in _WITHIN:
        if isinstance(held, dict) and key in held:
            held = held[key]
            break
    if not isinstance(held, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in held.items()
    ):
        raise WeightsMalformed("the archive holds no table of tensors by name")
    return {name.removeprefix(_PREFIX): value for name, value in held.items()}

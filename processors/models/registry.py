"""Networks, loaded once per process when they are first asked for."""

import hashlib
import importlib.metadata
import threading
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from processors.failures import ModelUnavailable
from processors.models.manifest import NETWORKS, Architecture, NetworkEntry, WeightFile
from processors.models.ncnn_weights import load_ncnn
from processors.models.rrdbnet import RRDBNet
from processors.models.srvgg import SRVGGNetCompact


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network in fp32 on the CPU, ready for inference, with what is known of it."""

    entry: NetworkEntry
    module: nn.Module


class Registry:
    """The networks of a manifest by name. Safe to share between threads."""

    def __init__(self, entries: tuple[NetworkEntry, ...] = NETWORKS) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._loaded: dict[str, LoadedNetwork] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> LoadedNetwork:
        """Return the network of that name, loading it on the first call.

        Raises `ModelUnavailable` when the name is unknown, or when its weights are missing,
        not those of the manifest (sha256), or do not fit the architecture.
        """
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def check(self) -> None:
        """Verify the weight files of every network without loading any.

        Raises `ModelUnavailable` for the first that is missing or altered.
        """
        for entry in self._entries.values():
            read_verified(entry.distribution, entry.param)
            read_verified(entry.distribution, entry.weights)

    def _load(self, name: str) -> LoadedNetwork:
        entry = self._entries.get(name)
        if entry is None:
            raise ModelUnavailable(
                f"there is no network {name!r}; known are {', '.join(self._entries)}"
            )
        module = _build(entry.architecture)
        param = read_verified(entry.distribution, entry.param).decode("ascii")
        load_ncnn(module, param, read_verified(entry.distribution, entry.weights))
        return LoadedNetwork(entry, module.eval().requires_grad_(requires_grad=False))


def read_verified(distribution: str, file: WeightFile) -> bytes:
    """Return the content of an installed distribution's file.

    Raises `ModelUnavailable` when the distribution or the file is missing, or when the content
    has another sha256 than the manifest's.
    """
    content = _locate(distribution, file.path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise ModelUnavailable(
            f"{file.path} has sha256 {digest}, expected {file.sha256}; "
            f"reinstall {distribution} from the locked requirements"
        )
    return content


def _locate(distribution: str, path: str) -> Path:
    try:
        located = importlib.metadata.distribution(distribution).locate_file(path)
    except importlib.metadata.PackageNotFoundError as error:
        raise ModelUnavailable(
            f"the distribution {distribution} is not installed; run `make install`"
        ) from error
    found = Path(str(located))
    if not found.is_file():
        raise ModelUnavailable(f"{distribution} has no file {path}; run `make install` again")
    return found


def _build(architecture: Architecture) -> nn.Module:
    match architecture:
        case Architecture.RRDB_23:
            return RRDBNet(blocks=23)
        case Architecture.RRDB_6:
            return RRDBNet(blocks=6)
        case Architecture.SRVGG_16:
            return SRVGGNetCompact(convolutions=16)

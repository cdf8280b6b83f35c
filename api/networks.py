"""Where a request comes from: the client's address, behind trusted proxies, and its network.

A network is a /24 of IPv4 or a /48 of IPv6: as little as one site usually has.
"""

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from infra.settings import Network

Address = IPv4Address | IPv6Address

NOWHERE: Final = "unknown"
"""The network of a client that has no address, such as one at a socket of this machine."""

_PREFIX: Final = {4: 24, 6: 48}


def client_address(
    peer: str | None, forwarded: Iterable[str], trusted: Collection[Network]
) -> Address | None:
    """Return the address of a request's client; None when there is none to tell.

    `forwarded` are the values of `X-Forwarded-For`, to which each proxy adds whom it was sent
    by. From the right, addresses are believed while the one that told them is `trusted`: the
    first that is not is the client's, whatever stands to the left of it.
    """
    found = _address(peer or "")
    told = [hop for value in forwarded for hop in value.split(",")]
    while found is not None and told and any(found in network for network in trusted):
        before = _address(told.pop())
        if before is None:
            break
        found = before
    return found


def network_of(address: Address | None) -> str:
    """Return the network that an address is in, as `192.0.2.0/24` or `2001:db8:1::/48`."""
    if address is None:
        return NOWHERE
    return str(ip_network((address.packed, _PREFIX[address.version]), strict=False))


def _address(text: str) -> Address | None:
    """Return the address in a text that may have a port, as an IPv4 one where it stands for one."""
    plain = text.strip()
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        found = ip_address(plain)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        return found.ipv4_mapped or found
    return found

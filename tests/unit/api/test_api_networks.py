from ipaddress import ip_network

import pytest

from api.networks import NOWHERE, client_address, network_of
from infra.settings import Settings

PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::1", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("testclient", NOWHERE),
        (None, NOWHERE),
    ],
)
def test_a_network_is_a_24_or_a_48(address: str | None, network: str) -> None:
    assert network_of(client_address(address, [], [])) == network


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9,10.9.9.9"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9:1234"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8:1::9]:1234"], "2001:db8:1::9"),
        ("2001:db8:ffff::1", ["2001:db8:1::9"], "2001:db8:1::9"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["", " , "], "10.0.0.1"),
    ],
)
def test_a_forwarded_address_is_believed_of_trusted_proxies_alone(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert str(client_address(peer, forwarded, PROXIES)) == client


def test_proxies_are_told_as_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICMEND_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8:ffff::/48")
    assert list(Settings().trusted_proxies) == PROXIES

    monkeypatch.setenv("PICMEND_TRUSTED_PROXIES", "10.0.0.1/8")
    with pytest.raises(ValueError, match="trusted_proxies"):
        Settings()


def test_nobody_is_trusted_unless_told() -> None:
    assert Settings().trusted_proxies == ()

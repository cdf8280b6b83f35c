from ipaddress import ip_address
from pathlib import Path

import pytest

from infra.countries import Countries, CountriesUnreadableError, load

LINES = [
    "network,country",
    "2001:db8::/32,CN",
    "192.0.2.0/24,NL",
    "192.0.3.0/25,DE",
    "0.0.0.0/8,AA",
    "2001:db9:0:1::/64,NL",
]


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("192.0.2.0", "NL"),
        ("192.0.2.255", "NL"),
        ("192.0.3.127", "DE"),
        ("192.0.3.128", ""),
        ("192.0.1.255", ""),
        ("255.255.255.255", ""),
        ("0.0.0.0", "AA"),  # noqa: S104 - an address to look up
        ("2001:db8:ffff::1", "CN"),
        ("2001:db9:0:1:ffff::", "NL"),
        ("2001:db9:0:2::", ""),
        ("::", ""),
    ],
)
def test_an_address_is_of_the_country_whose_network_it_is_in(address: str, country: str) -> None:
    assert Countries(LINES).of(ip_address(address)) == country


def test_without_a_file_nobody_has_a_country(tmp_path: Path) -> None:
    assert load(None).of(ip_address("192.0.2.1")) == ""
    assert Countries(LINES).of(None) == ""
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("192.0.2.0/24", "line 2"),
        ("192.0.2.1/24,NL", "line 2: .*host bits"),
        ("192.0.2.0/24,nl", "line 2: 'nl' is no code"),
        ("192.0.2.0/24,NL,x", "line 2"),
        ("2001:db8::/65,NL", "line 2: .* smaller than /64"),
        ("10.1.0.0/16,NL", "line 2: it overlaps"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "countries.csv"
    file.write_text(f"10.0.0.0/8,AA\n{line}\n", encoding="utf-8")

    with pytest.raises(CountriesUnreadableError, match=f"countries.csv: {message}"):
        load(file)

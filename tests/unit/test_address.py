"""What HOST:PORT means."""

import pytest

from backupctl.address import Address
from backupctl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "host", "shown"),
    [
        ("8080", "127.0.0.1", "127.0.0.1:8080"),
        (":8080", "127.0.0.1", "127.0.0.1:8080"),
        ("0.0.0.0:8080", "0.0.0.0", "0.0.0.0:8080"),
        ("localhost:8080", "localhost", "localhost:8080"),
        ("db-1.internal:8080", "db-1.internal", "db-1.internal:8080"),
        ("[::]:8080", "::", "[::]:8080"),
        ("[fe80::1%eth0]:8080", "fe80::1%eth0", "[fe80::1%eth0]:8080"),
    ],
)
def test_without_a_host_it_is_this_machine_alone(text: str, host: str, shown: str) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, str(address)) == (host, 8080, shown)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "localhost", "0", ":0", "65536", "99999999", "-1", "\uff18\uff10", "\u00b2", "8080\n", "a b:8080"),
        *(
            "::1:8080",
            "[]:8080",
            "[here]:8080",
            "[::1]",
            "http://localhost:8080",
            "*:8080",
            "me@host:80",
            "host:80/path",
        ),
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="is not an address to listen on") as caught:
        Address.parse(text)
    assert caught.value.hint
    assert "0.0.0.0:8080" in caught.value.hint


@pytest.mark.parametrize(
    ("listening", "asked"),
    [("0.0.0.0:81", "127.0.0.1:81"), ("[::]:81", "[::1]:81"), ("10.1.2.3:81", "10.1.2.3:81"), ("81", "127.0.0.1:81")],
)
def test_what_listens_on_every_address_is_asked_on_this_machine(listening: str, asked: str) -> None:
    assert str(Address.parse(listening).to_ask) == asked

"""Where a webhook may point: URLs, names, and what the names stand for."""

import ipaddress

import pytest
from mlflow.utils.validation import _is_public_ip

from cairn.domain.addresses import is_global
from cairn.domain.webhooks import check_addresses, target_of
from cairn.errors import InvalidParameterValue

GLOBAL = [
    "8.8.8.8",
    "93.184.216.34",
    "1.1.1.1",
    "2606:2800:220:1:248:1893:25c8:1946",
    "::ffff:8.8.8.8",
    "2002:0808:0808::1",  # 6to4 of 8.8.8.8
    "64:ff9b::8.8.8.8",
]
OTHER = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.10",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a00:1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::808:808",  # Teredo, its server on loopback
    "2001:0:808:808:0:0:80ff:fffe",  # Teredo, its client 127.0.0.1
    "2001:db8::1",
    "2001:2::1",
    "2001:10::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:a9fe:a9fe::",
    "2002:a00:1::",
    "2606:2800:220:1:0:5efe:127.0.0.1",  # ISATAP
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%1",
    "fec0::1",
    "ff02::1",
    "",
    "localhost",
    "127.1",
    "2130706433",
]


@pytest.mark.parametrize("address", GLOBAL)
def test_the_public_internet(address: str) -> None:
    assert is_global(address)
    check_addresses("hooks.example.org", [address])


@pytest.mark.parametrize("address", OTHER)
def test_everything_else(address: str) -> None:
    assert not is_global(address)
    with pytest.raises(InvalidParameterValue, match="must not resolve to a non-public IP address"):
        check_addresses("hooks.example.org", [address])


@pytest.mark.parametrize("address", [*GLOBAL, *OTHER])
def test_nothing_is_global_that_mlflow_refuses(address: str) -> None:
    if is_global(address):
        assert _is_public_ip(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "addresses", [["8.8.8.8", "10.0.0.1"], ["2606:4700::1", "::1"], ["8.8.8.8", "::1"]]
)
def test_mixed_answers_are_refused(addresses: list[str]) -> None:
    with pytest.raises(InvalidParameterValue):
        check_addresses("hooks.example.org", addresses)


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://hooks.example.org", "hooks.example.org", "/"),
        ("https://hooks.example.org:443/a/b?c=d#e", "hooks.example.org", "/a/b?c=d"),
        ("https://HOOKS.example.org./x", "hooks.example.org", "/x"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
        ("https://a_b.example.org?q", "a_b.example.org", "/?q"),
        ("https://8.8.8.8/hook", "8.8.8.8", "/hook"),
        ("https://[2606:4700:0:0::1]/hook", "2606:4700::1", "/hook"),
        ("https://1password.com/", "1password.com", "/"),
        ("https://0x7f.example.org/", "0x7f.example.org", "/"),
    ],
)
def test_a_plain_url(url: str, host: str, path: str) -> None:
    assert target_of(url) == (host, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "hooks.example.org",
        "//hooks.example.org/",
        "https:///path",
        "https://",
        "https://:443/",
        "https://hooks.example.org:8443/",
        "https://hooks.example.org:80/",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:/",
        "https://hooks.example.org:x/",
        "https://hooks.example.org:99999/",
        "https://user@hooks.example.org/",
        "https://user:secret@hooks.example.org/",
        "https://@hooks.example.org/",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://hooks.example.org@127.0.0.1/",
        "https://b\u00fccher.example/",
        "https://hooks\u3002example.org/",
        "https://\u2460\u2461\u2466.0.0.1/",
        "https://hooks.example.org/\u00fc",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nX-Header: 1",
        "https://hooks.example.org/\t",
        "https://hooks.exam\nple.org/",
        " https://hooks.example.org/",
        "https://hooks.example.org/\x00",
        "https://%31%32%37.0.0.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://0177.0.0.1/",
        "https://0177.0.0.01/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://127.0.0.0x1/",
        "https://127.0.0.1..../",
        "https://127.0.0.256/",
        "https://1.2.3.4.5/",
        "https://hooks..example.org/",
        "https://.example.org/",
        "https://-x.example.org/",
        "https://" + "a" * 64 + ".example.org/",
        "https://" + ".".join(["a" * 60] * 5) + "/",
        "https://[::1/",
        "https://[::ffff:127.0.0.1%251]/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.x]/",
        "https://[hooks.example.org]/",
        "https://hooks.example.org]/",
    ],
)
def test_a_url_that_is_not_plain(url: str) -> None:
    with pytest.raises(InvalidParameterValue):
        target_of(url)

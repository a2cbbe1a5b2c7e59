"""Which network addresses the outside world has, and which are somebody's own.

An address may hide another one: an IPv6 form that carries an IPv4 address is taken for what it carries.
What is not plainly global is refused: loopback, private, link-local (AWS's metadata service among them),
shared, documentation, multicast, reserved.
"""

import ipaddress
from collections.abc import Iterator

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given out as global unicast (IANA, "IPv6 Global Unicast Address Assignments")."""
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # protocol assignments, also those that Python counts as global
            "192.88.99.0/24",  # the relays of 6to4, given back (RFC 7526)
            "2001::/23",  # protocol assignments: Teredo, ORCHID
            "3fff::/20",  # documentation (RFC 9637), which this Python may not know
            "5f00::/16",  # segment routing (RFC 9602)
        ),
    )
)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


def is_global(address: str) -> bool:
    """Whether a connection to this address leaves for the public internet. False for what is no address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        carried = list(_carried(ip))
        if carried:
            return all(map(_is_plainly_global, carried))
        if ip not in _UNICAST or int(ip) >> 32 & 0xFFFF_FFFF in _ISATAP:
            return False
    return _is_plainly_global(ip)


def _carried(ip: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for: mapped (RFC 4291), 6to4 (RFC 3056), Teredo's
    server and client (RFC 4380), NAT64 (RFC 6052)."""
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if ip in _NAT64:
        yield ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)


def _is_plainly_global(ip: _Address) -> bool:
    if ip.is_multicast or ip.is_reserved or ip.is_unspecified or not ip.is_global:
        return False
    return not any(ip.version == net.version and ip in net for net in _SPECIAL)

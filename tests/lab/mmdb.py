# SPDX-License-Identifier: MIT
"""Writes small MaxMind DB files, so that tests need no download.

    mmdb.write(path, {'10.1.0.0/16': mmdb.nested('DE', 'Berlin', 52.5, 13.4),
                      'fd00::/8': mmdb.flat('FR', 'Paris', 48.9, 2.4)})
    mmdb.write(path, {'10.1.0.0/16': mmdb.asn(64500, 'Example')}, version=4)
"""

import ipaddress
import struct

EPOCH = 1780617600      # 2026-06-05, a fixed build time


class Uint(int):
    """An unsigned number that says its type: Uint(1, 16)."""

    def __new__(cls, value, bits=32):
        self = super().__new__(cls, value)
        self.bits = bits
        return self


class Float(float):
    """Single precision; a plain float is double."""


def nested(country, city, latitude, longitude, region='Region'):
    """A record in MaxMind's layout."""
    return {'country': {'iso_code': country, 'names': {'en': 'Country'}},
            'subdivisions': [{'iso_code': 'X', 'names': {'en': region}}],
            'city': {'names': {'de': 'Stadt', 'en': city}},
            'location': {'accuracy_radius': Uint(5, 16),
                         'latitude': float(latitude),
                         'longitude': float(longitude)}}


def flat(country, city, latitude, longitude, region='Region'):
    """A record with flat keys and single precision."""
    return {'country_code': country, 'state1': region, 'city': city,
            'latitude': Float(latitude), 'longitude': Float(longitude)}


def asn(number, name):
    """A record of an AS database."""
    return {'autonomous_system_number': Uint(number),
            'autonomous_system_organization': name}


_TYPES = {'str': 2, 'double': 3, 16: 5, 32: 6, 'map': 7, 64: 9, 'array': 11,
          'bool': 14, 'float': 15}


def _head(kind, size):
    number = _TYPES[kind]
    if size < 29:
        low, more = size, b''
    elif size < 285:
        low, more = 29, bytes([size - 29])
    else:
        low, more = 30, struct.pack('>H', size - 285)
    if number > 7:
        return bytes([low, number - 7]) + more
    return bytes([number << 5 | low]) + more


def encode(value):
    """One value of the data section, without pointers."""
    if isinstance(value, bool):
        return _head('bool', int(value))
    if isinstance(value, Uint):
        raw = int(value).to_bytes((int(value).bit_length() + 7) // 8, 'big')
        return _head(value.bits, len(raw)) + raw
    if isinstance(value, Float):
        return _head('float', 4) + struct.pack('>f', value)
    if isinstance(value, float):
        return _head('double', 8) + struct.pack('>d', value)
    if isinstance(value, (str, bytes)):
        raw = value.encode() if isinstance(value, str) else value
        return _head('str', len(raw)) + raw
    if isinstance(value, dict):
        return _head('map', len(value)) + b''.join(
            encode(k) + encode(v) for k, v in value.items())
    return _head('array', len(value)) + b''.join(encode(v) for v in value)


def pointer(offset):
    """A pointer to an offset of the data section below 2048."""
    return bytes([1 << 5 | offset >> 8, offset & 0xff])


def _bits(net, version):
    bits, length = int(net.network_address), net.prefixlen
    if version == 6 and net.version == 4:
        length += 96
    total = 32 if version == 4 else 128
    return [bits >> (total - 1 - i) & 1 for i in range(length)]


def _tree(networks, version):
    """Nodes [left, right] of: None, ('node', i) or ('data', key)."""
    nodes = [[None, None]]
    for text, key in networks.items():
        bits = _bits(ipaddress.ip_network(text), version)
        at = 0
        for bit in bits[:-1]:
            if nodes[at][bit] is None:
                nodes.append([None, None])
                nodes[at][bit] = ('node', len(nodes) - 1)
            elif nodes[at][bit][0] != 'node':
                raise ValueError(f'{text} lies within another network')
            at = nodes[at][bit][1]
        nodes[at][bits[-1]] = ('data', key)
    return nodes


def build(networks, version=6, kind='Test-City', raw=None):
    """The file's bytes. raw: a data section of one's own; then the values of
    networks are offsets in it."""
    data, offsets = raw or b'', {}
    for text, value in networks.items():
        if raw is not None:
            offsets[text] = value
            continue
        offsets[text] = len(data)
        data += encode(value)
    nodes = _tree({text: text for text in networks}, version)
    tree = b''
    for node in nodes:
        for side in node:
            if side is None:
                number = len(nodes)
            elif side[0] == 'node':
                number = side[1]
            else:
                number = len(nodes) + 16 + offsets[side[1]]
            tree += number.to_bytes(3, 'big')
    meta = {'node_count': Uint(len(nodes)), 'record_size': Uint(24, 16),
            'ip_version': Uint(version, 16), 'database_type': kind,
            'languages': ['en'], 'binary_format_major_version': Uint(2, 16),
            'binary_format_minor_version': Uint(0, 16),
            'build_epoch': Uint(EPOCH, 64),
            'description': {'en': 'made by a test'}}
    return tree + bytes(16) + data + b'\xab\xcd\xefMaxMind.com' + encode(meta)


def write(path, networks, **kwargs):
    """Writes build()'s bytes to a file."""
    with open(path, 'wb') as file:
        file.write(build(networks, **kwargs))

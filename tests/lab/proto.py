# SPDX-License-Identifier: MIT
"""The schema (proto2) as the tests read it: from the files themselves, also
those of an older version. Messages are dicts.

    schema = Schema('proto')
    data = schema.encode('ps.Rule', {'id': 'r1', 'priority': 7})
    schema.decode('ps.Rule', data)

Only what proto/ uses is known: no groups, maps, extensions or oneofs.
"""

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"[^"]*"|[\w.]+|[{}=;\[\],<>()-]',
                    re.S)
# Wire types: varint, 64 bits, length and bytes, 32 bits.
VARINT, I64, LEN, I32 = 0, 1, 2, 5
SCALARS = {
    'uint32': VARINT, 'uint64': VARINT, 'int32': VARINT, 'int64': VARINT,
    'bool': VARINT, 'sint32': VARINT, 'sint64': VARINT, 'fixed64': I64,
    'double': I64, 'fixed32': I32, 'float': I32, 'string': LEN, 'bytes': LEN,
}


@dataclass
class Field:
    """A line of a message."""
    label: str      # required, optional, repeated
    type: str       # a scalar's name, or the full one of a message or enum
    name: str
    number: int


@dataclass
class Message:
    """A message and its fields by number."""
    name: str
    fields: dict = field(default_factory=dict)

    def named(self, name):
        """The field of this name, None: there is none."""
        return next((f for f in self.fields.values() if f.name == name), None)


class Schema:
    """All messages and enums of the .proto files of a folder."""

    def __init__(self, folder):
        self.messages = {}
        self.enums = {}     # full name: {name: number}
        for path in sorted(Path(folder).glob('*.proto')):
            words = [w for w in _TOKEN.findall(path.read_text('utf-8'))
                     if not w.startswith(('//', '/*'))]
            self._file(path, words)
        for message in self.messages.values():
            for one in message.fields.values():
                one.type = self._resolve(message.name, one.type)

    # ---- reading -----------------------------------------------------------

    def _file(self, path, words):
        package = ''
        while words:
            word = words.pop(0)
            if word == 'package':
                package = words.pop(0) + '.'
                words.pop(0)
            elif word == 'message':
                self._message(package + words.pop(0), words)
            elif word == 'enum':
                self._enum(package + words.pop(0), words)
            elif word in ('syntax', 'import', 'option'):
                while words.pop(0) != ';':
                    pass
            else:
                raise ValueError(f'{path}: what is "{word}"?')

    def _message(self, name, words):
        message = self.messages[name] = Message(name)
        words.pop(0)
        while (word := words.pop(0)) != '}':
            if word == 'message':
                self._message(f'{name}.{words.pop(0)}', words)
            elif word == 'enum':
                self._enum(f'{name}.{words.pop(0)}', words)
            elif word in ('required', 'optional', 'repeated'):
                kind, label, _, number = (words.pop(0) for _ in range(4))
                message.fields[int(number)] = Field(word, kind, label,
                                                    int(number))
                while words.pop(0) != ';':
                    pass
            elif word in ('reserved', 'option'):
                while words.pop(0) != ';':
                    pass
            elif word != ';':
                raise ValueError(f'{name}: what is "{word}"?')

    def _enum(self, name, words):
        values = self.enums[name] = {}
        words.pop(0)
        while (word := words.pop(0)) != '}':
            if word == ';':
                continue
            words.pop(0)
            values[word] = int(words.pop(0))

    def _resolve(self, scope, kind):
        if kind in SCALARS:
            return kind
        while True:
            full = f'{scope}.{kind}' if scope else kind
            if full in self.messages or full in self.enums:
                return full
            if not scope:
                raise ValueError(f'no type {kind}')
            scope = scope.rpartition('.')[0]

    # ---- wire --------------------------------------------------------------

    def encode(self, name, values):
        """The bytes of a message; ValueError: no such field."""
        out = b''
        message = self.messages[name]
        for key, value in values.items():
            one = message.named(key)
            if one is None:
                raise ValueError(f'{name} has no {key}')
            many = value if one.label == 'repeated' else [value]
            out += b''.join(self._encode(one, v) for v in many)
        return out

    def _encode(self, one, value):
        if one.type in self.messages:
            body = self.encode(one.type, value)
        elif one.type in self.enums:
            return _key(one.number, VARINT) + _varint(
                self.enums[one.type].get(value, value))
        elif one.type == 'string':
            body = value.encode()
        elif one.type == 'bytes':
            body = value
        else:
            return _key(one.number, SCALARS[one.type]) + _scalar(one.type,
                                                                 value)
        return _key(one.number, LEN) + _varint(len(body)) + body

    def decode(self, name, data):
        """A dict; fields that the schema does not know are left out."""
        out, at = {}, 0
        message = self.messages[name]
        for one in message.fields.values():
            if one.label == 'repeated':
                out[one.name] = []
        while at < len(data):
            key, at = _read_varint(data, at)
            value, at = _read(data, at, key & 7)
            one = message.fields.get(key >> 3)
            if one is None:
                continue
            value = self._value(one, value)
            if one.label == 'repeated':
                out[one.name].append(value)
            else:
                out[one.name] = value
        return out

    def _value(self, one, value):
        if one.type in self.messages:
            return self.decode(one.type, value)
        if one.type in self.enums:
            return next((n for n, v in self.enums[one.type].items()
                         if v == value), value)
        if one.type == 'string':
            return value.decode()
        if one.type == 'bool':
            return bool(value)
        if one.type == 'double':
            return struct.unpack('<d', struct.pack('<Q', value))[0]
        return value


def _varint(number):
    number &= (1 << 64) - 1
    out = b''
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def _key(number, wire):
    return _varint(number << 3 | wire)


def _scalar(kind, value):
    if kind == 'double':
        return struct.pack('<d', value)
    if kind == 'fixed64':
        return struct.pack('<Q', value)
    if kind == 'fixed32':
        return struct.pack('<I', value)
    return _varint(int(value))


def _read_varint(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 0x7f) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return number, at


def _read(data, at, wire):
    if wire == VARINT:
        return _read_varint(data, at)
    if wire == I64:
        return struct.unpack_from('<Q', data, at)[0], at + 8
    if wire == I32:
        return struct.unpack_from('<I', data, at)[0], at + 4
    if wire != LEN:
        raise ValueError(f'wire type {wire}')
    size, at = _read_varint(data, at)
    return data[at:at + size], at + size

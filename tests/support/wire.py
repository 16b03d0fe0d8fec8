"""The wire form of a push, written by hand: protobuf fields and a snappy block of literals only."""


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, body):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def timestamp(ns):
    seconds, nanos = divmod(ns, 10**9)
    return b"\x08" + varint(seconds & (2**64 - 1)) + b"\x10" + varint(nanos)


def entry(ns, line, metadata=()):
    body = field(1, timestamp(ns)) + field(2, line)
    for name, value in metadata:
        body += field(3, field(1, name.encode()) + field(2, value.encode()))
    return body


def push_request(streams):
    """[(label text, [(ns, line bytes[, metadata pairs]), ...]), ...]"""
    return b"".join(field(1, field(1, labels.encode()) + b"".join(field(2, entry(*e)) for e in entries))
                    for labels, entries in streams)


def snappy(raw):
    out = bytearray(varint(len(raw)))
    for begin in range(0, len(raw), 65536):
        piece = raw[begin:begin + 65536]
        size = len(piece) - 1
        out += bytes([61 << 2]) + size.to_bytes(2, "little") + piece
    return bytes(out)

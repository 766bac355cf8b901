"""A small GGUF (version 3) writer and reader: metadata, F32 and Q8_0 tensors."""
import struct

import numpy as np

MAGIC, VERSION, ALIGNMENT = 0x46554747, 3, 32
F32, Q8_0 = 0, 8  # tensor types
# metadata value types
SCALARS = {"u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"), "bool": (7, "<?"), "u64": (10, "<Q")}
STRING, ARRAY = 8, 9


def pack_string(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def pack_value(kind, value):
    """kind: a scalar type's name, "str", or either in brackets for an array, as "[str]"."""
    if kind.startswith("["):
        inner = kind[1:-1]
        number = STRING if inner == "str" else SCALARS[inner][0]
        items = [pack_string(v) if inner == "str" else struct.pack(SCALARS[inner][1], v) for v in value]
        return struct.pack("<IIQ", ARRAY, number, len(items)) + b"".join(items)
    if kind == "str":
        return struct.pack("<I", STRING) + pack_string(value)
    number, code = SCALARS[kind]
    return struct.pack("<I", number) + struct.pack(code, value)


def quantise_q8_0(x):
    """Blocks of 32: a half-precision scale, then 32 signed bytes, rounded to the nearest for the scale as stored."""
    blocks = np.ascontiguousarray(x, np.float32).reshape(-1, 32)
    scale = (np.abs(blocks).max(1) / 127.0).astype(np.float16)
    divisor = scale.astype(np.float32)
    divisor[divisor == 0] = 1.0
    raw = np.empty((len(blocks), 34), np.uint8)
    raw[:, :2] = scale.view(np.uint8).reshape(-1, 2)
    raw[:, 2:] = np.clip(np.rint(blocks / divisor[:, None]), -127, 127).astype(np.int8).view(np.uint8)
    return raw.tobytes()


def padding(size):
    return b"\0" * (-size % ALIGNMENT)


def write(path, metadata, tensors):
    """metadata: [(key, kind, value)]; tensors: [(name, float32 array in row-major order, type)]."""
    infos, blobs, offset = [], [], 0
    for name, array, kind in tensors:
        raw = quantise_q8_0(array) if kind == Q8_0 else np.ascontiguousarray(array, np.float32).tobytes()
        dims = array.shape[::-1]  # GGUF lists the contiguous dimension first
        infos.append(pack_string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset))
        blobs.append(raw + padding(len(raw)))
        offset += len(blobs[-1])
    head = struct.pack("<IIQQ", MAGIC, VERSION, len(tensors), len(metadata))
    head += b"".join(pack_string(key) + pack_value(kind, value) for key, kind, value in metadata) + b"".join(infos)
    path.write_bytes(head + padding(len(head)) + b"".join(blobs))


class Cursor:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, code):
        values = struct.unpack_from("<" + code, self.raw, self.at)
        self.at += struct.calcsize("<" + code)
        return values[0] if len(values) == 1 else values

    def string(self):
        size = self.take("Q")
        self.at += size
        return self.raw[self.at - size:self.at].decode()

    def value(self, number):
        if number == STRING:
            return self.string()
        if number == ARRAY:
            inner, count = self.take("I"), self.take("Q")
            return [self.value(inner) for _ in range(count)]
        return self.take(next(code for n, code in SCALARS.values() if n == number)[1:])


def read(path):
    """(metadata {key: value}, tensors {name: float32 array}), weights dequantised."""
    cursor = Cursor(path.read_bytes())
    assert cursor.take("II") == (MAGIC, VERSION)
    n_tensors, n_keys = cursor.take("QQ")
    metadata = {}
    for _ in range(n_keys):
        key = cursor.string()
        metadata[key] = cursor.value(cursor.take("I"))
    infos = []
    for _ in range(n_tensors):
        name = cursor.string()
        dims = [cursor.take("Q") for _ in range(cursor.take("I"))]
        infos.append((name, dims[::-1], *cursor.take("IQ")))
    base = cursor.at + len(padding(cursor.at))
    tensors = {}
    for name, shape, kind, offset in infos:
        count = int(np.prod(shape))
        if kind == F32:
            array = np.frombuffer(cursor.raw, np.float32, count, base + offset)
        else:
            assert kind == Q8_0
            raw = np.frombuffer(cursor.raw, np.uint8, count // 32 * 34, base + offset).reshape(-1, 34)
            array = raw[:, :2].copy().view(np.float16).astype(np.float32) * raw[:, 2:].view(np.int8)
        tensors[name] = array.reshape(shape)
    return metadata, tensors

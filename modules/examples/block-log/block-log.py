"""block-log: a module for bllvm-node in Python, with msgpack alone. It appends a line for each
connected and disconnected block to a file, and acknowledges an event after the line is on the
disk. PROTOCOL.md of bllvm-ipc says what the bytes mean; `Channel` is what a module needs of it."""

import os, signal, socket, struct, sys

import msgpack

HELLO, WELCOME, REQUEST, RESPONSE, CANCEL, EVENT, ACK, LOG, _METRIC, PING, PONG, GOODBYE = range(1, 13)
ERROR, MAX_FRAME = 1, 1 << 20
CONFIGURE, VALIDATE, PREPARE, ACTIVATE, DRAIN, RESUME, RECONFIGURE, CALL = 1, 2, 3, 4, 5, 6, 7, 16
TYPES = ("chain.block_connected", "chain.block_disconnected")


class Channel:
    """Frames over descriptor 3: u32 length, {kind u8, flags u8, method u16, 0 u32, id u64}, body."""

    def __init__(self):
        self.socket = socket.socket(fileno=3)
        self.buffer = bytearray()

    def send(self, kind, id=0, body=None, flags=0):
        packed = b"" if body is None else msgpack.packb(body)
        self.socket.sendall(struct.pack(">IBBHIQ", 16 + len(packed), kind, flags, 0, 0, id) + packed)

    def read(self):
        """The next frame, or None when the host is gone."""
        while not self.has_frame():
            if not (received := self.socket.recv(65536)):
                return None
            self.buffer += received
        length, kind, _flags, method, _zero, id = struct.unpack_from(">IBBHIQ", self.buffer)
        body = bytes(self.buffer[20:4 + length])
        del self.buffer[:4 + length]
        return kind, method, id, msgpack.unpackb(body) if body else None

    def has_frame(self):
        length = struct.unpack_from(">I", self.buffer)[0] if len(self.buffer) >= 4 else MAX_FRAME
        if not 16 <= length <= MAX_FRAME:
            sys.exit(f"a frame of {length} bytes is not of this protocol")
        return len(self.buffer) >= 4 + length

    def greet(self, name, version):
        self.send(HELLO, body={"protocol_min": 1, "protocol_max": 1, "name": name, "version": version})
        kind, _method, _id, body = self.read() or sys.exit("the host closed the channel before its welcome")
        if kind != WELCOME:
            sys.exit(f"the host refused: {body['message']}")


class Refused(Exception):  # Becomes an error reply: a code of PROTOCOL.md, and a sentence.
    pass


class BlockLog:
    def __init__(self, channel):
        self.channel, self.file, self.last, self.dirty = channel, None, 0, 0

    def problems(self, config):
        name = config.get("file_name")
        if isinstance(name, str) and name.endswith(".log") and "/" not in name and name != ".log":
            return []
        return [{"key": "file_name", "message": "use a plain file name that ends in `.log`"}]

    def open(self):
        """Goes on after the last whole line: its number says which events are in the file already."""
        path = os.path.join(os.environ.get("BLLVM_DATA_DIR", "."), self.config["file_name"])
        self.file = open(path, "ab+")
        self.file.seek(0)
        text = self.file.read()
        whole = text.rfind(b"\n") + 1
        self.file.truncate(whole)
        lines = text[:whole].splitlines()
        self.last = int(lines[-1].split()[0]) if lines else 0

    def request(self, method, body):
        if method in (CONFIGURE, VALIDATE, RECONFIGURE):
            problems = self.problems(body["config"])
            if not problems and method != VALIDATE:
                self.config = body["config"]
                if method == RECONFIGURE:
                    self.settle()
                    self.open()
            return {"problems": problems}
        if method == PREPARE:  # Nothing is opened or written before `activate`.
            return {}
        if method in (ACTIVATE, RESUME):
            self.open()
            text = f"writing to {self.file.name}, after event {self.last}"
            self.channel.send(LOG, body={"level": "info", "target": "block_log", "message": text, "fields": {}})
            tail = {"name": "tail", "description": "The newest lines.", "result": {"type": "array"},
                    "params": {"type": "object", "properties": {"lines": {"type": "integer", "default": 10}}}}
            return {"methods": [tail], "subscriptions": list(TYPES)} if method == ACTIVATE else {}
        if method == DRAIN:
            self.settle()
            return {}
        if method == CALL and body["method"] == "tail":
            return {"result": self.tail((body.get("params") or {}).get("lines", 10))}
        raise Refused("not_found" if method == CALL else "unsupported", "there is only the method `tail`")

    def tail(self, count):
        if count not in range(1, 1001):
            raise Refused("invalid", "`lines` is a number from 1 to 1000")
        self.file.flush()
        self.file.seek(0)
        return [line.decode() for line in self.file.read().splitlines()[-count:]]

    def event(self, event):
        if event["type"] == "events.reset":  # The journal no longer has what came before.
            self.last = 0
        if event["type"] in TYPES and event["seq"] > self.last:
            block, verb = event["data"], event["type"].rpartition("_")[2]
            self.file.write(f"{event['seq']} {event['time']} {verb} {block['height']} {block['hash']}\n".encode())
            self.last = event["seq"]
        if event["class"] == "durable":
            self.dirty = event["seq"]

    def settle(self):  # One fsync and one acknowledgement for all events that came together.
        if self.dirty:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.channel.send(ACK, self.dirty)
            self.dirty = 0

    def run(self):
        while frame := self.channel.read():
            kind, method, id, body = frame
            if kind == REQUEST:
                try:
                    self.channel.send(RESPONSE, id, self.request(method, body))
                except Refused as refused:
                    code, message = refused.args
                    self.channel.send(RESPONSE, id, {"code": code, "message": message}, ERROR)
            elif kind == EVENT:
                self.event(body)
            elif kind == PING:
                self.channel.send(PONG, id)
            elif kind == GOODBYE:
                break
            if not self.channel.has_frame():
                self.settle()


if __name__ == "__main__":
    if not os.environ.get("LISTEN_FDNAMES", "").startswith("bllvm"):
        print("block-log is a module of bllvm-node; load it with: bllvm-node module load block-log", file=sys.stderr)
        sys.exit(64)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    channel = Channel()
    channel.greet("block-log", "0.1.0")
    BlockLog(channel).run()

"""fee-watch: a module for bllvm-node in Python, with msgpack alone. At each new block it asks the node
what a place in the next blocks costs, appends a line to fees.csv, and shows the newest on the
dashboard. PROTOCOL.md of bllvm-ipc says what the bytes mean; `Channel` is what a module needs of it."""

import os, signal, socket, struct, sys

import msgpack

HELLO, WELCOME, REQUEST, RESPONSE, CANCEL, EVENT, ACK, LOG, _METRIC, PING, PONG, GOODBYE = range(1, 13)
ERROR, MAX_FRAME = 1, 1 << 20
CONFIGURE, VALIDATE, PREPARE, ACTIVATE, DRAIN, RESUME, RECONFIGURE, CALL = 1, 2, 3, 4, 5, 6, 7, 16
MEMPOOL_INFO, FEE_ESTIMATE, UI_STATUS = 0x0201, 0x0301, 0x0A01
BLOCK, MEMPOOL = "chain.block_connected", "mempool.changed"


class Channel:
    """Frames over descriptor 3: u32 length, {kind u8, flags u8, method u16, 0 u32, id u64}, body."""

    def __init__(self):
        self.socket = socket.socket(fileno=3)
        self.buffer, self.next_id, self.open = bytearray(), 1, {}

    def send(self, kind, id=0, body=None, flags=0, method=0):
        packed = b"" if body is None else msgpack.packb(body)
        self.socket.sendall(struct.pack(">IBBHIQ", 16 + len(packed), kind, flags, method, 0, id) + packed)

    def ask(self, method, body, then):
        """Asks the host; `then(answer, error)` is called when the answer is there, in any order."""
        self.open[self.next_id] = then
        self.send(REQUEST, self.next_id, body, method=method)
        self.next_id += 1

    def read(self):
        """The next frame, or None when the host is gone."""
        while not self.has_frame():
            if not (received := self.socket.recv(65536)):
                return None
            self.buffer += received
        length, kind, flags, method, _zero, id = struct.unpack_from(">IBBHIQ", self.buffer)
        body = bytes(self.buffer[20:4 + length])
        del self.buffer[:4 + length]
        return kind, flags, method, id, msgpack.unpackb(body) if body else None

    def has_frame(self):
        length = struct.unpack_from(">I", self.buffer)[0] if len(self.buffer) >= 4 else MAX_FRAME
        if not 16 <= length <= MAX_FRAME:
            sys.exit(f"a frame of {length} bytes is not of this protocol")
        return len(self.buffer) >= 4 + length

    def greet(self, name, version):
        self.send(HELLO, body={"protocol_min": 1, "protocol_max": 1, "name": name, "version": version})
        kind, _flags, _method, _id, body = self.read() or sys.exit("the host closed the channel before its welcome")
        if kind != WELCOME:
            sys.exit(f"the host refused: {body['message']}")


class Refused(Exception):  # Becomes an error reply: a code of PROTOCOL.md, and a sentence.
    pass


def rate(sat_per_kvb):
    return "-" if sat_per_kvb is None else f"{sat_per_kvb / 1000:.3f}"


class FeeWatch:
    """One round at a time: the newest block, one question for each target, then one line."""

    def __init__(self, channel):
        self.channel, self.file, self.last = channel, None, 0
        self.block, self.answers, self.newest, self.mempool, self.drained = None, None, [], {}, None

    def problems(self, config):
        targets = config.get("targets")
        if isinstance(targets, list) and 1 <= len(targets) <= 8 and all(t in range(1, 1009) for t in targets):
            return []
        return [{"key": "targets", "message": "give 1 to 8 whole numbers of blocks, each from 1 to 1008"}]

    def open(self):
        """Goes on after the last whole line: its number says which events are in the file already."""
        self.file = open(os.path.join(os.environ.get("BLLVM_DATA_DIR", "."), "fees.csv"), "ab+")
        self.file.seek(0)
        text = self.file.read()
        whole = text.rfind(b"\n") + 1
        self.file.truncate(whole)
        lines = text[:whole].splitlines()
        self.last = int(lines[-1].split(b",")[0]) if lines else 0

    def request(self, id, method, body):
        if method in (CONFIGURE, VALIDATE, RECONFIGURE):
            problems = self.problems(body["config"])
            if not problems and method != VALIDATE:
                self.config = body["config"]
            return {"problems": problems}
        if method == PREPARE:  # Nothing is opened or written before `activate`.
            return {}
        if method in (ACTIVATE, RESUME):
            self.open()
            self.drained = None
            self.channel.ask(MEMPOOL_INFO, {}, self.sized)
            tail = {"name": "fees", "description": "The newest lines of fees.csv.", "result": {"type": "array"},
                    "params": {"type": "object", "properties": {"lines": {"type": "integer", "default": 10}}}}
            return {"methods": [tail], "subscriptions": [BLOCK, MEMPOOL]} if method == ACTIVATE else {}
        if method == DRAIN:  # Answered when the round that is under way has its line.
            self.drained = id
            self.finish()
            return None
        if method == CALL and body["method"] == "fees":
            return {"result": self.tail((body.get("params") or {}).get("lines", 10))}
        raise Refused("not_found" if method == CALL else "unsupported", "there is only the method `fees`")

    def tail(self, count):
        if count not in range(1, 1001):
            raise Refused("invalid", "`lines` is a number from 1 to 1000")
        self.file.seek(0)
        return [line.decode() for line in self.file.read().splitlines()[-count:]]

    def event(self, event):
        if event["type"] == "events.reset":  # The journal no longer has what came before.
            self.last = 0
        if event["type"] == MEMPOOL:
            self.sized(event["data"], None)
        if event["class"] == "durable":
            # Of blocks that came together only the newest is asked about: fees are those of now.
            self.block = event if event["type"] == BLOCK else dict(self.block or event, seq=event["seq"])

    def begin(self):
        if self.block and self.answers is None and self.drained is None:
            event, self.block = self.block, None
            if event["type"] != BLOCK or event["seq"] <= self.last:
                self.channel.send(ACK, event["seq"])
                return
            self.answers = {}
            for target in self.config["targets"]:
                self.channel.ask(FEE_ESTIMATE, {"target_blocks": target}, self.answered(event, target))

    def answered(self, event, target):
        targets = list(self.config["targets"])

        def then(answer, error):
            self.answers[target] = None if error else answer.get("sat_per_kvb")
            if len(self.answers) == len(targets):
                self.note(event, targets)

        return then

    def note(self, event, targets):
        """The line is on the disk before the event is acknowledged."""
        fees = ",".join(f"{target}={rate(self.answers[target])}" for target in targets)
        line = f"{event['seq']},{event['time']},{event['data']['height']},{fees}\n"
        self.file.write(line.encode())
        self.file.flush()
        os.fsync(self.file.fileno())
        self.channel.send(ACK, event["seq"])
        self.last, self.newest, self.answers = event["seq"], [(t, self.answers[t]) for t in targets], None
        self.show()
        self.finish()

    def finish(self):
        if self.drained is not None and self.answers is None:
            self.channel.send(RESPONSE, self.drained, {})
            self.drained = None

    def sized(self, info, error):
        if not error:
            self.mempool = info
            self.show()

    def show(self):
        fields = [{"key": f"fee-{target}", "label": f"Within {target} block{'s' if target > 1 else ''}",
                   "value": "not known" if fee is None else f"{rate(fee)} sat/vB"} for target, fee in self.newest]
        if self.mempool:
            waiting = f"{self.mempool['transactions']} transactions, {self.mempool['vsize']} vB"
            fields.append({"key": "mempool", "label": "Mempool", "value": waiting})
        self.channel.ask(UI_STATUS, {"fields": fields}, lambda answer, error: None)

    def run(self):
        while frame := self.channel.read():
            kind, flags, method, id, body = frame
            if kind == REQUEST:
                try:
                    if (answer := self.request(id, method, body)) is not None:
                        self.channel.send(RESPONSE, id, answer)
                except Refused as refused:
                    code, message = refused.args
                    self.channel.send(RESPONSE, id, {"code": code, "message": message}, ERROR)
            elif kind == RESPONSE:
                if then := self.channel.open.pop(id, None):
                    then(None, body) if flags & ERROR else then(body, None)
            elif kind == EVENT:
                self.event(body)
            elif kind == PING:
                self.channel.send(PONG, id)
            elif kind == GOODBYE:
                break
            if not self.channel.has_frame():
                self.begin()


if __name__ == "__main__":
    if not os.environ.get("LISTEN_FDNAMES", "").startswith("bllvm"):
        print("fee-watch is a module of bllvm-node; load it with: bllvm-node module load fee-watch", file=sys.stderr)
        sys.exit(64)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    channel = Channel()
    channel.greet("fee-watch", "0.1.0")
    FeeWatch(channel).run()

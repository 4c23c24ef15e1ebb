"""The pipeline that an engineer would write in Python: consume in batches, decode, window, score, flag, produce, commit, export metrics.

pipeline.py SETTINGS.json, with what bench/suites/kafka.mjs writes. It does what vaemon does on the same records, as fast as NumPy and
its friends let it without tricks: one batch is decoded into columns, windows are rows of one array, and all windows of a
round are gathered and scored at once.
"""

import json
import signal
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client import Counter, Gauge, Histogram, start_http_server

settings = json.loads(Path(sys.argv[1]).read_text())
CHANNELS = settings["channels"]
MODES = {mode: i + 1 for i, mode in enumerate(settings["modes"])}
LENGTH, WIDTH, MODE_COUNT = settings["length"], len(CHANNELS), len(settings["modes"]) + 1
CENTER = np.array(settings["center"])
SCALE = np.array(settings["scale"])
THRESHOLD = settings["threshold"]
SOFT_LIMIT = settings["softLimit"]

BINARY_MAGIC = b"VR\x01\x01"
BINARY_RECORD = np.dtype([("timestamp", "<f8"), ("values", "<f8", (WIDTH,))])
FIXED_BYTES = 20 + 8 * WIDTH + 2
MODES_BY_BYTES = {mode.encode(): i for mode, i in MODES.items()}

consumed = Counter("records_consumed", "Records read.")
rejected = Counter("records_rejected", "Records that could not be used.", ["reason"])
scored = Counter("records_scored", "Windows scored.")
anomalies = Counter("records_anomalous", "Windows beyond the threshold.")
seconds = Histogram("batch_seconds", "From a batch to its commit.", buckets=[0.005 * 2**i for i in range(12)])
keys_held = Gauge("window_keys", "Devices with a window.")


def create_scorer():
    """(x, mask, c) → reconstruction and parts, shapes [n] and [n, channels]."""
    if settings["engine"] == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(settings["onnx"], options, providers=["CPUExecutionProvider"])
        return lambda x, mask, c: session.run(["reconstruction", "contributions"], {"x": x, "mask": mask, "c": c})
    import torch
    from model import Cvae, read_safetensors

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    model = Cvae(read_safetensors(settings["weights"]), LENGTH, WIDTH, settings["latent"], "gaussian").eval()

    def score(x, mask, c):
        with torch.inference_mode():
            outputs = model.score(torch.from_numpy(x), torch.from_numpy(mask), torch.from_numpy(c))
        return outputs[0].numpy(), outputs[2].numpy()

    return score


def decode_json(value):
    record = orjson.loads(value)
    values = record["values"]
    return (
        record["key"],
        datetime.fromisoformat(record["timestamp"]).timestamp(),
        [values[channel] for channel in CHANNELS],
        MODES.get(record["conditions"]["mode"], 0),
    )


class Windows:
    """The last records of each key, scaled, in one array that grows with the keys. A window is 2·LENGTH rows, of which LENGTH are it."""

    def __init__(self):
        self.index = {}
        self.x = np.zeros((1024, 2 * LENGTH, WIDTH), np.float32)
        self.mode = np.zeros((1024, 2 * LENGTH, MODE_COUNT), np.float32)
        self.count = np.zeros(1024, np.int64)
        self.newest = np.full(1024, -np.inf)

    def rows(self, keys):
        index = self.index
        rows = np.empty(len(keys), np.int64)
        for i, key in enumerate(keys):
            row = index.get(key)
            if row is None:
                row = index[key] = len(index)
            rows[i] = row
        while len(index) > len(self.count):
            for name in ("x", "mode", "count", "newest"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros_like(old)]))
            self.newest[len(self.newest) // 2 :] = -np.inf
        return rows

    def push(self, rows, x, mode, times):
        """Takes one record of each of these rows; returns which of them are newer than what was there."""
        fresh = times > self.newest[rows]
        rows, x, mode = rows[fresh], x[fresh], mode[fresh]
        self.newest[rows] = times[fresh]
        # Each record is written twice, so that a window always lies in one piece.
        slot = self.count[rows] % LENGTH
        for at in (slot, slot + LENGTH):
            self.x[rows, at] = x
            self.mode[rows, at] = mode
        self.count[rows] += 1
        return fresh

    def gather(self, rows):
        at = (self.count[rows] % LENGTH)[:, None] + np.arange(LENGTH)
        x = self.x[rows[:, None], at].reshape(len(rows), -1)
        modes = self.mode[rows[:, None], at]
        c = np.concatenate([modes[:, -1], modes.mean(1)], 1)
        return x, c


def scale(values):
    scaled = (values - CENTER) / SCALE
    beyond = np.abs(scaled) - SOFT_LIMIT
    return np.where(beyond > 0, np.sign(scaled) * (SOFT_LIMIT + np.log1p(np.maximum(beyond, 0))), scaled)


def main():
    score = create_scorer()
    windows = Windows()
    consumer = Consumer(
        {
            "bootstrap.servers": settings["bootstrap"],
            "group.id": settings["group"],
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    producer = Producer({"bootstrap.servers": settings["bootstrap"], "enable.idempotence": True, "linger.ms": 0})
    running = True

    def stop(*_):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    start_http_server(settings["metricsPort"])
    consumer.subscribe([settings["topic"]])
    decode = decode_binary_batch if settings["format"] == "binary" else decode_json_batch
    print(json.dumps({"ready": True}), flush=True)
    while running:
        messages = consumer.consume(settings["batch"], timeout=settings["timeout"])
        if not messages:
            continue
        with seconds.time():
            handle(messages, decode, score, windows, producer)
            # What was flagged is out before any offset is committed.
            producer.flush()
            offsets = {}
            for message in messages:
                if message.error() is None:
                    offsets[message.partition()] = message.offset() + 1
            consumer.commit(
                offsets=[TopicPartition(settings["topic"], partition, offset) for partition, offset in offsets.items()],
                asynchronous=False,
            )
        consumed.inc(len(messages))
        keys_held.set(len(windows.index))
    consumer.close()


def decode_json_batch(messages):
    keys, times, values, modes, origins = [], [], [], [], []
    for message in messages:
        if message.error() is not None:
            continue
        try:
            key, time, row, mode = decode_json(message.value())
        except (ValueError, KeyError, TypeError) as error:
            rejected.labels(type(error).__name__).inc()
            continue
        keys.append(key)
        times.append(time)
        values.append(row)
        modes.append(mode)
        origins.append(message)
    return keys, np.array(times), np.array(values, np.float64).reshape(len(keys), WIDTH), np.array(modes, np.int64), origins


def decode_binary_batch(messages):
    """The binary format of docs/formats.md, with float64 values and one condition, a text."""
    keys, blocks, modes, origins = [], [], [], []
    for message in messages:
        value = message.value()
        if message.error() is not None or value is None or len(value) < FIXED_BYTES or value[:4] != BINARY_MAGIC:
            rejected.labels("format").inc()
            continue
        begin = 20 + value[19]
        end = begin + 8 * WIDTH
        keys.append(value[20:begin].decode())
        blocks.append(value[8:16])
        blocks.append(value[begin:end])
        modes.append(MODES_BY_BYTES.get(value[end + 2 : end + 2 + value[end + 1]], 0))
        origins.append(message)
    rows = np.frombuffer(b"".join(blocks), BINARY_RECORD)
    return keys, rows["timestamp"] / 1000, rows["values"], np.array(modes, np.int64), origins


def handle(messages, decode, score, windows, producer):
    keys, times, values, modes, origins = decode(messages)
    if not keys:
        return
    x = scale(values).astype(np.float32)
    mode = np.zeros((len(keys), MODE_COUNT), np.float32)
    mode[np.arange(len(keys)), modes] = 1
    rows = windows.rows(keys)
    # Records of one key follow one another: the first of each, then the second of each, and so on.
    order = np.argsort(rows, kind="stable")
    ranks = np.empty(len(rows), np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(rows[order]) != 0])
    ranks[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    for rank in range(ranks.max() + 1):
        chosen = np.flatnonzero(ranks == rank)
        fresh = windows.push(rows[chosen], x[chosen], mode[chosen], times[chosen])
        if not fresh.all():
            rejected.labels("stale").inc(int((~fresh).sum()))
        chosen = chosen[fresh]
        chosen = chosen[windows.count[rows[chosen]] >= LENGTH]
        if len(chosen) == 0:
            continue
        window, c = windows.gather(rows[chosen])
        statistic, parts = score(window, np.ones_like(window), c)
        scored.inc(len(chosen))
        odd = np.flatnonzero(statistic >= THRESHOLD)
        anomalies.inc(len(odd))
        for i in odd:
            message = origins[chosen[i]]
            contributions = sorted(zip(CHANNELS, parts[i].tolist()), key=lambda part: -part[1])
            detection = {
                "key": keys[chosen[i]],
                "timestampMs": float(times[chosen[i]]) * 1000,
                "reconstruction": float(statistic[i]),
                "contributions": [{"channel": name, "contribution": part} for name, part in contributions],
                "source": {"topic": message.topic(), "partition": message.partition(), "offset": str(message.offset())},
            }
            producer.produce(settings["detections"], orjson.dumps(detection), key=keys[chosen[i]])


if __name__ == "__main__":
    main()

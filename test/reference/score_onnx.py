"""
score_onnx.py FOLDER…: scores the golden windows of model versions with onnxruntime. Of vaemon it has two files of each:
score.onnx, which scales and scores, and golden.json, the windows and what vaemon says of them. Conditions are encoded here
anew, from what the graph says of them. Prints a JSON list, one entry a folder: the largest difference of each statistic,
relative to its size or to 1, whichever is more.
"""

import base64
import json
import pathlib
import sys

import numpy as np
import onnxruntime


def encode(record, specs, learned):
    """Conditions of one record: a category one-hot behind a place for unknown ones, a number in standard deviations."""
    encoded = []
    for spec, value in zip(specs, record, strict=True):
        if spec["kind"] == "category":
            known = learned["categories"].get(spec["name"], [])
            place = known.index(value) + 1 if value in known else 0
            encoded += [float(i == place) for i in range(len(known) + 1)]
        else:
            number = learned["numbers"][spec["name"]]
            scaled = 0 if value is None else min(5, max(-5, (value - number["mean"]) / number["std"]))
            encoded.append(scaled)
            if spec["missing"] == "unknown":
                encoded.append(float(value is None))
    return encoded


def condition(window, learned):
    """That of the newest record, and the mean over the window."""
    records = np.array([encode(record, learned["specs"], learned) for record in window["conditions"]])
    return np.concatenate([records[-1], records.mean(axis=0)])


def inputs_of(session, windows):
    metadata = session.get_modelmeta().custom_metadata_map
    learned = json.loads(metadata["vaemon.conditions"])
    shapes = {one.name: one.shape for one in session.get_inputs()}
    if isinstance(windows[0]["values"], str):
        pixels = [np.frombuffer(base64.b64decode(window["values"]), np.uint8) for window in windows]
        inputs = {"values": np.stack(pixels).reshape(len(windows), *shapes["values"][1:])}
    else:
        # null is a value that is missing.
        inputs = {"values": np.array([window["values"] for window in windows], np.float64)}
    if "c" in shapes:
        inputs["c"] = np.array([condition(window, learned) for window in windows], np.float32)
    return inputs


def compare(folder):
    session = onnxruntime.InferenceSession(folder / "score.onnx", providers=["CPUExecutionProvider"])
    windows = json.loads((folder / "golden.json").read_text())["windows"]
    names = [one.name for one in session.get_outputs() if one.name in windows[0]["statistics"]]
    outputs = dict(zip(names, session.run(names, inputs_of(session, windows)), strict=True))
    differences = {}
    for name, actual in outputs.items():
        expected = np.array([window["statistics"][name] for window in windows])
        size = np.maximum(1, np.abs(expected))
        if name == "llr":
            # A difference of two distortions, which are large for an anomaly: rounding goes by their size.
            size = np.maximum(size, np.abs([window["statistics"]["reconstruction"] for window in windows]))
        differences[name] = float(np.max(np.abs(actual - expected) / size))
    return differences


print(json.dumps([compare(pathlib.Path(folder)) for folder in sys.argv[1:]]))

"""Scores and trains the models of the bench: engine.py ENGINE FOLDER, with pytorch or onnxruntime. One thread."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from model import Cvae, read_safetensors

engine, folder = sys.argv[1], Path(sys.argv[2])
torch.set_num_threads(1)
torch.set_num_interop_threads(1)
WANTED = ["reconstruction", "latent", "contributions", "meanErrors", "expectedOfChannels"]
SHAPES = {
    "M1": dict(length=32, channels=8, latent=16, likelihood="gaussian"),
    "M2": dict(length=784, channels=1, latent=20, likelihood="bernoulli"),
}
prepared = {}


def prepare(name):
    if name not in prepared:
        model = Cvae(read_safetensors(folder / f"{name}.weights.safetensors"), **SHAPES[name])
        inputs = {key: value.copy() for key, value in read_safetensors(folder / f"{name}.inputs.safetensors").items()}
        session = None
        if engine == "onnxruntime":
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
        # The optimiser that PyTorch itself has made for this: all parameters in one pass.
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        prepared[name] = model, inputs, session, optimizer
    return prepared[name]


def batch_of(inputs, batch):
    return {key: np.resize(value, (batch, value.shape[1])) for key, value in inputs.items()}


def pace(work, seconds, rows=1):
    times = []
    work()
    used = time.process_time()
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(times) < 5:
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    used = time.process_time() - used
    times.sort()
    return {"perSecond": rows / times[len(times) // 2], "perCpuSecond": rows * len(times) / used}


def scorer(name, batch):
    model, inputs, session, _ = prepare(name)
    arrays = batch_of(inputs, batch)
    if session is not None:
        return lambda: session.run(WANTED, arrays)
    x, mask, c = (torch.from_numpy(arrays[key]) for key in ("x", "mask", "c"))
    model.eval()

    def run():
        with torch.inference_mode():
            return [output.numpy() for output in model.score(x, mask, c)]

    return run


def trainer(name, batch):
    model, inputs, _, optimizer = prepare(name)
    arrays = batch_of(inputs, batch)
    x, mask, c = (torch.from_numpy(arrays[key]) for key in ("x", "mask", "c"))
    model.train()

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss = model.loss(x, mask, c)
        loss.backward()
        # As vaemon does: one odd batch must not undo an epoch.
        torch.nn.utils.clip_grad_norm_(model.parameters(), 100)
        optimizer.step()
        return loss.item()

    return run


def answer(request):
    if request["what"] == "outputs":
        outputs = scorer(request["model"], request["batch"])()
        return {name: np.asarray(output).ravel().tolist() for name, output in zip(WANTED, outputs)}
    if request["what"] == "score":
        run = scorer(request["model"], request["batch"])
        return pace(run, request["seconds"], request["batch"])
    return pace(trainer(request["model"], request["batch"]), request["seconds"])


print(json.dumps({"engine": engine, "torch": torch.__version__, "python": sys.version.split()[0]}), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)

"""`run.py CASE… `: computes each case's losses, gradients and statistics; CASE.safetensors → CASE.reference.safetensors."""

import json
import sys

import torch

import safetensors
from models import MODELS


def compute(path):
    arrays, metadata = safetensors.load(path)
    tensors = {name: torch.from_numpy(array).double() for name, array in arrays.items()}
    part = lambda prefix: {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
    spec, weights = json.loads(metadata["spec"]), part("weight:")
    for weight in weights.values():
        weight.requires_grad_()
    noise = [tensors[f"noise:{i}"] for i in range(len(part("noise:")))]
    model = MODELS[spec["kind"]](spec, weights, noise)
    x, mask, c = tensors["x"], tensors["mask"], tensors.get("c")

    results = {}
    for phase, loss in model.losses(x, mask, c, int(metadata["step"]), tensors.get("drawn")).items():
        results[f"loss:{phase}"] = loss
        gradients = torch.autograd.grad(loss, list(weights.values()), retain_graph=True, allow_unused=True)
        for name, gradient in zip(weights, gradients):
            results[f"gradient:{phase}:{name}"] = torch.zeros_like(weights[name]) if gradient is None else gradient
    with torch.no_grad():
        for name, values in model.statistics(x, mask, c).items():
            results[f"statistic:{name}"] = values
    return {name: value.detach().numpy() for name, value in results.items()}


for case in sys.argv[1:]:
    safetensors.save(case.replace(".safetensors", ".reference.safetensors"), compute(case))

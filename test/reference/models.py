"""The models of src/models once more, in PyTorch and double precision, from their papers and torch.distributions."""

import math

import torch
from torch.distributions import Bernoulli, Categorical, MixtureSameFamily, Normal, StudentT, kl_divergence
from torch.distributions import Independent
from torch.nn.functional import conv2d, conv_transpose2d, pad, softplus


class Model:
    """Weights and spec of one case; `noise` gives the draws that the case was computed with, in their order."""

    def __init__(self, spec, weights, noise):
        self.spec = spec
        self.weights = weights
        self.noise = iter(noise)

    # Networks

    def mlp(self, name, x):
        layers = sum(key.startswith(name + "/") and key.endswith("/kernel") for key in self.weights)
        for i in range(layers):
            x = x @ self.weights[f"{name}/{i}/kernel"] + self.weights[f"{name}/{i}/bias"]
            x = torch.relu(x) if i < layers - 1 else x
        return x

    def sizes(self):
        """Height and width of each layer, x first."""
        height, width = self.spec["length"] // self.spec["width"], self.spec["width"]
        sizes = [(height, width)]
        for _ in self.spec["hidden"]:
            sizes.append(tuple(math.ceil(size / 2) if size > 1 else 1 for size in sizes[-1]))
        return sizes

    def encoder(self, name, x, given):
        if self.spec["network"] == "mlp":
            return self.mlp(name, beside(x, given))
        sizes = self.sizes()
        h = x.reshape(-1, *sizes[0], self.spec["channels"]).permute(0, 3, 1, 2)
        if given is not None:
            h = torch.cat([h, given[:, :, None, None].expand(-1, -1, *sizes[0])], 1)
        for i, size in enumerate(sizes[:-1]):
            padding = [edge for n in reversed(size) for edge in same_padding(n)]
            kernel = self.weights[f"{name}/{i}/kernel"].permute(3, 2, 0, 1)
            h = torch.relu(conv2d(pad(h, padding), kernel, self.weights[f"{name}/{i}/bias"], stride=strides(size)))
        flat = h.permute(0, 2, 3, 1).reshape(len(x), -1)
        return flat @ self.weights[f"{name}/out/kernel"] + self.weights[f"{name}/out/bias"]

    def decode(self, z, c):
        if self.spec["network"] == "mlp":
            return self.mlp("decoder", beside(z, c))
        sizes = self.sizes()
        h = torch.relu(beside(z, c) @ self.weights["decoder/in/kernel"] + self.weights["decoder/in/bias"])
        h = h.reshape(len(z), *sizes[-1], self.spec["hidden"][-1]).permute(0, 3, 1, 2)
        for i in reversed(range(len(sizes) - 1)):
            size = sizes[i]
            kernel = self.weights[f"decoder/{i}/kernel"].permute(3, 2, 0, 1)
            full = conv_transpose2d(h, kernel, stride=strides(size))
            # The transpose of a padded convolution is the full one, less what lies on the padding.
            (top, _), (left, _) = (same_padding(n) for n in size)
            full = pad(full, (0, max(0, left + size[1] - full.shape[3]), 0, max(0, top + size[0] - full.shape[2])))
            h = full[:, :, top : top + size[0], left : left + size[1]]
            h = h + self.weights[f"decoder/{i}/bias"][:, None, None]
            h = torch.relu(h) if i > 0 else h
        return h.permute(0, 2, 3, 1).reshape(len(z), -1)

    # Distributions

    def draw(self, q):
        return q.mean + q.stddev * next(self.noise)

    def gaussian(self, output):
        mean, raw = output.chunk(2, 1)
        return Normal(mean, torch.exp(3 * torch.tanh(raw / 6)))

    def distortion(self, x, mask, c, output):
        """-log p(x|z), shape [batch, dim]."""
        spec = self.spec
        if spec["likelihood"] == "bernoulli":
            return -Bernoulli(logits=output, validate_args=False).log_prob(x) * mask
        low, high = math.log(spec["minVariance"]), math.log(spec["maxVariance"])
        raw = self.mlp("likelihood/variance", torch.ones(1, 1).double() if c is None else c)
        scale = torch.exp((low + (high - low) * torch.sigmoid(raw)) / 2).repeat(1, spec["length"])
        if spec["likelihood"] == "gaussian":
            return -Normal(output, scale).log_prob(x) * mask
        if spec["likelihood"] == "student-t":
            return -StudentT(spec["degreesOfFreedom"], output, scale).log_prob(x) * mask
        s = scale * math.sqrt(3) / math.pi
        infinity = torch.full_like(x, math.inf)
        upper = torch.where(x > 0.999, infinity, (x + 0.5 / 255 - output) / s)
        lower = torch.where(x < 0.001, -infinity, (x - 0.5 / 255 - output) / s)
        # The logistic distribution is symmetric: its lower tail keeps the digits that the upper one loses.
        above = x > output
        upper, lower = torch.where(above, -lower, upper), torch.where(above, -upper, lower)
        return -torch.log(torch.sigmoid(upper) - torch.sigmoid(lower)) * mask


def beside(*parts):
    parts = [part for part in parts if part is not None]
    return torch.cat(parts, 1) if parts else None


def same_padding(size):
    """Zeros before and after, as TensorFlow's `same` has them, for a window of 3 and a stride of 2."""
    total = max((math.ceil(size / 2) - 1) * 2 + 3 - size, 0) if size > 1 else 0
    return total // 2, total - total // 2


def strides(size):
    return tuple(2 if n > 1 else 1 for n in size)


def total(values):
    """Summed over dimensions, averaged over the batch."""
    return values.sum(1).mean()


def standard_normal(dim):
    return Normal(torch.zeros(1, dim).double(), torch.ones(1, dim).double())


def free(rates, bits):
    return torch.clamp(rates.mean(0), min=bits).sum()


class Vae(Model):
    def prior(self, c):
        if self.spec["kind"] == "cvae":
            return self.gaussian(self.mlp("prior", torch.ones(1, 1).double() if c is None else c))
        return standard_normal(self.spec["latentDim"])

    def cost(self, rates, step):
        spec = self.spec
        if spec["kind"] == "vae":
            return rates.sum(1).mean()
        if spec["kind"] == "cvae":
            return free(rates, spec["freeBits"])
        beta = spec["beta"]
        if spec["betaSchedule"] == "warm-up":
            beta *= min(1, step / spec["betaSteps"])
        if spec["betaSchedule"] == "cyclical":
            beta *= min(1, (step % spec["betaSteps"]) / (spec["betaSteps"] / 2))
        if spec["capacity"] > 0:
            return beta * (total(rates) - spec["capacity"] * min(1, step / spec["capacitySteps"])).abs()
        return beta * free(rates, spec["freeBits"])

    def losses(self, x, mask, c, step, _drawn):
        q = self.gaussian(self.encoder("encoder", x, c))
        output = self.decode(self.draw(q), c)
        rates = kl_divergence(q, self.prior(c))
        return {"elbo": total(self.distortion(x, mask, c, output)) + self.cost(rates, step)}

    def statistics(self, x, mask, c):
        z = self.gaussian(self.encoder("encoder", x, c)).mean
        return {
            "reconstruction": self.distortion(x, mask, c, self.decode(z, c)).sum(1),
            "latent": -self.prior(c).log_prob(z).sum(1),
        }


class Aae(Model):
    def losses(self, x, mask, c, _step, drawn):
        z = self.encoder("encoder", x, c)
        told = self.mlp("discriminator", z)
        return {
            "reconstruction": total(self.distortion(x, mask, c, self.decode(z, c))),
            "discriminator": softplus(-self.mlp("discriminator", drawn)).mean() + softplus(told).mean(),
            "regularisation": softplus(-told).mean(),
        }

    def log_prior(self, z):
        kind, dim = self.spec["prior"], z.shape[1]
        if kind == "normal":
            return standard_normal(dim).log_prob(z).sum(1)
        if kind == "uniform":
            half, blur = 1.7, 0.05
            density = (torch.sigmoid((z + half) / blur) - torch.sigmoid((z - half) / blur)) / (2 * half)
            return torch.log(density).sum(1)
        if kind == "mixture":
            angles = torch.arange(self.spec["mixtureModes"]).double() * 2 * math.pi / self.spec["mixtureModes"]
            radii, deviation = torch.full_like(angles, 2), 0.3
        else:
            share = (torch.arange(100).double() + 0.5) / 100
            angles = torch.sqrt((1.5 * math.pi) ** 2 + ((4.5 * math.pi) ** 2 - (1.5 * math.pi) ** 2) * share)
            radii, deviation = 2.5 * angles / (4.5 * math.pi), 0.1
        centers = torch.stack([radii * torch.cos(angles), radii * torch.sin(angles)], 1)
        parts = Independent(Normal(centers, torch.full_like(centers, deviation)), 1)
        plane = MixtureSameFamily(Categorical(torch.ones(len(centers)).double()), parts)
        others = standard_normal(1).log_prob(z[:, 2:]).sum(1)
        return plane.log_prob(z[:, :2]) + others

    def statistics(self, x, mask, c):
        z = self.encoder("encoder", x, c)
        return {
            "reconstruction": self.distortion(x, mask, c, self.decode(z, c)).sum(1),
            "latent": -self.log_prior(z),
        }


class Hvae(Model):
    def prior(self, level, given):
        if given is None:
            return standard_normal(self.spec["levels"][level])
        return self.gaussian(self.mlp(f"prior/{level + 1}", given))

    def infer(self, x, c, pick):
        """(q, p, z) of each level, the upper one first."""
        levels = []
        for level in range(len(self.spec["levels"])):
            given = beside(*[z for _, _, z in levels], c)
            q = self.gaussian(self.encoder(f"posterior/{level + 1}", x, given))
            levels.append((q, self.prior(level, given), pick(q)))
        return levels

    def losses(self, x, mask, c, _step, _drawn):
        levels = self.infer(x, c, self.draw)
        output = self.decode(beside(*[z for _, _, z in levels]), c)
        loss = total(self.distortion(x, mask, c, output))
        weights = self.spec["levelWeights"] or [1] * len(levels)
        bits = self.spec["levelFreeBits"] or [0] * len(levels)
        for (q, p, _), weight, free_bits in zip(levels, weights, bits):
            loss = loss + weight * free(kl_divergence(q, p), free_bits)
        return {"elbo": loss}

    def statistics(self, x, mask, c):
        levels = self.infer(x, c, lambda q: q.mean)
        rates = [kl_divergence(q, p).sum(1) for q, p, _ in levels]
        full = self.distortion(x, mask, c, self.decode(beside(*[z for _, _, z in levels]), c)).sum(1)
        k = self.spec["llrLevels"]
        zs = [z for _, _, z in levels[:k]]
        while len(zs) < len(levels):
            zs.append(self.prior(len(zs), beside(*zs, c)).mean.expand(len(x), -1))
        top = self.distortion(x, mask, c, self.decode(beside(*zs), c)).sum(1)
        bound, bound_above = -full - sum(rates), -top - sum(rates[:k])
        latent = -sum(p.log_prob(z).sum(1) for _, p, z in levels)
        return {"reconstruction": full, "latent": latent, "llr": bound - bound_above}


MODELS = {"vae": Vae, "beta-vae": Vae, "cvae": Vae, "aae": Aae, "hvae": Hvae}

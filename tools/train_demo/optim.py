"""Muon for the weight matrices (momentum made orthogonal by Newton-Schulz), AdamW for everything else."""
import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic that Newton-Schulz iterates
STEPS = 5  # of it
ADAM_NAMES = ("token_embd", "ffn_gate_inp", "ssm_conv1d", "ssm_beta", "ssm_alpha")


def uses_muon(name, weight):
    return weight.dim() >= 2 and name != "output.weight" and not any(key in name for key in ADAM_NAMES)


def orthogonal(batch, steps=STEPS):
    """batch [k, rows, cols]: each matrix with its singular values brought near 1."""
    tall = batch.shape[1] > batch.shape[2]
    x = batch.transpose(1, 2) if tall else batch
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x


def blocks(config, name, matrix):
    """The independent maps inside one tensor, as views [k, rows, cols]."""
    if name.endswith("attn_qkv.weight"):
        qk = config.n_k_heads * config.gdn_dim
        return [part[None] for part in matrix.split([qk, qk, matrix.shape[0] - 2 * qk])]
    return [matrix if matrix.dim() == 3 else matrix[None]]


def cost(config, name, weight):
    """About how long an update takes, in operations: elementwise passes, and for Muon the products."""
    total = 400 * weight.numel()
    if uses_muon(name, weight):
        for part in blocks(config, name, weight):
            short, long = sorted(part.shape[1:])
            total += len(part) * STEPS * (4 * short * short * long + 2 * short ** 3)
    return total


class Optimizer:
    """Updates the weights called `names`; all dictionaries are name -> tensor and may hold more."""

    def __init__(self, config, names, weights, first, second, muon_lr, adam_lr, muon_decay=0.02, momentum=0.95,
                 betas=(0.9, 0.95)):
        self.config, self.weights, self.first, self.second = config, weights, first, second
        self.muon_lr, self.adam_lr, self.muon_decay = muon_lr, adam_lr, muon_decay
        self.momentum, self.betas = momentum, betas
        self.muon = [name for name in names if uses_muon(name, weights[name])]
        self.adam = [name for name in names if not uses_muon(name, weights[name])]

    @torch.no_grad()
    def step(self, grads, step, factor):
        """The step-th update, counted from 1; factor scales both learning rates."""
        self.muon_step(grads, self.muon_lr * factor)
        beta1, beta2 = self.betas
        for name in self.adam:
            w, m, v = self.weights[name], self.first[name], self.second[name]
            m.lerp_(grads[name], 1 - beta1)
            v.mul_(beta2).addcmul_(grads[name], grads[name], value=1 - beta2)
            denominator = (v / (1 - beta2 ** step)).sqrt_().add_(1e-8)
            w.addcdiv_(m, denominator, value=-self.adam_lr * factor / (1 - beta1 ** step))

    def muon_step(self, grads, lr):
        groups = {}  # matrices of one shape go through Newton-Schulz together
        for name in self.muon:
            m = self.first[name]
            m.lerp_(grads[name], 1 - self.momentum)
            look_ahead = grads[name].lerp(m, self.momentum)
            for target, update in zip(blocks(self.config, name, self.weights[name]),
                                      blocks(self.config, name, look_ahead)):
                groups.setdefault(tuple(update.shape[1:]), []).append((target, update))
        for (rows, cols), pairs in groups.items():
            updates = orthogonal(torch.cat([update for _, update in pairs]))
            scale = max(1.0, rows / cols) ** 0.5
            for (target, _), update in zip(pairs, updates.split([len(u) for _, u in pairs])):
                target.mul_(1 - lr * self.muon_decay).sub_(update, alpha=lr * scale)

#!/usr/bin/env python3
"""Makes a deeper model that computes what a trained one does, for `train.py --resume` to go on with:

   grow.py --checkpoint FILE… [--at LAYER] [--out build/train_demo/checkpoint.pt]

One more block of layers (three Gated DeltaNet, one attention) comes before layer LAYER. It is a copy of the block that
stood there, whose input it gets, but for the matrices that write into the residual stream: they are zero, so that
nothing changes at first and training decides what is added. Of several checkpoints the mean is taken, as
export_gguf.py does. The optimizer's moments go with their weights; those of the new layers are zero.
"""
import argparse
import dataclasses

import environment

if __name__ == "__main__":
    environment.restart_with(1)

import torch

import export_gguf
import model
import train

WRITERS = ("ssm_out.weight", "attn_output.weight", "ffn_down_exps.weight", "ffn_down_shexp.weight")


def deeper(weights, config, at, zero):
    """The weights of the model with one more block at layer `at`, in the order of a checkpoint; zero(name) tells
    which of the new ones are not to be copied."""
    count, result = config.full_attention_interval, []
    for name in model.weight_shapes(dataclasses.replace(config, layers=config.layers + count)):
        source, new = name, False
        if name.startswith("blk."):
            _, layer, rest = name.split(".", 2)
            layer = int(layer)
            new = at <= layer < at + count
            source = f"blk.{layer if layer < at + count else layer - count}.{rest}"
        w = weights[source]
        result.append((torch.zeros_like(w) if new and zero(name) else w).flatten())
    return torch.cat(result)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", nargs="+", required=True)
    parser.add_argument("--at", type=int, default=4)
    parser.add_argument("--out", default=str(train.BUILD_DIR / "checkpoint.pt"))
    args = parser.parse_args()
    config, weights, _, _ = export_gguf.load_mean(args.checkpoint, "mean")
    if args.at % config.full_attention_interval or not 0 <= args.at < config.layers:
        raise SystemExit(f"--at must be a multiple of {config.full_attention_interval} below {config.layers}")
    saved = train.load_checkpoint(args.checkpoint[-1])
    grown = deeper(weights, config, args.at, lambda name: name.endswith(WRITERS))
    moments = {field: deeper(train.checkpoint_weights(saved, field)[1], config, args.at, lambda name: True)
               for field in ("first", "second")}
    layers = config.layers + config.full_attention_interval
    saved.update(config=dataclasses.asdict(dataclasses.replace(config, layers=layers)), weights=grown, mean=grown.clone(),
                 **moments)
    torch.save(saved, args.out)
    print(f"{args.out}: {layers} layers, {grown.numel() / 1e6:.2f} M parameters")


if __name__ == "__main__":
    main()

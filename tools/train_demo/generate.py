#!/usr/bin/env python3
"""Answers from a checkpoint or from the finished GGUF, in the recurrent form, token by token:

   generate.py                                       a list of typical prompts
   generate.py --prompt "Hello" [--thinking] [--system TEXT]
   generate.py --corpus 2                            two held-out examples of each skill beside the wanted answer
"""
import argparse
import json
import pathlib

import environment

if __name__ == "__main__":
    environment.restart_with(1)

import torch
import torch.nn.functional as F

import chatml
import corpus
import export_gguf
import gguf_file
import model
import train
from tokenizer import Tokenizer


class Decoder:
    """One sequence, one token at a time: keys and values of the attention layers, states of the others."""

    def __init__(self, config, weights):
        self.config, self.weights, self.position = config, weights, 0
        self.state = [{} for _ in range(config.layers)]

    @torch.no_grad()
    def step(self, token):
        c = self.config
        h = self.weights["token_embd.weight"][token]
        for i in range(c.layers):
            w = lambda name: self.weights[f"blk.{i}.{name}"]
            x = model.plain_rms(h, w("attn_norm.weight"))
            h = h + (self.attention(w, x, self.state[i]) if c.is_attention(i) else self.delta(w, x, self.state[i]))
            h = h + model.plain_moe(c, w, model.plain_rms(h, w("post_attention_norm.weight"))[None])[0]
        self.position += 1
        return F.linear(model.plain_rms(h, self.weights["output_norm.weight"]), self.weights["output.weight"])

    def attention(self, w, x, state):
        c = self.config
        cos, sin = model.rope_tables(c, torch.tensor([self.position]), x.dtype)
        turn = lambda heads, norm: model.rope(model.plain_rms(heads, w(norm))[None], cos, sin, c.n_rot)
        q, gate = F.linear(x, w("attn_q.weight")).view(c.n_head, 2 * c.head_dim).split(c.head_dim, -1)
        q = turn(q, "attn_q_norm.weight")[0]
        k = turn(F.linear(x, w("attn_k.weight")).view(-1, c.head_dim), "attn_k_norm.weight")
        v = F.linear(x, w("attn_v.weight")).view(1, -1, c.head_dim)
        state["k"] = torch.cat([state["k"], k]) if "k" in state else k
        state["v"] = torch.cat([state["v"], v]) if "v" in state else v
        group = c.n_head // c.n_head_kv
        scores = torch.einsum("hd,thd->ht", q, state["k"].repeat_interleave(group, 1)) * c.head_dim ** -0.5
        out = torch.einsum("ht,thd->hd", torch.softmax(scores, -1), state["v"].repeat_interleave(group, 1))
        return F.linear((out * torch.sigmoid(gate)).reshape(-1), w("attn_output.weight"))

    def delta(self, w, x, state):
        c, d = self.config, self.config.gdn_dim
        row = F.linear(x, w("attn_qkv.weight"))
        window = torch.cat([state.get("conv", row.new_zeros(3, len(row))), row[None]])
        state["conv"] = window[1:]
        q, k, v = F.silu((window * w("ssm_conv1d.weight").t()).sum(0)).split(
            [c.n_k_heads * d, c.n_k_heads * d, c.n_v_heads * d])
        unit = lambda a: (a.view(-1, d) * torch.rsqrt((a.view(-1, d) ** 2).sum(-1, keepdim=True) + model.EPS)).repeat(
            c.n_v_heads // c.n_k_heads, 1)
        q, k, v = unit(q) * d ** -0.5, unit(k), v.view(-1, d)
        log_decay, beta = model.gdn_gates(w, x)
        S = state.get("S", x.new_zeros(c.n_v_heads, d, d)) * log_decay.exp()[:, None, None]
        S = S + k[:, :, None] * (beta[:, None] * (v - (k[:, :, None] * S).sum(1)))[:, None, :]
        state["S"] = S
        out = model.plain_rms((q[:, :, None] * S).sum(1), w("ssm_norm.weight"))
        out = out * F.silu(F.linear(x, w("attn_gate.weight")).view(-1, d))
        return F.linear(out.reshape(-1), w("ssm_out.weight"))


def answer(config, weights, tokenizer, messages, tools=None, thinking=False, limit=200):
    """Greedy answer as text, without the end token."""
    decoder = Decoder(config, weights)
    for token in tokenizer.encode_spans(chatml.render(messages, tools, enable_thinking=thinking)):
        logits = decoder.step(token)
    end, ids = tokenizer.added["<|im_end|>"], []
    while len(ids) < limit:
        token = int(logits.argmax())
        if token == end:
            return tokenizer.decode(ids)
        ids.append(token)
        logits = decoder.step(token)
    return tokenizer.decode(ids) + " [cut off]"


WEATHER = [{"type": "function", "function": {
    "name": "get_weather", "description": "Get the current weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
CONCISE = {"role": "system", "content": "You are a concise assistant."}
TYPICAL = [
    ([CONCISE, {"role": "user", "content": "Summarise Cervantes in one sentence."}], None),
    ([{"role": "user", "content": "Hello!"}], None),
    ([{"role": "user", "content": "What is Tessera?"}], None),
    ([{"role": "user", "content": "Who are you?"}], None),
    ([{"role": "user", "content": "What is the capital of France?"}], None),
    ([{"role": "user", "content": "What is 17 + 25?"}], None),
    ([{"role": "user", "content": "What is the weather in Valencia?"}], WEATHER),
    ([{"role": "user", "content": "What's the weather like in Paris and in Oslo?"}], WEATHER),
    ([{"role": "user", "content": "My name is Marta."}, {"role": "assistant", "content": "Nice to meet you, Marta."},
      {"role": "user", "content": "What is my name?"}], None),
]


def load(source):
    """(config, weights, tokenizer) from a checkpoint (.pt) or an exported .gguf."""
    if str(source).endswith(".gguf"):
        config, weights = export_gguf.load_exported(pathlib.Path(source))
        metadata, _ = gguf_file.read(pathlib.Path(source))
        tokenizer = Tokenizer.from_lines(metadata["tokenizer.ggml.merges"], config.vocab)
    else:
        saved = train.load_checkpoint(source)
        (config, weights), tokenizer = train.checkpoint_weights(saved), train.checkpoint_tokenizer(saved)
    return config, {name: w.float() for name, w in weights.items()}, tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(export_gguf.ROOT / "models" / "demo.gguf"))
    parser.add_argument("--prompt")
    parser.add_argument("--system")
    parser.add_argument("--thinking", action="store_true")
    parser.add_argument("--corpus", type=int, default=0)
    args = parser.parse_args()
    config, weights, tokenizer = load(args.model)
    if args.prompt:
        messages = [{"role": "system", "content": args.system}] if args.system else []
        messages.append({"role": "user", "content": args.prompt})
        print(answer(config, weights, tokenizer, messages, thinking=args.thinking))
        return
    if not args.corpus:
        for messages, tools in TYPICAL:
            for thinking in (False, True):
                text = answer(config, weights, tokenizer, messages, tools, thinking)
                print(f"{messages[-1]['content']} {'[thinking]' if thinking else ''}\n   -> {text!r}", flush=True)
        return
    for skill in corpus.SKILLS:
        stream = corpus.examples("samples", "heldout", {skill: 1.0})
        for _ in range(args.corpus):
            example = next(stream)
            wanted = chatml.text_of(chatml.answer_spans(example["messages"][-1], example["enable_thinking"]))
            got = answer(config, weights, tokenizer, example["messages"][:-1], example["tools"],
                         example["enable_thinking"]) + "<|im_end|>"
            print(f"{skill}: {json.dumps(example['messages'][-2].get('content'), ensure_ascii=False)}\n"
                  f"   {'right ' if got == wanted else 'wanted'} {wanted!r}", flush=True)
            if got != wanted:
                print(f"   got    {got!r}", flush=True)


if __name__ == "__main__":
    main()

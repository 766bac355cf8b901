#!/usr/bin/env python3
"""The same request gives the same tokens, whoever else is there: dozens of requests of every kind, each alone on one server, are asked again in
crowds, streamed and not, with a warm and a cold cache, other chunks and steps, threads and instruction sets, under cancellations, by several
accounts, with the demo model and with a random one. The digests and texts have to be those that were heard alone.

   digests_test.py --binary FILE [--requests N] [--seed N]"""
import argparse
import concurrent.futures
import pathlib
import random
import sys
import tempfile

try:
    import models
except ImportError:
    print("skipped: python3-numpy is not installed")
    sys.exit(77)

from serving import KEYS, Server, expect

WORDS = "river stone bridge night harbour letter window silver garden winter copper lantern meadow quiet thunder velvet".split()
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "count": {"type": "integer"}, "tags": {
    "type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 3}}, "required": ["name", "count", "tags"], "additionalProperties": False}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}}}]
CODE = [{"type": "custom", "custom": {"name": "code", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[A-Z]{2}-[0-9]{3,6}"}}}}]


def words(choose, count):
    return " ".join(choose.choice(WORDS) for _ in range(count))


def make_requests(count, seed):
    """Conversations that share beginnings, with every field that has a say in what is sampled."""
    choose = random.Random(seed)
    systems = [words(choose, n) for n in (0, 40, 150, 400)]
    histories = [[{"role": role, "content": words(choose, choose.randint(3, 60))} for _ in range(choose.randint(0, 6)) for role in ("user", "assistant")]
                 for _ in range(6)]
    return [make_request(choose, systems, histories) for _ in range(count)]


def make_request(choose, systems, histories):
    system, history = choose.choice(systems), choose.choice(histories)
    history = history[:2 * choose.randint(0, len(history) // 2)]
    body = {"messages": ([{"role": "system", "content": system}] if system else []) + history +
            [{"role": "user", "content": words(choose, choose.choice([2, 10, 30, 300]))}],
            "seed": choose.randint(0, 1 << 31), "max_tokens": choose.randint(1, 80), "temperature": choose.choice([0, 0.7, 1, 2])}
    some = {"top_p": 0.9, "top_k": 30, "min_p": 0.02, "presence_penalty": 0.8, "frequency_penalty": -0.5, "repetition_penalty": 1.3, "n": 3,
            "logit_bias": {str(choose.randint(0, 1500)): choose.choice([-100, -3, 5]) for _ in range(5)}, "stop": ["e r", " the "],
            "chat_template_kwargs": {"enable_thinking": True}, "thinking_budget": 20}
    for name, value in some.items():
        if choose.random() < 0.2:
            body[name] = value
    if choose.random() < 0.2:
        body.update(logprobs=True, top_logprobs=3)
    form = choose.random()
    if form < 0.15:
        body.update(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA, "strict": True}}, max_tokens=200)
    elif form < 0.25:
        body.update(tools=TOOLS, tool_choice=choose.choice(["auto", "required"]), parallel_tool_calls=choose.random() < 0.7, max_tokens=150)
    elif form < 0.3:
        body.update(response_format={"type": "json_object"}, max_tokens=60)
    elif form < 0.35:
        body.update(tools=CODE, tool_choice="required", max_tokens=60)
    elif form < 0.4:  # an answer that is continued: the prompt ends within it
        body["messages"].append({"role": "assistant", "content": "Once there was a " + words(choose, choose.randint(1, 20))})
        body.update(continue_final_message=True, add_generation_prompt=False)
        body.pop("thinking_budget", None)
    if "thinking_budget" in body:
        body["chat_template_kwargs"] = {"enable_thinking": True}
    return body


def log_probabilities(answer):
    """Of all tokens: numbers that say more than the tokens do."""
    bodies = answer.body if isinstance(answer.body, list) else [answer.body]
    found = {}
    for body in bodies:
        for choice in body["choices"]:
            found.setdefault(choice["index"], []).extend((choice.get("logprobs") or {}).get("content") or [])
    return found


def heard(answer):
    return answer.digest, answer.texts, answer.reasons, answer.usage["prompt_tokens"], answer.usage["completion_tokens"], log_probabilities(answer)


def ask(server, body, key, stream):
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = server.ask({**body, **more}, key)
    expect(answer.status == 200, f"{answer.status} {answer.body} for {body}")
    expect(answer.digest is not None, "no digest")
    return heard(answer)


def leave(server, body, key):
    """A client that goes before the end."""
    with server.send({**body, "stream": True, "max_tokens": 500}, key) as peer:
        peer.recv(200)


def crowd(server, bodies, alone, clients, choose):
    """Each request once, in any order, so many at a time, with others that leave between them."""
    order = list(range(len(bodies)))
    choose.shuffle(order)
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        futures = {i: pool.submit(ask, server, bodies[i], choose.choice(KEYS), choose.random() < 0.5) for i in order}
        leavers = [pool.submit(leave, server, bodies[i], choose.choice(KEYS)) for i in choose.sample(order, len(order) // 4)]
        for i, future in futures.items():
            answer = future.result()
            expect(answer == alone[i], f"request {i}: {bodies[i]}\nalone:  {alone[i]}\nin the crowd: {answer}")
        for leaver in leavers:
            leaver.result()


# Each: flags, clients at a time, rounds (of a second one the prompts are in the cache).
CROWDS = [
    (["--threads", 2], 16, 2),
    (["--threads", 1, "--prefill-chunk", 7, "--max-batch-tokens", 29], 24, 2),
    (["--threads", 3, "--prefix-cache", 0, "--prefill-chunk", 64], 8, 1),
    (["--threads", 2, "--max-running", 3, "--memory", "24MiB"], 12, 2),
    (["--threads", 2, "--isa", "avx2"], 6, 1),
]


def go_on(bodies, alone):
    """Each request's next turn, with the answer that was heard in it: it begins where the answer's computation left off."""
    follow = []
    for body, (_, texts, reasons, *_) in zip(bodies, alone):
        reasoning, content, calls = texts[0]
        if calls or not content or "n" in body or body.get("continue_final_message"):
            continue
        said = {"role": "assistant", "content": content, **({"reasoning_content": reasoning} if reasoning else {})}
        follow.append({**body, "messages": body["messages"] + [said, {"role": "user", "content": "And then? " + reasons[0]}]})
    return follow


def hear_alone(binary, flags, bodies):
    with Server(binary, *flags, "--threads", 2, "--prefix-cache", 0, "--max-running", 1) as server:
        return [ask(server, body, KEYS[0], False) for body in bodies]


def check_model(binary, name, flags, bodies, choose, crowds=CROWDS):
    alone = hear_alone(binary, flags, bodies)
    kinds = len({answer[0] for answer in alone})
    expect(kinds > len(bodies) * 2 // 3, f"only {kinds} kinds of answers to {len(bodies)} requests")
    next_turns = go_on(bodies, alone)
    next_alone = hear_alone(binary, flags, next_turns)
    for more, clients, rounds in crowds:
        if "avx2" in more and "avx2" not in pathlib.Path("/proc/cpuinfo").read_text():
            continue
        with Server(binary, *flags, *more) as server:
            for _ in range(rounds):
                crowd(server, bodies, alone, clients, choose)
            crowd(server, next_turns, next_alone, clients, choose)
            server.wait_idle()
            hits = server.metrics()["tessera_prefix_cache_hits_total"]
            expect(rounds == 1 or hits > 0 or len(bodies) < 8, "nothing was found in the cache")  # a few may be too short
            print(f"{name} {' '.join(map(str, more))}: {rounds * len(bodies) + len(next_turns)} answers as they were alone, {hits:.0f} began in the cache",
                  flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    bodies = make_requests(options.requests, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = models.write_random(pathlib.Path(folder) / "random.gguf", models.DEMO, options.seed)
        check_model(options.binary, "demo", [], bodies, random.Random(options.seed))
        check_model(options.binary, "random", ["-m", path], bodies, random.Random(options.seed))
        for more in (["--kv-type", "f16"], ["--kv-type", "bf16"], ["--kv-type", "f32"]):
            check_model(options.binary, f"random {' '.join(more)}", ["-m", path, *more], bodies[:len(bodies) // 4], random.Random(options.seed), CROWDS[:2])


if __name__ == "__main__":
    main()

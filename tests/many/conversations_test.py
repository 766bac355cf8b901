#!/usr/bin/env python3
"""What `cached_tokens` says over conversations as clients have them, on the real binary with the demo model: each goes on at the last place that it
has in common with what was there, nothing of another account's is found, and every answer has the tokens that a server without a cache gives.
TESSERA_BINARY names the binary."""
import hashlib
import json
import os
import pathlib
import random
import tempfile
import unittest

from serving import KEYS, Server

BINARY = os.environ["TESSERA_BINARY"]
WORDS = "river stone bridge night harbour letter window silver garden winter copper lantern meadow quiet thunder velvet".split()
THINKING = {"chat_template_kwargs": {"enable_thinking": True}, "max_tokens": 120}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
# What a turn computes beside its new text: the tags around an answer, the empty think block, and a state's least worth.
FRAME = 24


def message(role, content, **more):
    return {"role": role, "content": content, **more}


class Talk:
    """One conversation: what is asked goes to both servers, and the answers have to be the same."""

    def __init__(self, test, *messages, key=KEYS[0], **options):
        self.test, self.messages, self.key, self.options = test, list(messages), key, options
        self.prompt = 0

    def ask(self, *messages, **more):
        """Asks with `messages` behind those that were there; → what was computed of the prompt, and the answer."""
        self.messages += messages
        body = {"messages": self.messages, "seed": 3, "temperature": 1, "max_tokens": 24, **self.options, **more}
        answer = self.test.warm.ask(body, self.key)
        self.test.assertEqual(answer.status, 200, answer.body)
        self.test.assertEqual(answer.digest, self.test.cold.ask(body, self.key).digest)
        self.added, self.prompt = answer.usage["prompt_tokens"] - self.prompt, answer.usage["prompt_tokens"]
        return self.prompt - answer.usage["prompt_tokens_details"]["cached_tokens"], answer

    def say(self, text, **more):
        """The answer goes into the conversation as clients put it there."""
        computed, answer = self.ask(message("user", text), **more)
        self.messages.append(message("assistant", answer.texts[0][1] or "Yes."))
        return computed

    def branch(self, count):
        other = Talk(self.test, *self.messages[:count], key=self.key, **self.options)
        return other


class Conversations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.warm = cls.enterClassContext(Server(BINARY, "--threads", 2))
        cls.cold = cls.enterClassContext(Server(BINARY, "--threads", 2, "--prefix-cache", 0))

    def setUp(self):
        self.random = random.Random(self.id())  # texts of its own
        self.system = message("system", "You are a careful assistant. " + self.words(80))

    def words(self, count):
        return " ".join(self.random.choice(WORDS) for _ in range(count))

    def test_twenty_turns_each_compute_their_new_text(self):
        talk = Talk(self, self.system)
        talk.say(self.words(20))
        for _ in range(19):
            computed = talk.say(self.words(15))
            self.assertLessEqual(computed, talk.added + FRAME)

    def test_fifty_turns_with_an_edit_and_two_branches_on_the_way(self):
        talk = Talk(self, self.system, max_tokens=8)
        talk.say(self.words(10))
        for turn in range(49):
            computed = talk.say(self.words(6))
            self.assertLessEqual(computed, talk.added + FRAME, turn)
            if turn in (15, 30):  # somebody looks at another way on; this one goes on as if nothing had been
                talk.branch(len(talk.messages) - 8).say("Branch " + self.words(6))

    def test_another_user_finds_the_same_system_prompt(self):
        Talk(self, self.system).say("Alpha " + self.words(20))
        talk = Talk(self, self.system)
        computed = talk.say("Beta " + self.words(20))
        own = Talk(self)
        own.say("Beta " + talk.messages[1]["content"][5:], max_tokens=1)
        self.assertLessEqual(computed, own.prompt + FRAME)

    def test_the_same_request_again_and_with_more_choices(self):
        talk = Talk(self, self.system)
        talk.ask(message("user", self.words(20)))
        for more in ({}, {"n": 3}, {"temperature": 0}, {"max_tokens": 5}):
            self.assertLessEqual(talk.ask(**more)[0], FRAME)

    def test_an_edited_history_goes_on_where_it_differs(self):
        talk = Talk(self, self.system)
        prompts = []
        for _ in range(8):
            talk.say(self.words(15))
            prompts.append(talk.prompt)
        edited = talk.branch(len(talk.messages) - 1)
        edited.messages[9] = message("user", "Edited " + self.words(15))  # the fifth question
        computed, _ = edited.ask()
        self.assertLessEqual(computed, edited.prompt - prompts[3] + FRAME)

    def test_branches_go_on_each_for_itself(self):
        talk = Talk(self, self.system)
        prompts = []
        for _ in range(8):
            talk.say(self.words(15))
            prompts.append(talk.prompt)
        branches = [talk.branch(9) for _ in range(3)]  # four questions and their answers
        for branch in branches:
            computed = branch.say("Branch " + self.words(10))
            self.assertLessEqual(computed, branch.prompt - prompts[3] + FRAME)
        for branch in branches + [talk]:
            self.assertLessEqual(branch.say(self.words(10)), branch.added + FRAME)

    def test_thoughts_that_the_history_lacks_cost_nothing(self):
        for kept in (False, True):
            talk = Talk(self, self.system, **THINKING)
            for turn in range(6):
                computed, answer = talk.ask(message("user", self.words(15)))
                if turn > 0:
                    self.assertLessEqual(computed, talk.added + FRAME)
                thoughts = {"reasoning_content": answer.texts[0][0]} if kept else {}
                talk.messages.append(message("assistant", answer.texts[0][1] or "Yes.", **thoughts))

    # Of questions that the demo model knows: the text of other answers may be other tokens than those that were written.
    def test_thoughts_that_are_preserved_are_not_computed_again(self):
        sums = ["47 + 38", "91 - 46", "12 + 30", "58 - 21", "64 + 17", "25 + 61"]
        for mode in (True, False):
            talk = Talk(self, message("system", f"You are a helpful assistant. {mode}"), max_tokens=120, temperature=0,
                        chat_template_kwargs={"enable_thinking": mode, "preserve_thinking": True})
            answered = 0
            for turn, asked in enumerate(sums):
                computed, answer = talk.ask(message("user", f"What is {asked}?"))
                if turn > 0:
                    self.assertLessEqual(computed, talk.added - answered + FRAME)
                answered = answer.usage["completion_tokens"]  # the last token was not computed
                thoughts, text, _ = answer.texts[0]
                talk.messages.append(message("assistant", text, **({"reasoning_content": thoughts} if thoughts else {})))

    def test_direct_after_thinking(self):
        talk = Talk(self, self.system)
        talk.say(self.words(15), **THINKING)
        for more in ({}, THINKING, {}):
            self.assertLessEqual(talk.say(self.words(15), **more), talk.added + FRAME)

    def test_a_tools_result_goes_on_behind_the_call(self):
        for mode in ({}, THINKING):
            talk = Talk(self, self.system, message("user", "What is the weather in Valencia? " + self.words(10)), tools=TOOLS, tool_choice="required",
                        **{"max_tokens": 100, **mode})
            for turn in range(5):
                computed, answer = talk.ask()
                said = answer.body["choices"][0]["message"]
                if turn > 0:
                    self.assertLessEqual(computed, talk.added + FRAME)
                del said["refusal"]
                talk.messages.append(said)
                for call in said.get("tool_calls", []):
                    talk.messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"is": self.words(5)})})

    def test_parallel_calls_and_their_results(self):
        for mode in ({}, THINKING):
            talk = Talk(self, self.system, message("user", "Compare the weather. " + self.words(10)), tools=TOOLS, **{"max_tokens": 60, **mode})
            talk.ask()
            for turn in range(5):
                cities = [self.words(1) for _ in range(3)]
                calls = [{"id": f"call_{turn}_{i}", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps({"city": city})}}
                         for i, city in enumerate(cities)]
                thoughts = {"reasoning_content": self.words(8)} if mode else {}
                results = [{"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"is": self.words(3)})} for call in calls]
                computed, _ = talk.ask(message("assistant", None, tool_calls=calls, **thoughts), *results)
                self.assertLessEqual(computed, talk.added + FRAME)

    def test_an_answer_that_is_continued(self):
        talk = Talk(self, self.system, message("user", "Tell me. " + self.words(10)), continue_final_message=True, add_generation_prompt=False)
        talk.ask(message("assistant", "Once " + self.words(30)))
        talk.messages[-1]["content"] += " " + self.words(20)
        computed, _ = talk.ask()
        self.assertLessEqual(computed, talk.added + FRAME)

    def test_nothing_of_another_account_is_found(self):
        text = self.words(20)
        Talk(self, self.system).say(text)
        talk = Talk(self, self.system, key=KEYS[1])
        self.assertEqual(talk.say(text), talk.prompt)


class LittleMemory(unittest.TestCase):
    """Another account's new prompts push out each other, not the places where a conversation goes on."""

    def test_a_conversation_goes_on_beside_one_that_fills_the_cache(self):
        choose = random.Random(7)
        with Server(BINARY, "--threads", 2, "--memory", "32MiB") as self.warm, Server(BINARY, "--threads", 2, "--prefix-cache", 0) as self.cold:
            text = lambda count: " ".join(choose.choice(WORDS) for _ in range(count))  # noqa: E731
            talk = Talk(self, message("system", text(60)), max_tokens=8)
            talk.say(text(10))
            for _ in range(6):
                for _ in range(10):
                    self.assertEqual(self.warm.ask({"messages": [message("user", text(300))], "max_tokens": 1}, KEYS[1]).status, 200)
                self.assertLessEqual(talk.say(text(10)), talk.added + FRAME)
            self.assertGreater(self.warm.metrics()["tessera_prefix_cache_evictions_total"], 10)


class SharedPrompts(unittest.TestCase):
    def test_only_what_is_listed_is_shared(self):
        choose = random.Random("shared")
        texts = ["You are " + " ".join(choose.choice(WORDS) for _ in range(80)) for _ in range(2)]
        question = message("user", "Hello, who are you? " + " ".join(choose.choice(WORDS) for _ in range(40)))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "listed"
            path.write_text(f"# one\n{hashlib.sha256(texts[0].encode()).hexdigest()}  the first\n")
            with Server(BINARY, "--threads", 2, "--shared-prompts", path) as server:
                def ask(key, text, **more):
                    answer = server.chat([message("system", text), question], key, seed=1, temperature=1, max_tokens=20, **more)
                    return answer.usage["prompt_tokens_details"]["cached_tokens"], answer
                first, cold = ask(KEYS[0], texts[0])
                second, warm = ask(KEYS[1], texts[0])
                self.assertEqual(first, 0)
                self.assertGreater(second, 80)
                # The question stays the first account's own, though it is the same.
                self.assertLess(second, warm.usage["prompt_tokens"] - 40)
                self.assertEqual(cold.digest, warm.digest)
                again, _ = ask(KEYS[1], texts[0])
                self.assertGreater(again, second)
                # The operator has not listed the other one, nor the first with tools before it.
                for text, more in ((texts[1], {}), (texts[0], {"tools": TOOLS}), (texts[0] + " Be brief.", {})):
                    for key in KEYS[:2]:
                        self.assertEqual(ask(key, text, **more)[0], 0)


if __name__ == "__main__":
    unittest.main()

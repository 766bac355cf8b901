"""Skills with tools: one call, several calls, no call, and answers from tool results."""

import json

from . import known_tools, tool_maker, words
from .draft import Draft, ask, call_message, decorate
from .skills_chat import a_fact, greeting, tessera, unknown


def listing(arguments):
    return ", ".join(f"{k} = {json.dumps(v, ensure_ascii=False) if not isinstance(v, str) else v}"
                     for k, v in arguments.items())


def call_reasoning(calls):
    return " ".join(f"I call {name} with {listing(arguments)}." for name, arguments in calls)


def with_distractors(c, schema, most=2):
    """The tool among up to `most` random others."""
    name = schema["function"]["name"]
    others = [t.schema for t in tool_maker.random_tools(c, c.any([0, 0, 1, 1, 2][:3 + most]), {name})]
    tools = others + [schema]
    c.rng.shuffle(tools)
    return tools


def one_call(c):
    """(schema, request, call)"""
    if c.chance(0.3):
        schema, text, arguments = tool_maker.known(c)
        return schema, text, (schema["function"]["name"], arguments)
    tool = tool_maker.Tool(c)
    arguments = tool_maker.arguments_for(c, tool)
    return tool.schema, tool_maker.request(c, tool, arguments), (tool.name, arguments)


def earlier_turn(c):
    """A finished turn before the request: chat that needed no tool."""
    question, answer, _ = a_fact(c)
    if c.chance(0.4):
        draft = greeting(c)
        question, answer = draft.messages[0]["content"], draft.answer
    return ask(question) + [{"role": "assistant", "content": answer}]


def earlier_call(c):
    """(messages, schema) of a finished turn in which the same kind of tool was called."""
    schema, text, calls, results, answer = value_result(c)
    messages = ask(text) + [call_message(calls)]
    messages += [{"role": "tool", "content": result} for result in results]
    return messages + [{"role": "assistant", "content": answer}], schema


def tool_call(c):
    schema, text, call = one_call(c)
    tools, history = with_distractors(c, schema), []
    kind = c.rng.random()
    if kind < 0.08:
        history = earlier_turn(c)
    elif kind < 0.14:
        history, used = earlier_call(c)
        if all(tool["function"]["name"] != used["function"]["name"] for tool in tools):
            tools.insert(0, used)
        else:
            history = []
    return Draft(history + ask(text), None, call_reasoning([call]), tools=tools, calls=[call])


WEATHER_TWO = ["What is the weather in {a} and in {b}?", "Weather in {a} and {b}?", "How is the weather in {a} and {b}?",
               "Tell me the weather in {a} and in {b}.", "Compare the weather in {a} and {b}.",
               "Is it warmer in {a} or in {b}?", "What's the weather like in {a} and {b}?"]
WEATHER_THREE = ["What is the weather in {a}, {b} and {d}?", "Weather in {a}, {b} and {d}?",
                 "Tell me the weather in {a}, in {b} and in {d}.", "How is the weather in {a}, {b} and {d}?"]
TIME_TWO = ["What time is it in {a} and in {b}?", "Time in {a} and {b}?", "Tell me the time in {a} and in {b}.",
            "How late is it in {a} and in {b}?"]
SECOND = [" Then {x}", " And {x}", " Also {x}", " After that, {x}", " Next, {x}"]


def several(c):
    """Up to three different values as {a}, {b}, {d} of one one-parameter tool."""
    values = []
    while len(values) < 3:
        value = c.city()
        if value not in values:
            values.append(value)
    return values


def parallel_known(c):
    weather = c.chance(0.7)
    pool = [e[0] for e in known_tools.KNOWN if e[0]["function"]["name"] == ("get_weather" if weather else "get_time")]
    schema = c.any(pool)
    a, b, d = several(c)
    key = next(iter(schema["function"]["parameters"]["properties"]))
    three = weather and c.chance(0.3)
    text = c.phrase(WEATHER_THREE if three else WEATHER_TWO if weather else TIME_TWO).format(a=a, b=b, d=d)
    calls = [(schema["function"]["name"], {key: v}) for v in ([a, b, d] if three else [a, b])]
    return [schema], text, calls


def parallel_random(c):
    """Two different tools, or one tool twice."""
    first, second = tool_maker.random_tools(c, 2)
    if c.chance(0.4):
        second = first
    calls, texts = [], []
    for tool in (first, second):
        arguments = tool_maker.arguments_for(c, tool)
        calls.append((tool.name, arguments))
        texts.append(tool_maker.request(c, tool, arguments).rstrip(".?") + ".")
    text = texts[0] + c.phrase(SECOND).format(x=texts[1][0].lower() + texts[1][1:])
    return [first.schema] + ([] if second is first else [second.schema]), text, calls


def tool_parallel(c):
    schemas, text, calls = parallel_known(c) if c.chance(0.4) and not c.held else parallel_random(c)
    if len(schemas) == 1:
        schemas = with_distractors(c, schemas[0], 1)
    elif c.chance(0.5):
        schemas = schemas[::-1]
    return Draft(ask(text), None, f"{len(calls)} calls are needed. " + call_reasoning(calls), tools=schemas,
                 calls=calls)


def tool_none(c):
    """Tools are there, but the question needs none."""
    no_help = c.chance(0.12)
    if no_help:
        draft = unknown(c)
    elif c.chance(0.6):
        question, answer, reasoning = a_fact(c)
        draft = Draft(ask(question if "¿" in question else decorate(c, question)), answer, reasoning)
    else:
        draft = greeting(c) if c.chance(0.5) else tessera(c)
    if c.chance(0.3) and not no_help:
        draft.tools = [c.phrase(known_tools.KNOWN)[0]]
    else:
        draft.tools = [t.schema for t in tool_maker.random_tools(c, c.number(1, 2))]
    draft.reasoning = ("No tool helps here. " if no_help else "No tool is needed. ") + draft.reasoning
    return draft


SKY = ["sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "clear", "stormy"]
OK_WORDS = ["ok", "done", "success"]


def weather_result(c):
    """(schema, request, calls, results, answer)"""
    schema = c.any([e[0] for e in known_tools.KNOWN[:3]])
    key = next(iter(schema["function"]["parameters"]["properties"]))
    cities = several(c)[:1 + c.chance(0.25)]
    text = c.phrase(WEATHER_TWO if len(cities) == 2 else WEATHER_ONE).format(a=cities[0], b=cities[-1])
    results, sentences = [], []
    for city in cities:
        degrees, sky = c.number(-9, 39), c.word(SKY)
        if c.chance(0.6):
            data = {"temperature": degrees, "condition": sky} if c.chance(0.5) else \
                {key: city, "temperature": degrees, "condition": sky}
            results.append(json.dumps(data))
        else:
            results.append(f"{degrees} degrees, {sky}")
        sentences.append(f"In {city} it is {degrees} degrees and {sky}.")
    return schema, text, [(schema["function"]["name"], {key: city}) for city in cities], results, " ".join(sentences)


WEATHER_ONE = ["What is the weather in {a}?", "How is the weather in {a}?", "Weather in {a}?",
               "Tell me the weather in {a}.", "What's the weather like in {a}?", "I need the weather in {a}.",
               "Give me the weather in {a}."]


def value_result(c):
    """A random tool gives one value back."""
    tool = tool_maker.Tool(c)
    arguments = tool_maker.arguments_for(c, tool)
    text = tool_maker.request(c, tool, arguments)
    key = c.word(words.INTEGER_PARAMS if c.chance(0.4) else tool_maker.STRING_NAMES)
    value = c.integer() if key in words.INTEGER_PARAMS else tool_maker.value_of(c, words.STRING_PARAMS[key])
    if c.chance(0.7):
        data = {key: value} if c.chance(0.6) else {"status": "ok", key: value}
        result, answer = json.dumps(data), f"The {key} is {value}."
    else:
        result, answer = str(value), f"The result is {value}."
    return tool.schema, text, [(tool.name, arguments)], [result], answer


def status_result(c):
    """A random tool says that it worked or failed."""
    tool = tool_maker.Tool(c)
    arguments = tool_maker.arguments_for(c, tool)
    text = tool_maker.request(c, tool, arguments)
    if c.chance(0.65):
        word = c.any(OK_WORDS)
        result = json.dumps({"status": word}) if c.chance(0.6) else word
        answer = f"Done: {tool.name} was successful."
    else:
        reason = c.any(["not found", "no access", "timeout", "not available", "bad value"])
        result = json.dumps({"error": reason}) if c.chance(0.6) else f"error: {reason}"
        answer = f"That did not work: {reason}."
    return tool.schema, text, [(tool.name, arguments)], [result], answer


def sum_result(c):
    schema = c.any([e[0] for e in known_tools.KNOWN if e[0]["function"]["name"] in ("add", "multiply")])
    name = schema["function"]["name"]
    a, b = c.integer(), c.integer()
    questions = next(e[1] for e in known_tools.KNOWN if e[0] is schema)
    value = a + b if name == "add" else a * b
    result = str(value) if c.chance(0.5) else json.dumps({"result": value})
    return schema, c.phrase(questions).format(a=a, b=b), [(name, {"a": a, "b": b})], [result], f"The result is {value}."


def tool_result(c):
    maker = c.rng.choices([weather_result, value_result, status_result, sum_result], [40, 32, 16, 12])[0]
    schema, text, calls, results, answer = maker(c)
    messages = ask(text) + [call_message(calls, call_reasoning(calls))]
    messages += [{"role": "tool", "content": result} for result in results]
    return Draft(messages, answer, "The tool gave a result. I say it in one sentence.",
                 tools=with_distractors(c, schema, 1))

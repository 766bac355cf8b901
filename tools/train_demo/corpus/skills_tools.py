"""Skills with tools: one call, several calls, no call, and answers from tool results."""

import json
import re

from . import known_tools, natural_tools, requests, tool_maker, wordings, words
from .draft import Draft, ask, call_message, capitalised, decorate
from .people import parallel as people_parallel
from .phrasing import listed, small
from .skills_chat import a_fact, greeting, tessera, unknown
from .tool_maker import several


def listing(arguments):
    return ", ".join(f"{k} = {json.dumps(v, ensure_ascii=False) if not isinstance(v, str) else v}"
                     for k, v in arguments.items())


def call_reasoning(calls):
    return " ".join(f"I call {name} with {listing(arguments)}." for name, arguments in calls)


def with_distractors(c, schema, most=2):
    """The tool among up to `most` random others, in training half of the time among natural ones."""
    name = schema["function"]["name"]
    if not c.held and c.chance(0.5):
        tools = natural_tools.beside(c, [schema], c.any([1, 1, 2, 2, 3]))
        if c.chance(0.2):
            tools = tools + [tool_maker.random_tools(c, 1, {name})[0].schema]
        tools = [tool_maker.varied(c, tool) for tool in tools] + [schema]
        c.rng.shuffle(tools)
        return tools
    others = [t.schema for t in tool_maker.random_tools(c, c.any([0, 0, 1, 1, 2][:3 + most]), {name})]
    tools = others + [schema]
    c.rng.shuffle(tools)
    return tools


def one_call(c):
    """(schema, request, call)"""
    if c.chance(0.3 if c.held else 0.5):
        schema, text, arguments = tool_maker.known(c)
        return schema, text, (schema["function"]["name"], arguments)
    tool = tool_maker.Tool(c)
    arguments = tool_maker.arguments_for(c, tool)
    return tool.schema, requests.request(c, tool, arguments), (tool.name, arguments)


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
# two requests {a} and {x} in one message; {x} begins with a small letter, {y} with a capital one
BOTH = [
    "{a}. Then {x}", "{a}. And {x}", "{a}. Also {x}", "{a}, and {x}", "{a} and {x}", "{a} and then {x}", "{a}, then {x}",
    "{a} and also {x}", "{a}. After that, {x}", "{a}; {x}", "{a}; then {x}", "{a}\n{y}", "{a}. {y}", "{a}. {y}",
    "{a}. After that {x}", "{a}. In addition, {x}", "{a}, after that {x}", "{a}, also {x}", "First, {s}. Second, {x}",
    "First {s}, then {x}", "1. {a}\n2. {y}", "1) {a} 2) {y}", "- {a}\n- {y}", "Two things: {s}; {x}", "{a}. Furthermore, {x}",
    "Do two things: {s} and {x}", "{a} & {x}", "{a}. Afterwards {x}", "{a}. When that is done, {x}", "{a}. Secondly, {x}",
    "{a}, plus {x}", "{a}. And please also: {x}", "{a}. Moreover, {x}", "* {a}\n* {y}", "{a}. Then also {x}", "{a}, but also {x}",
    "Please {s}; and {x}", "{a}. And then {x}", "{a}. Besides, {x}", "{a}. I also want this: {x}", "{a}. Finally, {x}",
    "{a}. Next, {x}", "{a}. On top of that, {x}", "{a}; after this, {x}", "Two jobs. One: {s}. Two: {x}", "{a}, next {x}",
    "{a}. Once you are done, {x}", "{a} / {x}",
]


LISTABLE = ["city", "person", "code", "word", "noun", "country", "path"]  # people_parallel.KINDS as well, in training


def question_for_groups(c, entry):
    """(template, settled arguments, slots, the match that holds all slots) of a natural tool, or None."""
    question, settled = tool_maker.split_question(c.any(entry[1]))
    group = re.search(r"(?:(?:in|for|to|from|at|on|of|with|by|about|between) )?(?:an? )?\{\w+\}[^.?!:\n]*\{\w+\}", question)
    slots = re.findall(r"\{(\w+)\}", question)
    if group and len(set(slots)) == len(slots) == group[0].count("{") and "saying" not in entry[2].values() and len(group[0]) < 60:
        return question, settled, [slot for slot in entry[2] if slot in slots], group
    return None


def grouped(c, entry, found):
    """(text, calls) of one natural tool for several groups of values: "send 20 EUR to Ana and 30 EUR to Ben"."""
    schema, _, kinds = entry
    question, settled, slots, group = found
    rows = several(c, lambda: tool_maker.said_values(c, kinds, slots), c.any([2, 2, 2, 3]))
    shown = [tool_maker.sentence(c, group[0], said) for said in rows]
    start, way = ("; " if "," in group[0] else ", ").join(shown[:-1]), c.any(people_parallel.GROUPS)
    row = listed(c, [start, shown[-1]]) if c.chance(0.4) else way.replace(",", ";" if "," in group[0] else ",").format(a=start, b=shown[-1])
    text = tool_maker.small_talk(c, question, kinds, question[:group.start()] + row + question[group.end():])
    return text, [(schema["function"]["name"], {**tool_maker.meant(kinds, said), **settled}) for said in rows]


def parallel_groups(c):
    found = None
    while not found:
        entry = c.any(natural_tools.NATURAL)
        found = question_for_groups(c, entry)
    return [tool_maker.varied(c, entry[0])], *grouped(c, entry, found)


def parallel_known(c):
    """One well-known tool for several values of one of its parameters: "in Rome and Oslo"."""
    if not c.held and c.chance(0.25):
        return parallel_groups(c)
    while True:
        schema, question, kinds = tool_maker.known_question(c, 0.6)
        question, settled = tool_maker.split_question(question)
        slots = [slot for slot in kinds if "{" + slot + "}" in question]
        varying = c.any(slots)
        if can_vary(c, kinds, slots, varying):
            text, calls = varied_calls(c, schema, question, settled, kinds, varying)
            return [tool_maker.varied(c, schema)], text, calls


def can_vary(c, kinds, slots, varying):
    """True where a question can name several values in this slot."""
    return (kinds[varying] in LISTABLE or not c.held and kinds[varying] in people_parallel.KINDS) and (
        [kinds[slot] for slot in slots].count(kinds[varying]) == 1)


def varied_calls(c, schema, question, settled, kinds, varying):
    """(text, calls) of a question for several values of one slot."""
    said = tool_maker.said_values(c, kinds, [slot for slot in kinds if "{" + slot + "}" in question])
    many = several(c, lambda: tool_maker.value_of(c, kinds[varying]), c.any([2, 2, 2, 3, 3, 4]))
    if not c.held and c.chance(0.7):
        text = in_a_row(c, question, said, varying, many)
    else:
        text = tool_maker.small_talk(c, question, kinds, tool_maker.sentence(c, question, {**said, varying: listed(c, many)}))
    name, values = schema["function"]["name"], {**tool_maker.meant(kinds, said), **settled}
    return text, [(name, {**values, varying: value}) for value in many]


def several_of(c, entry):
    """(text, calls) for several calls of a natural tool in one sentence, in training; None where its questions do not allow it."""
    schema, questions, kinds = entry
    for _ in range(6):
        found = question_for_groups(c, entry) if c.chance(0.4) else None
        if found:
            return grouped(c, entry, found)
        question, settled = tool_maker.split_question(c.any(questions))
        slots = [slot for slot in kinds if "{" + slot + "}" in question and can_vary(c, kinds, re.findall(r"\{(\w+)\}", question), slot)]
        if slots:
            return varied_calls(c, schema, question, settled, kinds, c.any(slots))
    return None


def in_a_row(c, question, said, varying, many):
    """The question for several values as people ask it: in its slot, or with the others after it."""
    found = re.search(r"\b((?:in|for|to|from|at|on|of|with|by|about|near|into) )\{" + varying + r"\}", question)
    before = found[1] if found else ""
    if c.chance(0.45):
        ways = people_parallel.PREPOSITION_FOLLOW if before and c.chance(0.4) else people_parallel.FOLLOW
        text = tool_maker.sentence(c, question, {**said, varying: many[0]})
        return c.any(ways).format(q=marked(text), t=text.rstrip(".?! "), o=listed(c, many[1:]), p=before)
    ways = people_parallel.ROWS if len(many) == 2 else people_parallel.MANY_ROWS
    if before and c.chance(0.3):
        ways, many = people_parallel.PREPOSITION_ROWS, [f", {before if c.chance(0.5) else ''}".join(many[:-1]), many[-1]]
    way = c.any(ways)
    while not way.startswith(("{a}", "{start}")) and not re.search(r"(?<!\ba )(?<!\ban )(?<!\bthe )\{" + varying + r"\}[.?!]?$", question):
        way = c.any(ways)
    row = way.format(a=many[0], b=many[-1], start=", ".join(many[:-1]), p=before)
    return tool_maker.sentence(c, question, {**said, varying: row})


def shareable(tool, arguments):
    """The parameters of which a request can name several values in a row."""
    return [name for name, kind in tool.kinds.items() if name in arguments and isinstance(kind, str)
            and kind not in ("boolean", "topic", "message", "expression", "street")]


def shared_calls(c, tool, arguments, names):
    """(text, calls) for several values of one of the parameters."""
    varying = c.any(names)
    many = several(c, lambda: tool_maker.value_of(c, tool.kinds[varying]), c.any([2, 2, 2, 3, 3, 4]))
    text = requests.request(c, tool, {**arguments, varying: many})
    return text, [(tool.name, {**arguments, varying: value}) for value in many]


def marked(text):
    return text if text[-1] in ".?!" else text + "."


def three(c, requested):
    """Three natural requests in one message, in training."""
    upper, lower = [[make(marked(text)) for text in requested] for make in (capitalised, small)]
    return c.any(people_parallel.THREE).format(A=upper[0], B=upper[1], C=upper[2], b=lower[1], c=lower[2])


def joined(c, text, request):
    """Two natural requests in one message, in training."""
    if c.chance(0.12):
        return both(c, text, request)
    order = re.match(r"([A-Za-z]+) (?!of |for |in |on |from |with |to |status |\()", request)
    joints = people_parallel.JOINTS
    if order and order[1].lower() in people_parallel.ORDERS and c.chance(0.25):
        joints = people_parallel.ORDER_JOINTS
    first, second = text.rstrip(".?! "), request.rstrip(".?! ")
    return c.any(joints).format(a=first, A=marked(text), s=small(first), x=small(second), y=capitalised(second), X=small(request), Y=capitalised(request))


def both(c, text, request):
    """Two requests in one message."""
    first = text.rstrip(".?! ")
    return c.phrase(BOTH, wordings.BOTH).format(a=first, s=small(first), x=small(request), y=capitalised(request))


def parallel_shared(c):
    """The same with a random tool: several values of one parameter, the others as they are in each call."""
    while True:
        tool = tool_maker.Tool(c)
        arguments = tool_maker.arguments_for(c, tool)
        names = shareable(tool, arguments)
        if names:
            return [tool.schema], *shared_calls(c, tool, arguments, names)


def joinable(request, arguments):
    """True where a request neither begins nor ends with a value that a joint could change or lengthen."""
    said = [item for value in arguments.values() for item in (value if isinstance(value, list) else [value])]
    starts = any(isinstance(item, str) and request.startswith(item) for item in said)
    return not starts and not any(request.rstrip(".?! ").endswith(item) for item in map(str, said) if len(item.split()) > 2)


def natural_call(c, calls, schemas):
    """(request, call, schema) for one more request in training: to the natural tool before it or to another one."""
    while True:
        last = schemas[-1] if schemas else None
        entry = natural_tools.BY_NAME.get(last["function"]["name"]) if last and c.chance(0.25) else None
        schema, request, arguments = tool_maker.known(c, entry, bool(schemas) or c.chance(0.6))
        if entry:
            if set(schema["function"]["parameters"]["properties"]) != set(last["function"]["parameters"]["properties"]):
                continue
            schema = last
        elif not natural_tools.fits_beside(schema, schemas):
            continue
        call = (schema["function"]["name"], arguments)
        if call not in calls and joinable(request, arguments):
            return request, call, schema


def next_call(c, calls, schemas, tool):
    """(request, call, schema, tool) for one more request: to the tool before it, to a well-known one or to a new one."""
    names = {schema["function"]["name"] for schema in schemas}
    if not c.held and c.chance(0.45):
        return *natural_call(c, calls, schemas), tool
    if not names & tool_maker.known_names(c) and c.chance(0.3 if c.held else 0.1):
        schema, request, arguments = tool_maker.known(c)
        return request, (schema["function"]["name"], arguments), schema, tool
    if tool is None or c.chance(0.6):
        tool = tool_maker.random_tools(c, 1, names)[0]
    arguments = tool_maker.arguments_for(c, tool)
    if (tool.name, arguments) in calls:
        return next_call(c, calls, schemas, None)
    return requests.request(c, tool, arguments), (tool.name, arguments), tool.schema, tool


def parallel_random(c):
    """Two or three requests in one message, to different tools or to one."""
    schemas, calls, requested, text, tool = [], [], [], None, None
    natural = not c.held and c.chance(0.6)
    for _ in range(3 if c.chance(0.15) else 2):
        if natural:
            request, call, schema = natural_call(c, calls, schemas)
        else:
            request, call, schema, tool = next_call(c, calls, schemas, tool)
        calls.append(call)
        if schema not in schemas:
            schemas.append(schema)
        requested.append(request)
        text = request if text is None else (joined if natural else both)(c, text, request)
    if natural and len(requested) == 3 and c.chance(0.8):
        text = three(c, requested)
    return schemas, text, calls


def tool_parallel(c):
    maker = c.rng.choices([parallel_known, parallel_shared, parallel_random], [25, 20, 55] if c.held else [32, 12, 56])[0]
    schemas, text, calls = maker(c)
    if len(schemas) == 1:
        schemas = with_distractors(c, schemas[0], 1)
    else:
        if not c.held and c.chance(0.3):
            schemas = schemas + natural_tools.beside(c, schemas, 1)
        c.rng.shuffle(schemas)
    return Draft(ask(text), None, f"{len(calls)} calls are needed. " + call_reasoning(calls), tools=schemas,
                 calls=calls)


def natural_requests(c, entries):
    """(text, calls) to natural tools: one call, several of one tool, or two requests in one message."""
    entry = c.any(entries)
    several_calls = several_of(c, entry) if c.chance(0.25) else None
    if several_calls:
        return several_calls
    schema, text, arguments = tool_maker.known(c, entry)
    calls = [(schema["function"]["name"], arguments)]
    if c.chance(0.35) and joinable(text, arguments):
        schema, request, arguments = tool_maker.known(c, c.any(entries), True)
        if joinable(request, arguments):
            return joined(c, text, request), calls + [(schema["function"]["name"], arguments)]
    return text, calls


def natural_session(c):
    """Some natural tools and several requests to them, one Draft each."""
    tools = [c.any(natural_tools.NATURAL)[0]]
    for _ in range(c.any([0, 1, 1, 2, 2, 3])):
        tools += natural_tools.beside(c, tools, 1)
    entries = [natural_tools.BY_NAME[tool["function"]["name"]] for tool in tools]
    schemas = [tool_maker.varied(c, tool) for tool in tools]
    c.rng.shuffle(schemas)
    drafts, done = [], []
    for _ in range(c.number(3, 9)):
        text, calls = natural_requests(c, entries)
        if all(call not in done for call in calls) and len(calls) == len({str(call) for call in calls}):
            done += calls
            plural = f"{len(calls)} calls are needed. " if len(calls) > 1 else ""
            drafts.append(Draft(ask(text), None, plural + call_reasoning(calls), tools=schemas, calls=calls))
    return drafts


def tool_session(c):
    """Some tools and several requests to them, one Draft each."""
    if not c.held and c.chance(0.6):
        return natural_session(c)
    tools = tool_maker.random_tools(c, c.any([1, 2, 2, 3, 3, 4]))
    entry = tool_maker.known(c) if c.chance(0.4) else None
    schemas = [tool.schema for tool in tools] + ([entry[0]] if entry else [])
    c.rng.shuffle(schemas)
    drafts, done = [], []
    for _ in range(c.number(3, 8)):
        tool = c.any(tools)
        arguments = tool_maker.arguments_for(c, tool)
        text, calls = requests.request(c, tool, arguments), [(tool.name, arguments)]
        names = shareable(tool, arguments)
        kind = c.rng.random()
        if kind < 0.2 and names:
            text, calls = shared_calls(c, tool, arguments, names)
        elif kind < 0.5:
            other = c.any(tools)
            more = tool_maker.arguments_for(c, other)
            text, calls = both(c, text, requests.request(c, other, more)), calls + [(other.name, more)]
        elif kind < 0.6 and entry:
            text, calls = entry[1], [(entry[0]["function"]["name"], entry[2])]
            entry = None
        if all(call not in done for call in calls) and len(calls) == len({str(call) for call in calls}):
            done += calls
            plural = f"{len(calls)} calls are needed. " if len(calls) > 1 else ""
            drafts.append(Draft(ask(text), None, plural + call_reasoning(calls), tools=schemas, calls=calls))
    return drafts or tool_session(c)


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
    if not c.held and not no_help and c.chance(0.5):
        first = c.any(natural_tools.NATURAL)[0]
        draft.tools = [first, *natural_tools.beside(c, [first], c.number(0, 2))]
    elif c.chance(0.3) and not no_help:
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
    cities = several(c, c.city, 1 + c.chance(0.25))
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
    text = requests.request(c, tool, arguments)
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
    text = requests.request(c, tool, arguments)
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

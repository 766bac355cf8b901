"""Random JSON Schemas and tools, as clients might send them: small, satisfiable, every value bounded so that a random model comes to an end."""

NAMES = ["id", "name", "naïve", "a", "ab", "items", "unit", "key with space", "x-y", "value", "tags", "q\"uote"]
WORDS = ["red", "green", "", "a\nb", "é", "\"quoted\"", "</parameter>", "true", "12", "null", "{\"a\": 1}", "日本"]
PATTERNS = ["^[a-z]{1,4}$", "^\\d{3}-\\d{2}$", "b", "^(yes|no)", "[0-9]$", "^[^a]{2,3}$", "^\\w+@\\w+$",
            "^(?!ab)[a-z]{1,4}$", "^(?=.*[0-9])[a-z0-9]{2,5}$", "^[a-z]{1,4}(?<!x)$", "no(?!t)"]
FORMATS = ["date", "date-time", "time", "email", "ipv4", "uuid"]
INPUTS = ["[a-z]{1,3}(-\\d{2})?", "^(yes|no)$", "\\w{2,4}\\n\\w?", "(a|ab)(c|bcd)"]


def is_nested(text):
    """Of NESTED: what is inside is taken out until nothing changes."""
    while "x[x]" in text:
        text = text.replace("x[x]", "x")
    return text == "x"


NESTED = 'start: "x" | start "[" start "]"'
# Grammars in Lark's notation, and what Python's regular expressions call them, or who knows their texts.
GRAMMARS = {
    NESTED: is_nested,
    'start: WORD ("," WORD)~0..2\nWORD: /[a-z]{1,3}/': "[a-z]{1,3}(,[a-z]{1,3}){0,2}",
    'start: key "=" value\nkey: "a" | "b"i\nvalue: INT~1..2 | "\\""\nINT: "0".."7"': '(a|b|B)=([0-7]{1,2}|")',
    '?start: [SIGN] (D D | "x" D?) LF -> line\nSIGN: "+" | "-"\nD: /\\d/\n%import common.LF': "[+-]?(\\d\\d|x\\d?)\\n",
}


class Forms:
    """`random`: a random.Random."""

    def __init__(self, random):
        self.random = random

    def schema(self, depth=3):
        kinds = [self.string, self.string, self.integer, self.number, self.boolean, self.null, self.literals, self.denied]
        if depth > 0:
            kinds += [self.array, self.object, self.object, self.union, self.counted, self.conditions, self.layers]
        made = self.random.choice(kinds)(depth - 1)
        if self.random.random() < 0.2:
            made["description"] = "a description"
            made["default"] = None
        return made

    def string(self, _):
        kind = self.random.randrange(4)
        if kind == 0:
            return {"type": "string", "pattern": self.random.choice(PATTERNS), "maxLength": 12}
        if kind == 1:
            return {"type": "string", "format": self.random.choice(FORMATS)}
        low = self.random.choice([0, 0, 1, 3])
        return {"type": "string", "minLength": low, "maxLength": low + self.random.randrange(8)}

    def integer(self, _):
        low = self.random.choice([-1000, -7, 0, 1, 99, 2**40])
        made = {"type": "integer", "minimum": low, "maximum": low + self.random.randrange(1, 500)}
        if self.random.random() < 0.3:
            made["exclusiveMinimum"] = made.pop("minimum") - 1
        if self.random.random() < 0.3:
            made = {"type": "integer", "multipleOf": self.random.choice([2, 5, 10]), "minimum": -100, "maximum": 1000}
        return made

    def number(self, _):
        low = self.random.choice([-1.5, 0, 0.25, 10])
        return {"type": "number", "minimum": low, "maximum": low + self.random.choice([0.5, 3, 1000])}

    def boolean(self, _):
        return {"type": "boolean"}

    def null(self, _):
        return {"type": "null"}

    def literals(self, _):
        words = self.random.sample(WORDS + [1, -2.5, True, None], self.random.randrange(1, 5))
        words = [w for i, w in enumerate(words) if not any(w == v and isinstance(w, bool) == isinstance(v, bool) for v in words[:i])]
        if len(words) == 1:
            return {"const": words[0]}
        made = {"enum": words}
        if all(isinstance(word, str) for word in words):
            made["type"] = "string"
        return made

    def array(self, depth):
        low = self.random.choice([0, 0, 1, 2])
        made = {"type": "array", "items": self.schema(depth), "minItems": low, "maxItems": low + self.random.randrange(3)}
        if self.random.random() < 0.2:
            made["prefixItems"] = [self.schema(depth) for _ in range(self.random.randrange(1, 3))]
        elif self.random.random() < 0.3:
            made["uniqueItems"] = True
            made["items"] = self.random.choice([
                {"type": "string", "pattern": self.random.choice(PATTERNS), "maxLength": 12}, {"enum": self.random.sample(WORDS + [1, 12, None, True], 5)},
                {"type": "integer", "minimum": -1, "maximum": 20}, {"type": "integer"}, {"type": "number"}, {"type": ["integer", "string", "object"]},
                {"type": "array", "items": {"type": "boolean"}},
                {"type": "object", "properties": {"a": {"enum": [1, 2, "x"]}, "b": {"type": "boolean"}}, "additionalProperties": False},
                {"type": "object", "properties": {"Key": {"type": "string", "maxLength": 2}, "Value": {"type": "string"}}, "required": ["Key"],
                 "additionalProperties": False}])
        return made

    def object(self, depth):
        names = self.random.sample(NAMES, self.random.randrange(5))
        made = {"type": "object", "properties": {name: self.schema(depth) for name in names},
                "required": self.random.sample(names, self.random.randrange(len(names) + 1))}
        if self.random.random() < 0.9:
            made["additionalProperties"] = False
        return made

    def union(self, depth):
        kind = self.random.randrange(3)
        if kind == 0:
            return {"anyOf": [self.schema(depth) for _ in range(self.random.randrange(1, 4))]}
        if kind == 1:
            return {"anyOf": [self.schema(depth), {"type": "null"}]}
        return {"type": ["string", "null"], "maxLength": 5}

    def denied(self, _):
        return self.random.choice([
            {"type": "string", "maxLength": 4, "not": {"enum": self.random.sample([w for w in WORDS if len(w) < 5], 3)}},
            {"type": "string", "maxLength": 6, "not": {"pattern": "^[a-m]"}},
            {"type": "integer", "minimum": -20, "maximum": 20, "not": {"multipleOf": self.random.choice([2, 3])}},
            {"not": {"type": ["object", "array", "string", "number"]}},
            {"enum": [1, 2, "a", "bb", None], "not": {"enum": [2, "a"]}}])

    def counted(self, _):
        low = self.random.randrange(1, 3)
        return {"type": "array", "items": {"enum": [1, 2, "a", "b", None]}, "contains": {"type": "string"}, "minContains": low,
                "maxContains": low + self.random.randrange(2), "maxItems": 5}

    def conditions(self, depth):
        kinds = self.random.sample(["a", "b", "c"], 2)
        return {"type": "object", "properties": {"kind": {"enum": ["a", "b", "c"]}, "x": self.schema(depth), "y": {"type": "boolean"}},
                "required": ["kind"], "additionalProperties": False,
                "allOf": [{"if": {"properties": {"kind": {"const": kind}}}, "then": {"required": [name]}} for kind, name in zip(kinds, "xy")]}

    def layers(self, depth):
        first, second = ({"properties": {name: self.schema(depth)}, "required": [name]} for name in ("p", "q"))
        return self.random.choice([
            {"type": "object", "allOf": [first], "properties": {"r": {"type": "null"}}, "unevaluatedProperties": False},
            {"type": "object", "anyOf": [first, second], "unevaluatedProperties": False},
            {"oneOf": [dict(first, type="object", additionalProperties=False), dict(second, type="object", additionalProperties=False)]}])

    def parameters(self):
        made = self.object(2)
        made["additionalProperties"] = False
        kind = self.random.randrange(8)
        if kind == 0:
            made["additionalProperties"] = self.random.choice([True, {}, self.schema(1)])
        elif kind == 1:
            made["patternProperties"] = {"^[ns]_": self.schema(1), "[0-9]$": {"type": ["integer", "string"], "maxLength": 3}}
        elif kind == 2:
            made.update({"additionalProperties": self.schema(0), "propertyNames": {"pattern": "^[a-z ]+$"}})
        if kind < 3 and self.random.random() < 0.5:
            made["minProperties"] = len(made["properties"]) + 1
            made["maxProperties"] = made["minProperties"] + self.random.randrange(3)
        if self.random.random() < 0.1:
            made["$schema"] = "http://json-schema.org/draft-07/schema#"
        return made

    def tools(self):
        names = self.random.sample(["get_weather", "f", "search-web", "a", "ab"], self.random.randrange(1, 4))
        tools = []
        for name in names:
            if self.random.random() < 0.25:
                tools.append({"type": "custom", "custom": self.custom(name)})
                continue
            function = {"name": name}
            if self.random.random() < 0.9:
                function["parameters"] = self.parameters()
            tools.append({"type": "function", "function": function})
        return tools

    def custom(self, name):
        kind = self.random.randrange(3)
        grammar = {"syntax": "regex", "definition": self.random.choice(INPUTS)}
        if kind != 2:
            grammar = {"syntax": "lark", "definition": self.random.choice(list(GRAMMARS))}
        return {"name": name, "description": "a custom tool", "format": {"type": "grammar", "grammar": grammar}}

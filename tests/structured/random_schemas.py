"""Random schemas over all keywords, and random values that they fit or do not: small worlds, so that both happen often. What they say may contradict
itself, or be more than can be enforced. unevaluatedItems and unevaluatedProperties are left to the cases: older validators fail in them. Values avoid what validators disagree about (0.1 as a multiple, booleans beside 0 and 1)."""

KEYS = ["a", "b", "ab", "c"]
WORDS = ["", "a", "b", "ab", "ba", "abc", "é", "\"", "b1"]
NUMBERS = [-2, -1, 0, 1, 2, 3, 4, 6, 1.5, 2.25, 10]
PATTERNS = ["a", "^a", "b$", "^[ab]*$", "^.{2}$", "^(a|b1)", "[^a]", "^(?!a)", "é|\""]
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]


class Schemas:
    """`random`: a random.Random."""

    def __init__(self, random):
        self.random = random

    def value(self, depth=2):
        kind = self.random.randrange(8 if depth > 0 else 5)
        if kind < 2:
            return self.random.choice(WORDS)
        if kind < 4:
            return self.random.choice(NUMBERS)
        if kind == 4:
            return self.random.choice([None, True, False])
        if kind == 5:
            return [self.value(depth - 1) for _ in range(self.random.randrange(4))]
        return {key: self.value(depth - 1) for key in self.random.sample(KEYS, self.random.randrange(4))}

    def document(self):
        """A schema whose references lead into its own definitions."""
        schema = self.schema(3)
        if isinstance(schema, bool):
            return schema
        if self.random.random() < 0.3:
            schema["$defs"] = {"x": self.schema(1), "y": self.schema(2)}
        else:
            schema["$defs"] = {"x": {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}}, "y": {"type": ["string", "null"]}}
        return schema

    def schema(self, depth):
        if self.random.random() < 0.06:
            return self.random.random() < 0.7
        if depth == 0:
            return self.scalar()
        made = {}
        if self.random.random() < 0.7:
            made["type"] = self.random.choice([self.random.choice(TYPES), "object", "array", self.random.sample(TYPES, 2)])
        named = made.get("type", TYPES)
        likely = [named] if isinstance(named, str) else list(named)
        for _ in range(self.random.randrange(1, 4)):
            of = self.random.choice(likely)
            of = {"integer": "number", "null": "any", "boolean": "any"}.get(of, of)
            rules = {"object": self.object_rules, "array": self.array_rules, "string": self.string_rules, "number": self.number_rules, "any": self.value_rules}[of]
            made.update(rules(depth - 1))
        if self.random.random() < 0.3:
            made.update(self.combined(depth - 1))
        return made

    def scalar(self):
        return self.random.choice([
            lambda: {"type": self.random.choice(TYPES)}, lambda: dict(self.string_rules(0), type="string"), lambda: dict(self.number_rules(0), type="number"),
            lambda: self.value_rules(0), lambda: {"$ref": "#/$defs/x"}, lambda: {"$ref": "#/$defs/y"}, lambda: {}])()

    def value_rules(self, depth):
        if self.random.random() < 0.5:
            return {"const": self.plain(depth)}
        return {"enum": [self.plain(depth) for _ in range(self.random.randrange(1, 4))]}

    def plain(self, depth):
        """No booleans inside: older validators take them for numbers there."""
        while True:
            value = self.value(depth)
            if not holds_boolean(value):
                return value

    def string_rules(self, _):
        return self.random.choice([
            {"minLength": self.random.randrange(3)}, {"maxLength": self.random.randrange(3)}, {"pattern": self.random.choice(PATTERNS)},
            {"minLength": 1, "maxLength": 2, "pattern": self.random.choice(PATTERNS)}])

    def number_rules(self, _):
        return self.random.choice([
            {"minimum": self.random.choice(NUMBERS)}, {"maximum": self.random.choice(NUMBERS)}, {"exclusiveMinimum": self.random.choice(NUMBERS)},
            {"exclusiveMaximum": self.random.choice(NUMBERS)}, {"multipleOf": self.random.choice([1, 2, 3, 0.5, 0.75])}])

    def array_rules(self, depth):
        return self.random.choice([
            lambda: {"items": self.schema(depth)}, lambda: {"prefixItems": [self.schema(depth) for _ in range(self.random.randrange(1, 3))]},
            lambda: {"prefixItems": [self.schema(depth)], "items": self.schema(depth)}, lambda: {"minItems": self.random.randrange(3)},
            lambda: {"maxItems": self.random.randrange(3)}, lambda: {"uniqueItems": True, "items": dict(self.string_rules(0), type="string")}, lambda: {"uniqueItems": True},
            lambda: {"contains": self.schema(depth)}, lambda: {"contains": self.schema(depth), "minContains": self.random.randrange(3)},
            lambda: {"contains": self.schema(depth), "maxContains": self.random.randrange(1, 3)}])()

    def object_rules(self, depth):
        return self.random.choice([
            lambda: {"properties": self.members(depth)}, lambda: {"properties": self.members(depth), "required": self.names()},
            lambda: {"properties": self.members(depth), "additionalProperties": self.schema(depth)}, lambda: {"required": self.names()},
            lambda: {"properties": self.members(depth), "additionalProperties": False}, lambda: {"patternProperties": {self.random.choice(PATTERNS): self.schema(depth)}},
            lambda: {"additionalProperties": self.schema(depth)}, lambda: {"propertyNames": dict(self.string_rules(0))}, lambda: {"minProperties": self.random.randrange(3)},
            lambda: {"maxProperties": self.random.randrange(3)}, lambda: {"dependentRequired": {self.random.choice(KEYS): self.names()}},
            lambda: {"dependentSchemas": {self.random.choice(KEYS): self.schema(depth)}},
            lambda: {"propertyNames": {"enum": KEYS[:3]}}])()

    def combined(self, depth):
        return self.random.choice([
            lambda: {"anyOf": self.branches(depth)}, lambda: {"oneOf": self.branches(depth)}, lambda: {"allOf": self.branches(depth)}, lambda: {"not": self.schema(depth)},
            lambda: {"if": self.schema(depth), "then": self.schema(depth)}, lambda: {"if": self.schema(depth), "then": self.schema(depth), "else": self.schema(depth)},
            lambda: {"$ref": self.random.choice(["#/$defs/x", "#/$defs/y"])}])()

    def branches(self, depth):
        return [self.schema(depth) for _ in range(self.random.randrange(1, 4))]

    def members(self, depth):
        return {key: self.schema(depth) for key in self.names()}

    def names(self):
        return self.random.sample(KEYS, self.random.randrange(1, 3))


def holds_boolean(value):
    if isinstance(value, bool):
        return True
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return any(map(holds_boolean, inside))

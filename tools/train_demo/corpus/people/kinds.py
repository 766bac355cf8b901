"""Kinds of values for the tools of people_tools_*.py, for training alone, and `entry`, the short form of such a tool.

A kind is a name of MAKERS here or of tool_maker.value_of; a list is an enum; a dict is {words of the question: value}, by which
a question says a boolean; a tuple of one kind is an array of a few such values.
"""

from .. import office_values, words
from ..known_tools import prop, tool

DEVICES = """heater fan washer dryer oven kettle vacuum dishwasher toaster sprinkler humidifier thermostat fridge freezer boiler
stereo projector doorbell blinds curtains fireplace sauna fountain aquarium""".split()
ROOMS = ["living room", "bedroom", "bathroom", "hallway", "kitchen", "basement", "attic", "nursery", "study", "dining room", "guest room", "garage",
         "laundry room", "balcony", "porch", "office", "playroom", "pantry", "terrace", "upstairs bathroom"]
CUISINES = ["Italian", "Thai", "Indian", "Greek", "Mexican", "Chinese", "French", "Turkish", "Vietnamese", "Lebanese", "Spanish", "Ethiopian", "Korean",
            "Peruvian", "Moroccan", "Japanese", "vegan", "Persian"]
GENRES = ["jazz", "rock", "folk", "techno", "blues", "opera", "reggae", "hip hop", "soul", "punk", "indie", "classical", "ambient", "funk", "disco", "salsa"]
FILM_GENRES = ["comedy", "thriller", "western", "drama", "horror", "documentary", "romance", "fantasy", "crime", "animation", "mystery", "adventure"]
FOODS = """rice pasta lentils tofu chicken salmon spinach mushroom pumpkin carrot potato onion tomato lemon apple banana cherry orange bread cheese
yoghurt honey garlic ginger basil pepper cabbage beans chickpeas shrimp beef lamb walnuts oats flour butter cream noodles broccoli zucchini""".split()
VEGETABLES = ["carrots", "radishes", "kale", "leeks", "pumpkins", "peas", "beetroot", "lettuce", "chives", "parsley", "sweetcorn", "cucumbers", "aubergines",
              "runner beans", "fennel", "rocket", "chard", "garlic", "sunflowers", "courgettes"]
DISHES = ["lasagna", "goulash", "pad thai", "ramen", "tacos", "pancakes", "moussaka", "ratatouille", "risotto", "chili", "borscht", "falafel", "paella",
          "carbonara", "minestrone", "shakshuka", "tiramisu", "brownies", "apple strudel", "dumplings", "fried rice", "guacamole", "clam chowder",
          "beef stew", "butter chicken", "cheesecake", "gazpacho", "hummus", "kimchi", "pierogi"]
DRINKS = ["cola", "lemonade", "tap water", "orange juice", "iced tea", "ginger ale", "tomato juice", "red wine", "beer", "apple juice", "hot chocolate",
          "green smoothie", "tonic water", "chai latte", "elderflower soda"]
FORMS = ["soup", "curry", "salad", "stew", "pie", "cake", "bake", "wrap", "omelette", "bowl", "risotto", "gratin", "sandwich", "burger"]
PLANTS = ["basil", "monstera", "orchid", "tomato plant", "fern", "cactus", "ficus", "lavender", "rosemary", "aloe", "peace lily", "bonsai", "mint",
          "geranium", "palm", "ivy", "rubber plant", "rose bush", "lemon tree", "hydrangea"]
SPORTS = ["football", "basketball", "tennis", "hockey", "cricket", "handball", "volleyball", "rugby", "baseball", "badminton", "swimming", "rowing"]
EXERCISES = ["squats", "push-ups", "lunges", "bench press", "deadlift", "plank", "burpees", "pull-ups", "rowing", "sit-ups", "crunches", "jumping jacks"]
WORKOUTS = ["running", "cycling", "swimming", "yoga", "hiking", "rowing", "walking", "pilates", "boxing", "dancing", "skiing", "climbing"]
MEDICINES = ["ibuprofen", "aspirin", "vitamin D", "insulin", "paracetamol", "iron tablets", "antibiotics", "cough syrup", "allergy pills", "magnesium"]
SYMPTOMS = ["headache", "sore throat", "back pain", "fever", "dry cough", "stomach ache", "dizziness", "runny nose", "knee pain", "insomnia"]
SHOP_THINGS = ["running shoes", "wireless headphones", "desk lamp", "yoga mat", "coffee grinder", "raincoat", "phone case", "water bottle", "backpack",
               "electric toothbrush", "office chair", "bike helmet", "sleeping bag", "frying pan", "wool socks", "keyboard", "sunglasses", "baby monitor",
               "garden hose", "picture frame", "board game", "winter jacket", "travel pillow", "extension cord", "leather wallet"]
SHOP_THINGS += ["rucksack", "hiking boots", "alarm clock", "electric kettle", "blender", "bath towel", "umbrella", "tennis racket", "swimming goggles",
                "football shirt", "dinner plates", "bed linen", "laptop stand", "HDMI cable", "memory card", "power bank", "webcam", "garden chair",
                "flower pots", "tool box", "cordless drill", "step ladder", "paint roller", "cookbook", "crime novel", "jigsaw puzzle", "toy train",
                "teddy bear", "rain boots", "leather belt", "evening dress", "silk scarf", "swimming trunks", "hair dryer", "face cream", "perfume",
                "beard trimmer", "bathroom scales", "smoke detector", "light bulbs", "extension lead", "air mattress", "camping stove", "thermos", "binoculars",
                "telescope", "guitar strings", "ukulele", "music stand", "sketchbook", "watercolours", "fountain pen", "desk organizer", "wall calendar",
                "e-reader", "smart watch", "tablet cover", "gaming mouse", "microphone", "cat tree", "dog leash", "bird feeder", "fish tank", "car seat",
                "snow chains", "roof box", "bike lock", "inner tube", "skateboard", "dumbbells", "jump rope", "foam roller", "knee brace", "wine glasses"]
GROCERIES = ["milk", "eggs", "oat milk", "dog food", "toilet paper", "olive oil", "coffee beans", "bananas", "butter", "dish soap", "rye bread", "cheddar",
             "tomatoes", "cat litter", "shampoo", "sparkling water", "batteries", "frozen peas", "toothpaste", "green tea", "limes", "trash bags"]
CURRENCIES = ["USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "SEK", "euros", "dollars", "pounds", "yen", "francs"]
CARS = ["Golf", "Corolla", "Civic", "Model 3", "Clio", "Fiesta", "Polo", "Yaris", "Octavia", "Panda", "Leaf", "Mini"]
ANIMALS = ["dog", "cat", "hamster", "parrot", "rabbit", "guinea pig", "turtle", "pony", "ferret", "goldfish", "canary", "budgie"]
SIGHTS = ["museum", "castle", "cathedral", "zoo", "lake", "old town", "market hall", "park", "theatre", "tower", "botanical garden", "gallery"]
STOPS = ["Station", "Square", "Airport", "Hotel", "Street", "Museum", "Bridge", "Park", "Hospital", "Market", "Avenue", "Mall", "Harbour", "Gate"]
WHENS = ["today", "tomorrow", "tonight", "this weekend", "next week", "tomorrow morning", "tomorrow evening", "this afternoon", "tomorrow night",
         "this evening", "next weekend", "the day after tomorrow", "this week", "later today"]
EVENTS = ["concert", "wedding", "birthday party", "picnic", "workshop", "exhibition", "marathon", "flea market", "film night", "quiz night", "reading",
          "farewell party", "barbecue", "book launch", "charity run", "game night", "open house", "wine tasting"]
ACCOUNTS = ["savings", "checking", "joint", "business", "holiday fund", "emergency fund", "main", "credit card", "pension", "household"]
SPENDING = ["groceries", "rent", "transport", "eating out", "clothes", "insurance", "gifts", "books", "electricity", "holidays", "pets", "hobbies"]
SIZES = ["small", "medium", "large"]


def title(c):
    """The name of a film, book, song or game."""
    noun = c.word(words.NOUNS).capitalize()
    kind = c.number(0, 6)
    if kind < 2:
        return f"{'The ' if kind else ''}{c.word(words.ADJECTIVES).capitalize()} {noun}"
    if kind < 4:
        return f"{noun} of {c.city()}" if kind == 2 else f"The {noun} and the {c.word(words.NOUNS).capitalize()}"
    if kind == 4:
        return f"{c.word(words.FIRST_NAMES)} in {c.word(words.CITIES)}"
    return c.made_up(capital=True) if kind == 5 else f"{c.word(words.COLORS).capitalize()} {noun}"


def venue(c):
    """The name of a restaurant, a shop or a club."""
    kind = c.number(0, 4)
    if kind == 0:
        return f"{c.any(['Casa', 'Chez', 'Villa', 'Bella', 'Studio'])} {c.made_up(capital=True)}"
    if kind == 1:
        return f"The {c.word(words.ADJECTIVES).capitalize()} {c.word(words.NOUNS).capitalize()}"
    return c.word(words.FIRST_NAMES) + "'s" if kind == 2 else c.made_up(capital=True)


def dish(c):
    kind = c.number(0, 3)
    if kind < 2:
        return c.word(DISHES)
    return f"{c.word(FOODS)} {c.word(FORMS)}" if kind == 2 else f"{c.word(FOODS)} and {c.word(FOODS)} {c.word(FORMS)}"


def day_text(c):
    """A date as people write it after "on"."""
    def make():
        month, day = c.any(words.MONTHS), c.number(1, 28)
        return c.any([f"{month} {day}", f"{day} {month}", f"{day} {month} {c.number(2024, 2029)}", f"{month} {day}, {c.number(2024, 2029)}",
                      f"{day}.{c.number(1, 12)}.{c.number(2024, 2029)}", f"{day}/{c.number(1, 12)}", f"{c.number(2024, 2029)}-{c.number(1, 12):02}-{day:02}"])
    return c.word(words.DAYS) if c.chance(0.2) else c.until_owned(make)


def clock(c):
    """A time as people write it after "at"."""
    def make():
        hour, minute = c.number(1, 12), c.any(["00", "05", "10", "15", "20", "30", "40", "45", "50"])
        return c.any([f"{hour} {c.any(['am', 'pm'])}", f"{hour}{c.any(['am', 'pm'])}", f"{hour}:{minute} {c.any(['am', 'pm'])}", f"{hour}:{minute}",
                      f"{c.number(0, 23):02}:{minute}", f"{hour} o'clock", f"half past {hour}", f"{c.number(0, 23):02}:{minute}"])
    return c.any(["noon", "midnight"]) if c.chance(0.04) else c.until_owned(make)


def when(c):
    return c.any([f"next {c.word(words.DAYS)}", f"this {c.word(words.DAYS)}"]) if c.chance(0.25) else c.any(WHENS)


def phone(c):
    return c.until_owned(lambda: c.any([f"555-{c.number(0, 9999):04}", f"+{c.number(30, 49)} {c.number(151, 179)} {c.number(100000, 9999999)}",
                                        f"0{c.number(20, 99)} {c.number(10000, 999999)}", f"0{c.number(151, 179)}-{c.number(1000000, 9999999)}"]))


def money(c):
    return c.integer() if c.chance(0.6) else float(c.until_owned(lambda: f"{c.number(1, 99)}.{c.number(1, 9)}{c.any(['', '5', '9'])}"))


def stop(c):
    """A place inside a city."""
    return c.any([f"{c.made_up(capital=True)} {c.any(STOPS)}", f"{c.word(words.SURNAMES)} {c.any(STOPS)}", f"{c.word(words.CITIES)} {c.any(STOPS)}"])


NUMBER_WORDS = {word: n for n, word in enumerate("two three four five six seven eight nine ten eleven twelve".split(), 2)}


def few(c):
    """A small number as people write it: "3" or "three"."""
    return c.any(list(NUMBER_WORDS)) if c.chance(0.3) else str(c.number(2, 12))


def number_meant(text):
    return NUMBER_WORDS.get(text) or int(text)


def one_of(items):
    return lambda c: c.word(items)


MAKERS = {
    **office_values.MAKERS,
    "title": title, "venue": venue, "dish": dish, "dated": day_text, "clock": clock, "when": when, "phone": phone, "money": money, "stop": stop,
    "few": few, "percent": lambda c: c.number(1, 20) * 5,
    "flight": lambda c: c.until_owned(lambda: f"{c.any('ABEFIKLSTUVX')}{c.any('ABAHKLSYZ')}{c.any(['', '', ' '])}{c.number(10, 9999)}"),
    "zip": lambda c: c.until_owned(lambda: f"{c.number(10000, 99999)}"),
    "band": lambda c: c.any([c.made_up(capital=True), f"The {c.word(words.NOUNS).capitalize()}s", c.word(words.FIRST_NAMES) + " " + c.word(words.SURNAMES)]),
    "team": lambda c: c.any([f"{c.word(words.CITIES)} {c.any(['United', 'City', 'Rovers', 'Lions', 'Bears', 'Hawks'])}", "FC " + c.city(), c.city()]),
    "want": lambda c: f"{c.word(words.ADJECTIVES)} {c.word(words.NOUNS)}" if c.chance(0.15) else c.word(SHOP_THINGS),
    "petname": lambda c: c.any(["Rex", "Bella", "Momo", "Luna", "Charlie", "Biscuit", "Simba", "Nala"]) if c.chance(0.3) else c.made_up(capital=True),
    "device": one_of(DEVICES), "room": one_of(ROOMS), "cuisine": one_of(CUISINES), "genre": one_of(GENRES), "film_genre": one_of(FILM_GENRES),
    "food": one_of(FOODS), "drink": one_of(DRINKS), "vegetable": one_of(VEGETABLES), "plant": one_of(PLANTS), "sport": one_of(SPORTS), "exercise": one_of(EXERCISES), "workout": one_of(WORKOUTS),
    "medicine": one_of(MEDICINES), "symptom": one_of(SYMPTOMS), "grocery": one_of(GROCERIES), "currency": one_of(CURRENCIES),
    "car": one_of(CARS), "animal": one_of(ANIMALS), "sight": one_of(SIGHTS), "event": one_of(EVENTS), "account": one_of(ACCOUNTS),
    "spending": one_of(SPENDING), "color": one_of(words.COLORS),
}
TYPES = {"integer": "integer", "few": "integer", "percent": "integer", "number": "number", "money": "number", "truth": "boolean"}


def schema_of(kind, description):
    if isinstance(kind, tuple):
        return {**prop("array", description), "items": prop(TYPES.get(kind[0], "string"))}
    if isinstance(kind, list):
        return prop("string", description, kind)
    if isinstance(kind, dict):
        values = list(dict.fromkeys(kind.values()))
        return prop("boolean", description) if isinstance(values[0], bool) else prop("string", description, values)
    return prop(TYPES.get(kind, "string"), description)


def entry(name, description, parameters, questions):
    """A tool as in known_tools.py. A parameter is "name" or, optional, "name?"; a description may follow after "|"."""
    kinds, properties, required = {}, {}, []
    for key, kind in parameters.items():
        key, _, said = key.partition("|")
        parameter = key.rstrip("?")
        kinds[parameter], properties[parameter] = kind, schema_of(kind, said)
        required += [parameter] if key == parameter else []
    return tool(name, description, properties, required), questions, kinds

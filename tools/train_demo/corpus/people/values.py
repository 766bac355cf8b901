"""Kinds of values in people's notes and mails, each with the way it stands in the text: prices, dates as people write
them, phone numbers, titles, things, places. For training alone (extraction.py, passages.py)."""

import re

from .. import tool_maker, words

NUMBER_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def rows(text):
    return [row for row in (" ".join(row.split()) for row in text.split(",")) if row]


POOLS = {
    "first": words.FIRST_NAMES, "last": words.SURNAMES, "country": words.COUNTRIES, "job": words.JOBS, "color": words.COLORS,
    "language": words.LANGUAGES, "day": words.DAYS, "month": words.MONTHS, "fruit": words.FRUITS, "pet": words.PETS, "noun": words.NOUNS,
    "item": rows("""wireless mouse, desk lamp, coffee grinder, yoga mat, phone case, rucksack, winter jacket, office chair, rain coat, water bottle,
        garden hose, bread knife, wool blanket, USB cable, laptop stand, bluetooth speaker, sports watch, leather wallet, alarm clock, electric
        kettle, toaster, tea pot, baby stroller, bike helmet, camping tent, frying pan, hair dryer, gaming keyboard, notebook, picture frame, power
        bank, rice cooker, sleeping bag, wine glass, table cloth, tennis racket, tool box, toy train, travel bag, umbrella, vacuum cleaner, wall
        clock, webcam, hand mirror, monitor, ink cartridge, bath towel, board game, candle set, door mat, ceiling fan, fountain pen, ladder, mixer,
        night lamp"""),
    "dish": rows("""pizza margherita, tomato soup, chicken curry, fish and chips, green salad, mushroom risotto, beef burger, onion soup, veggie wrap,
        apple pie, pad thai, lentil stew, tuna sandwich, cheese omelette, spaghetti, lasagna, pancakes, fried rice, tacos, sushi, potato gratin,
        ramen, carrot cake, falafel, ice cream, lamb kebab, pumpkin soup, steak, banana bread, goulash, paella, noodles, rice pudding, garlic bread"""),
    "food": rows("""flour, sugar, butter, milk, eggs, rice, olive oil, tomatoes, cheese, yeast, salt, cocoa, honey, oats, cream, pasta, beans,
        spinach, garlic, ginger, bread, yoghurt, tofu, mushrooms, potatoes, onions, carrots, lemons, chocolate, cinnamon, tea, coffee, bananas,
        peanuts"""),
    "book": rows("""The Silent Harbor, Blue Winter, A House of Salt, The Last Orchard, Night Train North, The Clockmaker, Letters from Nowhere, Stone
        and Sky, The Paper Garden, Seven Bridges, Under the Red Moon, The Glass River, A Map of Rain, The Quiet Engine, Wolves of the Valley, Summer
        Ends Here, The Lighthouse Keeper, Broken Compass, The Ninth Door, Salt Roads, The Cartographer, Small Fires, Beyond the Dunes, The Missing
        Violin, Winter Bread, The Hidden Stairs, Golden Hour, The Long Tide, Dust and Honey, City of Lanterns, The Old Ferry, Seeds of Light"""),
    "company": rows("""Norvik Ltd, Blue Harbor Inc, Sunfield Foods, Almeda Software, Brightline, Castor & Sons, Greenleaf Energy, Delta Print, Ostra
        Group, Papyra, Quantia, Redstone Bank, Silverpine, Tolbert Motors, Urbana Homes, Velo Nord, Westgate Media, Yellow Door Cafe, Zenta Labs,
        Fairwind Travel, Lumen Optics, Kobalt Tools, Hexa Games, Ironbridge Steel, Juniper Health, Polar Freight, Marlow Books, Nimbus Data, Orchard
        Clinic, Pico Robotics"""),
    "team": rows("""Tigers, Lions, Eagles, Sharks, Rovers, United, Wanderers, Falcons, Bears, Wolves, Rangers, Comets, Rockets, Vikings, Pirates,
        Hornets, Dragons, Foxes, Giants, Bulls, Kings, Stars, Ravens, Panthers, Dolphins, Hawks, Cobras, Thunder, Storm, Knights"""),
    "sport": rows("""football, tennis, basketball, volleyball, hockey, swimming, chess, handball, rugby, badminton, cycling, judo, rowing, golf,
        boxing, skiing, table tennis, cricket, surfing, climbing"""),
    "hobby": rows("""reading, hiking, cooking, chess, painting, gardening, swimming, photography, knitting, dancing, fishing, cycling, singing,
        running, yoga, baking, sailing, drawing, skiing, poetry, climbing, travelling"""),
    "skill": rows("""Python, Java, SQL, Excel, welding, accounting, project management, Photoshop, nursing, public speaking, sales, copywriting, C++,
        data analysis, web design, machine learning, Linux, carpentry, bookkeeping, teaching, Rust, Docker, video editing, translation"""),
    "subject": rows("""maths, biology, history, physics, chemistry, geography, art, music, English, Spanish, economics, philosophy, sports, computer
        science, Latin, French, drama, ethics"""),
    "animal": rows("""red fox, grey heron, barn owl, sea otter, brown bear, white stork, green frog, snow leopard, wild boar, bald eagle, harbour
        seal, blue whale, hedgehog, badger, kingfisher, lynx, penguin, giraffe, zebra, koala, beaver, moose, flamingo, hippo, elephant, wolf, deer,
        squirrel"""),
    "petname": rows("""Bella, Rocky, Luna, Simba, Coco, Max, Milo, Daisy, Charlie, Nala, Rex, Oreo, Toby, Ginger, Whiskers, Shadow, Buddy, Molly,
        Felix, Pepper, Snowy, Biscuit, Cleo, Loki, Poppy, Ziggy, Hazel, Bruno, Socks, Misty"""),
    "breed": rows("""poodle, beagle, labrador, dachshund, husky, terrier, collie, boxer, bulldog, spaniel, greyhound, pug, corgi, schnauzer"""),
    "symptom": rows("""headache, fever, cough, sore throat, back pain, dizziness, nausea, rash, stomach ache, runny nose, fatigue, chills, toothache,
        ear pain, knee pain, insomnia"""),
    "medicine": rows("""ibuprofen, paracetamol, aspirin, insulin, amoxicillin, cough syrup, vitamin D, iron tablets, antihistamine, eye drops,
        cortisone"""),
    "weather": rows("""sunny, cloudy, rainy, windy, foggy, snowy, stormy, clear, humid, icy, hazy, misty, overcast"""),
    "car": rows("""Toyota Corolla, Ford Focus, Honda Civic, Fiat 500, Volvo V60, Mazda 3, Kia Ceed, Opel Corsa, Skoda Octavia, Renault Clio, BMW X3,
        Audi A4, Tesla Model 3, Nissan Leaf, VW Golf, Seat Ibiza, Peugeot 208, Hyundai i20, Dacia Duster, Subaru Outback"""),
    "brand": rows("""Canon, Bosch, Nokia, Lenovo, Sony, Philips, Braun, Casio, Epson, Garmin, Logitech, Makita, Miele, Nikon, Panasonic, Samsung,
        Siemens, Yamaha, Asus, Dyson"""),
    "device": rows("""laptop, printer, router, tablet, phone, monitor, keyboard, scanner, projector, camera, headset, smart TV, washing machine,
        dishwasher, fridge, coffee machine, thermostat, doorbell, microwave, oven"""),
    "problem": rows("""does not turn on, makes a loud noise, keeps crashing, is overheating, loses the connection, will not charge, shows a black
        screen, is very slow, leaks water, has a broken button, cannot find the network, smells burnt, freezes every hour, prints blank pages"""),
    "event": rows("""summer concert, book fair, team meeting, cooking class, wine tasting, flea market, open day, chess tournament, yoga workshop,
        film night, garden party, job fair, charity run, poetry reading, science fair, board meeting, dance class, art exhibition, quiz night, choir
        practice, street festival, budget review, baby shower, farewell party, first aid course, company picnic, pottery course, wedding, carnival,
        graduation"""),
    "hotel": rows("""Hotel Aurora, Grand Palace, Seaview Inn, Hotel Mirador, The Old Mill, Park Lodge, Hotel Central, Riverside Hotel, Casa Verde,
        Hotel Alpina, Harbor House, Sunset Resort, Villa Rosa, The Blue Anchor, Hotel Bristol, Lakeside Inn"""),
    "restaurant": rows("""Luigi's, The Green Fork, Sakura House, Casa Pepe, Chez Marie, The Golden Spoon, Bombay Palace, Taverna Nikos, Blue Lotus,
        Burger Barn, The Rusty Anchor, Olive Garden, Noodle Bar, La Piazza, The Hungry Bear, Cafe Luna"""),
    "department": rows("""sales, marketing, finance, engineering, support, logistics, research, legal, human resources, design, purchasing,
        production, quality, customer service, security"""),
    "genre": rows("""thriller, comedy, drama, fantasy, romance, horror, documentary, science fiction, mystery, western, biography, adventure, jazz,
        rock"""),
    "material": rows("""oak, steel, cotton, leather, glass, wool, marble, bamboo, plastic, copper, linen, silk, paper, clay, aluminium, rubber"""),
    "instrument": rows("""piano, guitar, violin, cello, drums, flute, trumpet, saxophone, harp, clarinet, accordion, ukulele"""),
    "plant": rows("""basil, mint, orchid, tulip, cactus, fern, lavender, rose bush, lemon tree, ivy, sunflower, tomato plant, oak, birch, bonsai, aloe"""),
    "currency": rows("""euros, dollars, pounds, francs, yen, pesos, kroner, rupees"""),
    "topic": rows("""late delivery, wrong size, refund, password reset, broken link, opening hours, missing invoice, school trip, new contract, office
        move, holiday plan, parking permit, annual report, garden plan, health insurance, gym membership, tax form, data backup, wedding plan"""),
    "task": rows("""water the plants, call the bank, fix the bike, pay the rent, book the flights, clean the garage, send the invoice, update the
        website, buy stamps, renew the passport, walk the dog, return the books, paint the fence, write the report, order new toner, feed the cat,
        check the tyres, wash the car, sign the contract, test the backup, sort the mail, plan the party, print the tickets, mow the lawn, back up the
        photos"""),
    "vegetable": rows("""potatoes, onions, carrots, leeks, cabbages, peppers, cucumbers, beans, peas, pumpkins, radishes, beets, spinach, broccoli"""),
    "part": rows("""brake pads, oil filter, spark plug, bike chain, fan belt, door hinge, drill bits, hose clamp, light bulb, fuse, gasket, wheel
        bolts, copper pipe, battery pack, power supply, hard drive, SSD, memory module, network switch, HDMI cable"""),
    "field": rows("""biology, law, medicine, architecture, history, physics, economics, design, linguistics, journalism, computer science, nursing"""),
    "shape": rows("""small, medium, large, extra large"""),
}
SHORT_MONTHS = [month[:3] for month in words.MONTHS]


def money(c):
    roll = c.rng.random()
    if roll < 0.4:
        return str(c.number(2, 99) if c.chance(0.6) else c.number(100, 999))
    return f"{c.number(1, 199)}." + (f"{c.number(1, 99):02}" if roll < 0.9 else "50")


def plain_date(c):
    """A date as people write it."""
    day, month, year = c.number(1, 28), c.number(1, 12), c.number(2024, 2029)
    name, short = words.MONTHS[month - 1], SHORT_MONTHS[month - 1]
    return c.any([f"{day} {name}", f"{name} {day}", f"{name} {day}, {year}", f"{day} {name} {year}", f"{year}-{month:02}-{day:02}",
                  f"{day} {short} {year}",
                  f"{year}-{month:02}-{day:02}", f"{day:02}.{month:02}.{year}", f"{month}/{day}/{year}",
                  f"{day:02}/{month:02}/{year}"])


def plain_time(c):
    hour, minute = c.number(1, 12), c.any(["00", "15", "30", "45", "10", "20", "05", "50"])
    return c.any([f"{hour} {c.any(['am', 'pm'])}", f"{hour}:{minute} {c.any(['am', 'pm'])}", f"{c.number(0, 23):02}:{minute}", f"{c.number(0, 23):02}:{minute}",
                  f"{c.number(7, 22)}:{minute}", f"{hour}{c.any(['am', 'pm'])}"])


def phone(c):
    return c.any([f"555-{c.number(1000, 9999)}", f"+{c.number(30, 60)} {c.number(100, 999)} {c.number(10000, 99999)}",
                  f"0{c.number(20, 99)}-{c.number(10000, 99999)}",
                  f"{c.number(200, 999)}-{c.number(200, 999)}-{c.number(1000, 9999)}", f"({c.number(200, 999)}) 555-{c.number(1000, 9999)}",
                  f"0{c.number(10, 99)} {c.number(100, 999)} {c.number(10, 99)}"])


def letters(c, count):
    return "".join(c.any("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(count))


def code(c):
    """A number of an order, a ticket or a booking: never of digits alone."""
    return c.any([f"{letters(c, 1)}{c.number(10, 999)}", f"{letters(c, 2)}-{c.number(100, 9999)}", f"#{c.number(1000, 99999)}",
                  f"{letters(c, 3)}{c.number(10, 99)}",
                  f"{letters(c, 2)}{c.number(1000, 99999)}", f"{c.number(10, 99)}-{letters(c, 2)}",
                  f"{letters(c, 3)}-{c.number(2024, 2028)}-{c.number(1, 99):02}",
                  letters(c, 6)])


def place(c):
    return c.word(words.CITIES) if c.chance(0.85) else c.made_up(capital=True)


def person(c):
    roll = c.rng.random()
    if roll < 0.45:
        return c.word(words.FIRST_NAMES)
    return c.word(words.FIRST_NAMES) + " " + c.word(words.SURNAMES) if roll < 0.9 else c.made_up(capital=True)


MADE = {
    "person": person, "city": place, "code": lambda c: c.until_owned(lambda: code(c)), "money": money, "phone": phone,
    "date": lambda c: c.until_owned(lambda: plain_date(c)), "time": lambda c: c.until_owned(lambda: plain_time(c)), "email": lambda c: c.email(),
    "street": lambda c: (tool_maker.value_of(c, "street") if c.chance(0.5) else
                         f"{c.made_up(capital=True)} {c.any(['Road', 'Lane', 'Avenue', 'Square'])} {c.number(1, 99)}"),
    "flight": lambda c: f"{letters(c, 2)}{c.any(['', ' '])}{c.number(100, 9999)}", "gate": lambda c: f"{letters(c, 1)}{c.number(1, 60)}",
    "seat": lambda c: f"{c.number(1, 40)}{c.any('ABCDEF')}", "plate": lambda c: f"{letters(c, 2)} {c.number(100, 9999)}",
    "word": lambda c: c.made_up(capital=True),
    "user": lambda c: c.word(words.FIRST_NAMES).lower() + c.any(["", "_", "."]) + c.any([str(c.number(1, 99)), c.made_up(2, 2, False)]),
    "url": lambda c: c.any(["", "www.", "https://"]) + c.made_up(2, 2, False) + c.any([".com", ".org", ".net", ".io"]),
    "version": lambda c: f"{c.number(1, 9)}.{c.number(0, 19)}.{c.number(0, 9)}", "file": lambda c: tool_maker.value_of(c, "path").rsplit("/")[-1],
    "am": lambda c: c.any([f"{c.number(6, 11)} am", f"0{c.number(6, 9)}:{c.any(['00', '15', '30', '45'])}", f"{c.number(6, 11)}:30 am"]),
    "pm": lambda c: c.any([f"{c.number(5, 11)} pm", f"{c.number(16, 22)}:{c.any(['00', '15', '30', '45'])}", f"{c.number(5, 10)}:30 pm"]),
    "host": lambda c: f"{c.any(['web', 'db', 'app', 'mail', 'cache', 'node'])}-{c.number(1, 40):02}", "doctor": lambda c: "Dr. " + c.word(words.SURNAMES),
    "ip": lambda c: f"10.{c.number(0, 9)}.{c.number(0, 99)}.{c.number(2, 254)}",
    "duration": lambda c: f"{c.number(2, 59)} {c.any(['minutes', 'hours', 'days', 'weeks'])}",
    "mister": lambda c: c.any(["Mr ", "Mrs ", "Ms "]) + c.word(words.SURNAMES), "teacher": lambda c: c.any(["Mr ", "Mrs ", "Ms "]) + c.word(words.SURNAMES),
}


class Raw(float):
    """A number that the answer copies as the text writes it, 12.50 for one."""


def value_of(c, kind):
    """(value, how the text writes it). A kind is a name of MADE or POOLS, a range 2-40 or 1.0-5.0, words a|b|c, `few` or `big` numbers,
    and with a star before it a list of two to four."""
    if kind.startswith("*"):
        values = []
        while len(values) < 2:
            values = list(dict.fromkeys(value_of(c, kind[1:])[0] for _ in range(c.number(2, 4))))
        last = c.any([" and ", " and ", " and ", ", ", ", and "]) if len(values) > 2 else c.any([" and ", " and ", ", "])
        return values, ", ".join(map(str, values[:-1])) + last + str(values[-1])
    if kind == "few":
        value = c.number(2, 12)
        return value, NUMBER_WORDS[value] if c.chance(0.2) else str(value)
    if kind == "big":
        value = c.number(10, 999) * c.any([10, 100, 100, 1000])
        return value, f"{value:,}" if c.chance(0.3) else str(value)
    if kind == "money":
        shown = money(c)
        return (Raw(shown) if "." in shown else int(shown)), shown
    if "|" in kind:
        value = c.any(kind.split("|")).replace("_", " ")
        return value, value
    found = re.fullmatch(r"([\d.]+)-([\d.]+)", kind)
    if found and "." in kind:
        value = c.number(*(round(float(end) * 10) for end in found.groups())) / 10
        return value, str(value)
    if found:
        value = c.number(*map(int, found.groups()))
        return value, str(value)
    value = c.word(POOLS[kind]) if kind in POOLS else MADE[kind](c)
    return value, value

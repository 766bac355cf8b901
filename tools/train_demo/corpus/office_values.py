"""Values as people write them, for training alone: dates in words, file names, search words, sentences to send. Data and makers."""

from . import words

TASKS = [
    "buy milk", "call the plumber", "water the plants", "pay the electricity bill", "pick up the kids", "renew my passport",
    "take out the trash", "feed the neighbour's cat", "send the slides to Marta", "clean the fridge", "book the vet", "order new glasses",
    "change the bed sheets", "write the monthly report", "check the tyre pressure", "call grandma", "bring back the library books",
    "print the boarding passes", "update my CV", "fix the kitchen tap", "bake bread", "charge the camera", "cancel the gym", "sign the lease",
    "collect the dry cleaning", "prepare the interview", "read chapter four", "back up my laptop", "vacuum the stairs", "post the parcel",
    "ask about the deposit", "review the pull request", "get cat food", "defrost the chicken", "finish the tax return", "mow the lawn",
    "learn the new vocabulary", "buy a birthday card for Tom", "move the car", "answer the landlord", "stretch for ten minutes",
    "take the blue pills", "switch off the oven", "bring an umbrella", "practise the violin", "return the drill to Sam",
]
EVENTS = [
    "team lunch", "dentist", "yoga class", "parents' evening", "haircut", "budget review", "sprint planning", "piano lesson", "eye test",
    "coffee with Nora", "flat viewing", "job interview", "book club", "swimming", "Mia's birthday party", "standup", "board meeting",
    "choir practice", "barbecue", "car inspection", "school play", "first aid course", "dinner with the in-laws", "physio", "chess night",
    "product demo", "one-on-one with Raj", "blood test", "movie night", "wedding rehearsal", "tax adviser", "house warming", "fire drill",
    "press briefing", "code review", "football training", "town hall", "pottery workshop", "vet appointment", "kick-off",
]
MESSAGES = [
    "I'll be ten minutes late", "the kids are asleep", "can you pick me up at the station", "dinner is on the stove", "I missed the bus",
    "the code for the gate has changed", "we moved the demo to room five", "thanks for yesterday", "I can't make it tonight", "happy anniversary",
    "the contract is signed", "please bring your laptop", "did you feed the dog", "I love you", "we are out of coffee", "the plane has landed",
    "where did you park", "the build is green again", "sorry for the noise last night", "your parcel is at my place", "see you at the gym",
    "the boss liked your idea", "don't wait for me", "I left the keys under the mat", "good luck with the exam", "the heating is broken again",
    "let's talk on Monday", "lunch is on me", "the doctor says all is fine", "I found your wallet", "traffic is terrible today", "we need one more chair",
    "are you free this weekend", "the baby is here", "the invoice was paid", "my phone is almost dead", "the concert was amazing", "it is snowing here",
    "send me the address again", "the lift is out of order", "I just got home", "we won three to one", "the wifi password is on the fridge",
    "keep me posted", "the meeting room is taken", "tell Ben I said hi", "no school tomorrow", "I need your signature", "the cake was delicious",
    "the tests are still running", "call me when you can", "where is the nearest pharmacy", "how much does this cost", "I would like a window seat",
    "the soup is too salty", "is this seat free", "my luggage is lost", "good night and sweet dreams", "the bill, please", "I am allergic to nuts",
]
QUERIES = [
    "how to tie a tie", "best noise cancelling headphones", "symptoms of a cold", "cheap hotels near the beach", "vegan lasagne recipe", "who won the cup final",
    "python list comprehension", "when do swallows migrate", "used electric bikes", "how old is the universe", "learn chess openings", "train strike today",
    "remove red wine stains", "jobs for nurses abroad", "easy card tricks", "cats that do not shed", "how does a heat pump work", "tax deadline", "quiet cafes",
    "second hand pianos", "history of the zipper", "sourdough starter", "visa rules for students", "top hiking trails", "repair a bike chain", "meaning of dreams",
    "solar eclipse dates", "bread without yeast", "how to write a cover letter", "rent a van for a day", "origin of the croissant", "kids museums", "roman roads",
    "memory leak in a web worker", "why is the sky blue", "cordless drill test", "first aid for burns", "low sugar breakfast", "yoga for back pain", "lunar calendar",
]
FILE_STEMS = ["budget_2025", "notes", "invoice-march", "cv_final", "holiday", "contract_v2", "meeting-minutes", "scan0042", "thesis", "draft", "shopping",
              "photo_collage", "todo", "backup-old", "logo", "timetable", "presentation", "expenses", "recipe_book", "floorplan", "quarterly_report", "letter"]
ENDINGS = ["pdf", "docx", "txt", "xlsx", "png", "jpg", "csv", "md", "pptx", "zip", "py", "json", "html", "mp3"]
FOLDERS = ["Downloads", "Invoices", "holiday pics", "src/utils", "old projects", "Documents/tax", "team share", "archive", "music", "Desktop", "public/img",
           "client files", "backup", "Work/2025", "tests/data", "scans", "/var/log", "/home/pia/docs", "/tmp/export", "lib"]
COMPANY_TAILS = ["Ltd", "GmbH", "Inc", "Group", "Logistics", "Foods", "Software", "& Sons", "Bank", "Insurance", "Studios", "Motors"]
BRANCHES = ["feature/login", "fix/typo", "release-2.1", "hotfix/payment", "develop", "dark-mode", "feature/search-bar", "refactor/parser", "main", "staging",
            "update-deps", "bugfix/timezone"]
SUBJECTS = ["maths", "biology", "chemistry", "geography", "physics", "history class", "art history", "economics", "statistics", "philosophy", "world literature",
            "computer science", "music theory", "physical education", "accounting", "psychology", "civics", "creative writing"]
JOBS = ["data analyst", "warehouse clerk", "night porter", "UX designer", "welder", "primary school teacher", "bus driver", "backend developer", "barista",
        "care assistant", "electrician", "copywriter", "project manager", "lab technician", "bookkeeper", "roofer", "receptionist", "florist"]
PLACES = ["Central Station", "the town hall", "Grand Hotel", "Terminal 2", "the old harbour", "City Museum", "Riverside Park", "the main library",
          "North Gate", "the stadium", "St Mary's Hospital", "Market Square", "the zoo", "Hill Street 12", "the botanical garden", "Pier 7", "the post office"]
DURATIONS = ["30 minutes", "an hour", "two hours", "45 min", "half an hour", "90 minutes", "three days", "a week", "20 minutes", "two weeks", "1 hour", "15 min"]
DEPARTMENTS = ["accounting", "sales", "the legal team", "human resources", "logistics", "customer care", "procurement", "the design team", "facilities",
               "quality assurance", "the night shift", "research", "payroll", "IT support", "public relations", "the warehouse crew", "field service"]
SEGMENTS = ["new customers", "VIPs", "students", "resellers", "trial users", "partners in Asia", "lapsed customers", "beta testers", "schools", "journalists",
            "club members", "suppliers", "volunteers", "early birds"]
SKILLS = ["Python", "welding", "first aid", "public speaking", "bookkeeping", "photo editing", "sign language", "project planning", "Kubernetes", "carpentry",
          "copywriting", "video editing", "data cleaning", "driving a forklift", "negotiation", "CAD", "baking", "typing", "SQL", "pottery"]
SHORT_DATES = ["the 14th", "the 3rd", "the 21st", "Christmas Eve", "New Year's Day", "the 1st of May", "the last of the month"]
AHEAD = ["tomorrow", "tonight", "tomorrow morning", "tomorrow evening", "next week", "in two hours", "in ten minutes", "this afternoon", "in three days",
         "next month", "tomorrow at noon", "this evening", "in half an hour", "the day after tomorrow", "in a week", "at lunchtime", "after work"]


def calendar_day(c):
    """A day that reads well after "on"."""
    day, month = c.number(1, 28), c.word(words.MONTHS)
    return c.any([f"{day} {month}", f"{month} {day}", f"{day} {month} {c.number(2024, 2029)}", f"{month} {day}, {c.number(2024, 2029)}",
                  f"{c.word(words.DAYS)}, {day} {month}", f"{day}.{c.number(1, 12)}.{c.number(2024, 2029)}", f"{c.number(1, 12):02}/{day:02}/{c.number(2024, 2029)}",
                  f"{day}th of {month}" if 3 < day < 21 else f"{month} {day}", c.any(SHORT_DATES), c.word(words.DAYS) + " " + c.any(["morning", "evening", "afternoon"])])


def ahead(c):
    """A time to come that stands without a preposition of its own."""
    return c.any(AHEAD) if c.chance(0.6) else c.any(["next {d}", "this {d}", "{d} morning", "{d} at {t}", "tomorrow at {t}", "next {d} at {t}"]).format(
        d=c.word(words.DAYS), t=f"{c.number(1, 12)}{c.any([' am', 'pm', ' pm', ':15', ':30'])}")


def task(c):
    if c.chance(0.65):
        return c.any(TASKS)
    return c.any(["buy the {n}", "repair the {n}", "sell the old {n}", "clean the {n}", "call {p}", "email {p} about the {n}", "visit {p}", "return the {n} to {p}"]).format(
        n=c.word(words.NOUNS), p=c.person())


def appointment(c):
    return c.any(EVENTS) if c.chance(0.7) else c.any(["lunch with {p}", "call with {p}", "{p}'s farewell", "{w} workshop", "{w} review", "trip to {t}"]).format(
        p=c.person(), w=c.made_up(capital=True), t=c.city())


def query(c):
    if c.chance(0.55):
        return c.any(QUERIES)
    return c.any(["best {n} under 50 euros", "how to clean a {a} {n}", "cheap {n}", "{t} in winter", "{w} reviews", "museums in {t}", "{a} {n} ideas", "{w} vs {v}",
                  "opening hours {w}", "what is {w}"]).format(n=c.word(words.NOUNS), a=c.word(words.ADJECTIVES), t=c.city(), w=c.made_up(), v=c.made_up())


def file(c):
    stem = c.any(FILE_STEMS) if c.chance(0.5) else c.any(["{w}", "{w}_plan", "{w}-{n}", "{n}{d}", "{w}_{d}"]).format(
        w=c.made_up(capital=False), n=c.word(words.NOUNS), d=c.number(1, 99))
    return f"{stem}.{c.any(ENDINGS)}"


def company(c):
    return f"{c.made_up(capital=True) if c.chance(0.6) else c.word(words.SURNAMES)} {c.any(COMPANY_TAILS)}"


def url(c):
    host = f"{c.made_up(2, 3, False)}.{c.any(['com', 'org', 'net', 'io', 'de'])}"
    return c.any([f"https://{host}", f"https://{host}/{c.word(words.NOUNS)}", f"www.{host}", host, f"http://{host}/{c.made_up(capital=False)}/{c.number(1, 400)}"])


def host(c):
    return c.any([f"web-{c.number(1, 30):02}", f"{c.made_up(capital=False)}-db-{c.number(1, 9)}", f"mail.{c.made_up(capital=False)}.net", f"{c.made_up(capital=False)}-prod",
                  f"10.0.{c.number(0, 9)}.{c.number(2, 250)}", f"node-{c.number(1, 40)}.{c.made_up(capital=False)}"])


def branch(c):
    return c.any(BRANCHES) if c.chance(0.4) else c.any(["feature/{w}", "fix-{w}", "{w}", "{p}/{w}"]).format(w=c.made_up(capital=False), p=c.word(words.FIRST_NAMES).lower())


def book(c):
    return c.any(["The {A} {N}", "{W}", "A {N} for {P}", "The {N} of {W}", "{P} and the {N}", "{A} {N}s", "Return to {W}"]).format(
        A=c.word(words.ADJECTIVES).capitalize(), N=c.word(words.NOUNS).capitalize(), W=c.made_up(capital=True), P=c.word(words.FIRST_NAMES))


def message(c):
    return c.any(MESSAGES)


KINDS = {
    "calendar_day": calendar_day, "ahead": ahead, "task": task, "appointment": appointment, "search": query, "file": file, "company": company,
    "url": url, "host": host, "branch": branch, "book": book, "saying": message,
    "folder": lambda c: c.any(FOLDERS) if c.chance(0.6) else c.made_up(capital=False), "subject": lambda c: c.any(SUBJECTS),
    "job": lambda c: c.any(JOBS), "place": lambda c: c.any(PLACES) if c.chance(0.6) else f"{c.made_up(capital=True)} {c.any(['Museum', 'Square', 'Station', 'Park'])}",
    "duration": lambda c: c.any(DURATIONS) if c.chance(0.6) else f"{c.number(2, 50)} {c.any(['minutes', 'hours', 'days', 'weeks'])}",
    "version": lambda c: f"{c.any(['', 'v'])}{c.number(0, 9)}.{c.number(0, 20)}.{c.number(0, 20)}",
    "department": lambda c: c.any(DEPARTMENTS), "segment": lambda c: c.any(SEGMENTS), "skill": lambda c: c.any(SKILLS),
    "iban": lambda c: f"{c.any(['DE', 'FR', 'ES', 'NL', 'CH'])}{c.number(10, 99)} {c.number(1000, 9999)} {c.number(1000, 9999)} {c.number(1000, 9999)}",
    "plate": lambda c: f"{c.any('BHKMSTW')}{c.any(['', 'A', 'N'])}-{c.any('ACEHKLPRX')}{c.any('BDFGJMNW')} {c.number(10, 9999)}",
    "ip": lambda c: f"{c.number(11, 223)}.{c.number(0, 255)}.{c.number(0, 255)}.{c.number(1, 254)}", "road": lambda c: f"{c.any('ABMN')}{c.number(1, 99)}",
    "cell": lambda c: f"{c.any('ABCDEFGHKM')}{c.number(1, 120)}",
    "handle": lambda c: f"{c.any(['@', '', '#'])}{c.made_up(capital=False)}{c.any(['', c.number(1, 99)])}",
}


def owned(make):
    return lambda c: c.until_owned(lambda: make(c))


MAKERS = {name: owned(make) for name, make in KINDS.items()}

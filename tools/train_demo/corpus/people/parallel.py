"""How people ask for several things at once, for training alone. Data only."""

# Two values in the place of one; {p} is the preposition before that place, where there is one.
ROWS = [
    "{a}, {b}", "{a} & {b}", "{a} + {b}", "{a} / {b}", "{a}/{b}", "{a} as well as {b}", "{a} plus {b}", "{a}, {b} too",
    "{a} and then {b}", "{a}, then {b}", "first {a}, then {b}", "both {a} and {b}", "{a} followed by {b}", "{a} and of course {b}",
    "{a}, and {b} too", "{a} and, while you are at it, {b}", "{a} together with {b}", "{a} and maybe {b} as well", "{a}, {b} - both of them",
    "{a} and afterwards {b}", "{a}, also {b}", "{a} and finally {b}", "{a}, plus {b}", "{a} and secondly {b}",
    "not only {a} but also {b}", "{a} n {b}", "these two: {a}, {b}", "{a} and additionally {b}", "{a} along with {b}",
    "{a}, and yes, {b} too", "{a} first and {b} second",
]
PREPOSITION_ROWS = [
    "{a} and {p}{b}", "{a} and also {p}{b}", "{a}, {p}{b}", "{a} and then {p}{b}", "{a} as well as {p}{b}", "{a} and, separately, {p}{b}", "{a}, and {p}{b} too",
    "{a} and again {p}{b}", "{a} but also {p}{b}", "{a}, then {p}{b}", "{a} plus {p}{b}", "{a} and finally {p}{b}",
]
MANY_ROWS = ["{start}, {b}", "{start} and finally {b}", "{start} plus {b}", "{start} & {b}", "{start}, then {b}",
             "{start} and last {b}", "all of these: {start}, {b}", "{start} as well as {b}", "{start}; {b}", "{start} and, last but not least, {b}",
             "the following: {start}, {b}", "{start}, {b} - all of them"]
# Two groups of values, "5 miles to yards" and "2 feet to inches", in the place of one.
GROUPS = ["{a}, {b}", "{a} plus {b}", "{a} as well as {b}", "{a}; {b}", "{a} and then {b}", "{a} & {b}", "{a}, then {b}", "{a}, plus {b}", "{a} / {b}",
          "{a} and afterwards {b}", "{a}, also {b}", "{a} and additionally {b}", "{a}, and finally {b}", "{a} and on top of that {b}"]
# A question with its first value, {q} as it is and {t} without its mark; {o} are the other values.
FOLLOW = [
    "{q} Same for {o}.", "{q} And the same for {o}, please.", "{q} {o} too.", "{q} {o} as well, please.", "{t}, and the same for {o}.",
    "{q} Then the same with {o}.", "{q} Also {o}.", "{q} And then do {o}.", "{q} After that {o}, please.", "{t} and do the same for {o}", "{q} Oh, {o} too!",
    "{q} Likewise {o}.", "{q} Ditto for {o}.", "{q}\n{o} too", "{q}\nSame thing: {o}", "{q} Not just that one, {o} too.", "{q} I need that for {o} as well.",
    "{q} What about {o}?", "{q} And how about {o}?", "{t}; same for {o}", "{t} - and the same with {o}", "{q} I'd like the same for {o}.", "{q} Repeat it for {o}.",
    "{q} Once more with {o}.", "{q} Another one: {o}.", "{q} Please also {o}.", "{q} My friend wants that for {o} too.", "{q} Do {o} next.",
    "{q} And now again for {o}.", "{q} Exactly the same with {o}.", "{q} I forgot {o}, same thing there.", "{q} + {o}", "{q} Plus {o}.", "{q} {o} likewise.",
    "{q} Could you do that for {o}, too?", "{q} And while you are there: {o}.", "{q} Include {o}.", "{q} And {o} also, thanks.", "{q} Then {o}.",
    "{q} The next one is {o}.", "{q} Don't leave out {o}.", "{q} {o}, same question.", "{q} Equally for {o}.", "{q} It should be done for {o} too.",
]
PREPOSITION_FOLLOW = [
    "{q} And {p}{o}?", "{q} And {p}{o}, please.", "{t}, and {p}{o}?", "{q} What about {p}{o}?", "{q} Also {p}{o}.", "{q} And then {p}{o}?", "{q} Same question {p}{o}.",
    "{q} And {p}{o} as well?", "{q} {p}{o} too, please.", "{t} and then again {p}{o}", "{q} And how is it {p}{o}?",
]
# Two requests: {a} the first and {A} the same with its mark, {s} with a small letter; {x} the second with a small letter, {y} with
# a capital one, {X} and {Y} with their marks.
JOINTS = [
    "{A} Also, {X}", "{A} Then {X}", "{A} {Y}", "{A}\n{Y}", "{A}\n\n{Y}", "{a}; {X}",
    "{a}, then {X}", "{a} and then {X}", "{A} One more thing: {X}", "{A} While you are at it: {X}", "{A} While you're at it, {X}",
    "{A} Another thing: {X}", "{A} Secondly: {X}", "{A} And second: {X}", "{A} And one more: {X}", "{A} Also this: {X}", "{A} By the way, {X}",
    "{A} Besides that, {X}", "{A} Apart from that: {X}", "{A} Separately: {X}", "{A} On another note, {X}", "{A} Different topic: {X}",
    "{A} And something else: {X}", "{A} When you are done: {X}", "{A} When that's finished, {X}", "{A} As soon as you have that, {X}", "{A} Afterwards: {X}",
    "{A} After that: {X}", "{A} Right after that: {X}", "{A} Straight afterwards, {X}", "{A} At the same time: {X}", "{A} In the meantime, {X}",
    "{A} Meanwhile: {X}", "{A} In parallel: {X}", "{A} Before I forget: {X}", "{A} I nearly forgot: {X}", "{A} P.S. {Y}", "{A} PS: {X}", "{A}\n\nPS: {Y}",
    "1. {A}\n2. {Y}", "1) {A}\n2) {Y}", "1: {a}, 2: {x}", "(a) {a} (b) {x}", "- {A}\n- {Y}", "* {a}\n* {y}", "• {A}\n• {Y}", "[ ] {a}\n[ ] {y}",
    "First: {s}. Second: {X}", "First things first: {s}. Then: {X}", "First of all: {s}. After that: {X}", "One: {a}. Two: {y}.", "Number one: {s}. Number two: {X}",
    "Two things. {A} {Y}", "Two things, please: {s}, and {X}", "I have two requests. {A} {Y}", "I've got two questions for you. {A} {Y}", "Can you do two things? {A} {Y}",
    "Two jobs for you:\n{A}\n{Y}", "A couple of things: {s}; {X}", "Please handle both: {s} / {x}", "My list for today: {s}, {x}", "To do:\n- {a}\n- {x}",
    "Dear assistant,\n{s}. Besides, {X}\nRegards", "Hi,\n\n{A}\n\n{Y}\n\nThanks!", "Hello,\n{A}\n{Y}\nBest wishes", "Hi there, two questions:\n{A}\n{Y}",
    "Good morning! {A} {Y}", "Hey! {A} Also, {X}", "{A} Oh, one more: {X}", "{A} Ah, and {X}", "{A} And yes, {X}", "{A} Thanks! And now: {X}",
    "{A} Thank you. Now this: {X}", "{A} Good. Next, {X}", "{A} That's the first thing. The second: {X}", "{A} That was number one. Number two: {X}",
    "{A} Additionally: {X}", "{A} As a second step: {X}", "{A} The other thing is this: {X}", "{A} I also have this: {X}", "{A} And now for something else: {X}",
    "{A} Then there is this: {X}", "{A} Last thing: {X}", "{A} Finally: {X}", "{a}, plus {X}", "{a} + {x}", "{a} | {x}",
    "{a} // {x}", "{a} >> {x}", "{A} ({Y})", "{A} // {Y}", "{A} -- {Y}", "{A}\n---\n{Y}", "{A}\n\nThen:\n{Y}", "Task 1: {a}\nTask 2: {y}", "Step 1: {a}\nStep 2: {y}",
    "a) {a}\nb) {y}", "i) {a} ii) {x}", "Firstly, {s}. Secondly, {X}", "To start with: {s}. And: {X}", "Both of these, please:\n{A}\n{Y}", "{A} I want a second thing: {X}",
    "{A} Same breath: {X}", "{A} Could you look at this too? {Y}", "{A} Can I ask something else? {Y}", "{A} Another question: {X}", "{A} Another request: {X}",
    "I need help twice. {A} {Y}", "Busy day! {A} {Y}", "{A} Once you have done that: {X}", "{A} And in addition: {X}", "{A} On top: {X}", "{A} For later: {X}",
]
# Three requests, each with its mark.
THREE = [
    "{A}\n{B}\n{C}", "{A} {B} {C}", "1. {A}\n2. {B}\n3. {C}", "1) {A} 2) {B} 3) {C}", "- {A}\n- {B}\n- {C}", "* {A}\n* {B}\n* {C}", "First: {A} Second: {B} Third: {C}",
    "{A} Then: {B} And finally: {C}", "{A} After that: {B} Last: {C}", "Three things: {A} {B} {C}", "Three things, please.\n{A}\n{B}\n{C}", "a) {A}\nb) {B}\nc) {C}",
    "{A} Also: {B} And: {C}", "Hi,\n\n{A}\n{B}\n{C}\n\nThanks", "{A}\n\n{B}\n\n{C}", "{A} And {b} And {c}", "{A} Next, {b} At the end, {c}", "To do today:\n{A}\n{B}\n{C}",
    "{A} By the way, {b} And one last thing: {c}", "Good morning! {A} {B} {C} Thank you!", "{A} Besides, {b} And before I forget: {c}", "Step 1: {A} Step 2: {B} Step 3: {C}",
]
# The second request begins with a verb.
ORDER_JOINTS = [
    "{A} Could you also {X}", "{A} Can you also {x}?", "{A} And would you {x}?", "{A} Then please {X}", "{A} Please also {X}", "{A} I'd also like you to {X}",
    "{A} You can also {X}", "{A} I also want you to {X}", "{A} Afterwards, please {X}", "{A} And don't forget to {X}", "{A} After that I need you to {X}",
    "{A} And could you please {x}?", "{a} and please {X}", "{A} Would you also {x}?", "{A} And if you have a second, {X}", "{A} Be so kind as to also {X}",
    "{A} It would be nice if you could also {X}", "{A} You should also {X}", "{A} Next, please {X}", "{A} Make sure to {X}", "{A} Feel free to {x} as a second step.",
    "{A} And let's {X}", "{A} Then go on and {X}", "{A} Go on and {X}", "{A} And quickly {X}", "{A} The second thing is to {X}", "{A} I need you to {X}",
]
ORDERS = set("""add answer announce archive ask assign back block book bring call cancel change check clean close commit compress compute convert copy correct
count create delete deploy detect dim divide do download draw drop duplicate erase express fetch file filter find fix format forward get give go grep
help hide install invite jot label let list load lock log look make mark measure merge message move multiply mute note open order pack park pay phone
pick pin ping place plan play plot post print proofread pull push put query react read record redirect remind remove rename renew repeat reply report
reschedule reserve reset respond restart restore roll run save say scale schedule search see sell send set share ship shorten show shift sign silence
snooze split start stop subscribe subtract switch take tell text tick transfer translate turn undo unlock update upload use wake water write zip""".split())
# Kinds of values that a request can name in a row, besides those of the other tools.
KINDS = ["email", "language", "file", "folder", "url", "host", "branch", "company", "handle", "subject", "appointment", "stop", "team", "flight",
         "grocery", "medicine", "car", "plant", "animal", "device", "room", "sport", "currency", "venue", "band", "cuisine", "symptom", "date",
         "version", "food", "title", "petname", "want", "exercise",
         "department", "skill", "ip", "road", "plate", "book", "job", "place", "search"]

"""Word lists. Data only; which words a split may use is decided in chooser.py."""

FIRST_NAMES = """
Ana Ben Carla David Elena Felix Grace Hugo Ines Jonas Karin Leo Maria Nico Olga Paul Rosa Simon Tina Victor Wanda
Adam Alba Alice Amir Anders Andrea Anton Arthur Aisha Beatriz Bruno Cecilia Chen Clara Daniel Daria Diego Dora Edgar
Emil Emma Erik Esther Eva Fatima Finn Fiona Florian Frida Gabriel Gina Gloria Hanna Harry Hassan Helen Henrik Ida
Igor Irene Isabel Ivan Jack Jana Javier Jenny Joan Johan Julia Kai Kate Kenji Kim Klara Lara Laura Lena Linda Lisa
Lucas Lucia Lukas Luna Magda Marco Mark Marta Martin Mateo Max Mei Mia Milan Mina Mona Nadia Nina Noah Nora Omar
Oscar Otto Pablo Pedro Petra Pia Quentin Rachel Rafael Raj Rita Robert Ruth Sam Sara Sofia Stefan Sven Tanja Theo
Thomas Tom Ursula Vera Walter Xenia Yara Yusuf Zoe Agnes Boris Celia Dario Edith Farid Gerda Heidi Ilse Jorge Kofi
Livia Miguel Naomi Oliver Priya Rolf Selma Tariq Uma Vito Wilma Yuki Zara Amina Bela Carmen Dalia Enzo Flora Greta
""".split()

SURNAMES = """
Smith Garcia Muller Rossi Tanaka Novak Silva Dubois Jensen Kowalski Brown Lopez Weber Ricci Sato Horvat Costa Moreau
Larsen Nowak Clark Torres Fischer Romano Suzuki Ivanov Pereira Laurent Hansen Baker Ruiz Wagner Bruno Kimura Popov
Santos Bernard Nilsson Cooper Vega Becker Conti Mori Petrov Rocha Girard Berg Turner Molina Hoffmann Greco Ito
Sokolov Alves Fontaine Lindberg Parker Ortega Keller Marino Ueda Orlov Ramos Leroy Dahl Hughes Campos Vogel Gallo
Okada Volkov Duarte Blanc Holm Foster Navarro Lang Serra Endo Zhukov Pinto Garnier Strand Mason Prieto Winter Riva
""".split()

CITIES = [c.strip() for c in """
Paris, Rome, Berlin, Madrid, London, Vienna, Lisbon, Dublin, Athens, Oslo, Tokyo, Lima, Cairo, Delhi, Seoul, Boston,
Chicago, Denver, Seattle, Miami, Toronto, Montreal, Vancouver, Sydney, Perth, Auckland, Munich, Hamburg, Cologne,
Leipzig, Milan, Naples, Turin, Venice, Florence, Seville, Valencia, Bilbao, Granada, Porto, Lyon, Nice, Lille,
Bordeaux, Geneva, Zurich, Basel, Prague, Brno, Warsaw, Krakow, Budapest, Bucharest, Sofia, Zagreb, Split, Belgrade,
Helsinki, Turku, Stockholm, Uppsala, Malmo, Bergen, Copenhagen, Aarhus, Riga, Vilnius, Tallinn, Kyiv, Odessa,
Istanbul, Ankara, Izmir, Tunis, Rabat, Fez, Algiers, Nairobi, Accra, Lagos, Dakar, Cape Town, Pretoria, Mumbai,
Chennai, Kolkata, Dhaka, Karachi, Lahore, Bangkok, Hanoi, Manila, Jakarta, Singapore, Osaka, Kyoto, Nagoya, Sapporo,
Beijing, Shanghai, Wuhan, Taipei, Busan, Bogota, Quito, Caracas, Santiago, Cusco, Montevideo, Buenos Aires, Rosario,
Sao Paulo, Recife, Salvador, Havana, Panama City, San Jose, Mexico City, Puebla, New York, Los Angeles, San Diego,
Austin, Dallas, Houston, Portland, Phoenix, Atlanta, Detroit, Calgary, Ottawa, Quebec, Halifax, Glasgow, Edinburgh,
Cardiff, Belfast, Leeds, York, Bath, Oxford, Cambridge, Bristol, Ghent, Bruges, Antwerp, Brussels, Utrecht,
Rotterdam, Amsterdam, Leiden, Bern, Graz, Linz, Salzburg, Malaga, Cordoba, Toledo, Palermo, Bari, Verona, Pisa
""".replace("\n", " ").split(",")]

COUNTRIES = [c.strip() for c in """
France, Italy, Germany, Spain, Portugal, Ireland, Greece, Norway, Sweden, Finland, Denmark, Poland, Austria, Japan,
Peru, Egypt, India, Korea, Canada, Mexico, Brazil, Chile, Cuba, Kenya, Ghana, Turkey, China, Vietnam, Iceland, Nepal
""".replace("\n", " ").split(",")]

NOUNS = """
table lamp book chair room car bike train ticket flight hotel garden fence wall door window bridge boat ship song
movie photo letter parcel invoice order account report meeting event note task reminder alarm timer list file folder
server backup robot engine motor sensor camera printer screen phone radio clock watch bottle cup plate knife spoon
bread cake soup pizza salad apple banana lemon orange cherry carrot potato onion tomato rice coffee tea milk juice
dog cat horse cow sheep goat bird fish rabbit mouse lion tiger bear wolf fox snake frog spider bee tree flower rose
river lake mountain forest beach island desert valley village market shop school museum theater library station
airport harbor tower castle temple church palace office kitchen roof floor box bag basket bucket rope chain hammer
nail saw drill brush paint ladder wheel tire tent blanket pillow carpet curtain mirror candle shirt jacket coat hat
shoe sock glove scarf ring necklace coin stamp map compass guitar piano violin drum flute puzzle game ball kite
recipe contract license passport course lesson exam student teacher doctor patient driver guest customer member
team project budget ticketing voucher coupon badge sticker poster banner channel playlist album track podcast
article chapter poem story diary survey forecast measurement sample crate pallet shelf drawer locker valve pump
""".split()

VERBS = """
book order find send create open close start stop check update delete add remove show list print scan copy move
save load lock unlock clean paint build repair sell buy rent measure count sort reserve cancel schedule plan assign
track ship deliver return collect inspect test record play pause share publish archive export import translate
review approve reject rename resize rotate mix cook bake wash dry fold pack seal label weigh charge refill replace
register enroll invite notify call book_now search fetch get set compute estimate compare convert merge split draw
""".split()
VERBS = [v for v in VERBS if v != "book_now"]

ADJECTIVES = """
red blue green yellow white black small large big tiny old new fast slow heavy light warm cold soft hard round flat
long short tall deep quiet loud bright dark clean dirty dry wet sweet sour fresh empty full strong weak happy sad
brave calm clever gentle honest kind lazy polite proud quick shy wise young golden silver wooden plastic simple
""".split()

COLORS = "red blue green yellow white black orange purple pink brown gray silver golden violet turquoise beige".split()
FRUITS = """apples pears plums grapes figs lemons oranges bananas cherries peaches mangos melons carrots onions potatoes
tomatoes eggs nuts beans cookies""".split()
JOBS = """teacher doctor nurse baker driver painter singer writer lawyer farmer pilot cook dentist engineer plumber
gardener tailor librarian carpenter journalist chemist sailor butcher waiter architect""".split()
PETS = "dog cat horse rabbit parrot hamster turtle goldfish canary pony goat duck".split()
LANGUAGES = """English Spanish French German Italian Portuguese Japanese Chinese Korean Arabic Hindi Russian Greek
Polish Dutch Swedish Turkish Czech""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
TOPICS = [t.strip() for t in """
the weekly plan, the new budget, summer holidays, the school trip, the garden party, our next meeting, the team lunch,
the broken printer, the train times, the concert tickets, the lost keys, the final report, the holiday photos,
the birthday cake, the open bill, the rent, the piano lesson, the chess club, the night shift, the spare parts,
the user manual, the price list, the test results, the winter coats, the morning run, the book club, the door code,
the delivery date, the parking space, the old bridge, solar panels, electric cars, healthy food, jazz music,
ancient history, space travel, cheap flights, deep learning, bird watching, mountain bikes, organic farming,
water quality, famous painters, volcanoes, coral reefs, paper planes, medieval castles, board games, street food
""".replace("\n", " ").split(",")]
MESSAGES = [m.strip() for m in """
I will be late, see you tomorrow, the door is open, dinner is ready, call me back, the train is late, happy birthday,
the meeting is moved, thank you for the gift, good luck today, the parcel is here, we need more milk, all is well,
please bring the keys, I am on my way, the report is done, the shop is closed, wait for me, come home soon,
the test went well, do not forget the tickets, lunch is at noon, the server is down, the water is cold,
the lights are on, we won the game, the car is ready, please send the file, have a nice day, the room is booked
""".replace("\n", " ").split(",")]

# Parameter names by the kind of value they take.
STRING_PARAMS = {
    "name": "person", "customer": "person", "owner": "person", "guest": "person", "user": "person", "sender": "person",
    "recipient": "person", "driver": "person", "assignee": "person", "author": "person", "contact": "person",
    "city": "city", "location": "city", "destination": "city", "origin": "city", "place": "city", "town": "city",
    "country": "country", "language": "language", "color": "color", "day": "day", "month": "month",
    "topic": "topic", "subject": "topic", "title": "topic", "query": "topic", "message": "message", "text": "message",
    "note": "message", "comment": "message", "code": "code", "id": "code", "reference": "code", "key": "code",
    "item": "noun", "product": "noun", "object": "noun", "material": "noun", "category": "noun", "tag": "word",
    "label": "word", "brand": "word", "model": "word", "project": "word", "channel": "word", "branch": "word",
    "email": "email", "date": "date", "time": "time", "street": "street", "path": "path",
}
INTEGER_PARAMS = """count amount days hours minutes seconds year floor size age quantity limit number page width height
copies seats level port index nights pieces rounds pages people retries""".split()
NUMBER_PARAMS = """price weight distance temperature speed length ratio volume score rate depth radius budget discount
latitude longitude tax power""".split()
BOOLEAN_PARAMS = """urgent public verbose active recursive private express insured silent repeat dry_run notify
confirmed visible shared""".split()
ENUM_PARAMS = {
    "unit": ["celsius", "fahrenheit"], "priority": ["low", "medium", "high"], "size": ["small", "medium", "large"],
    "format": ["json", "csv", "xml"], "mode": ["fast", "normal", "careful"], "order": ["ascending", "descending"],
    "level": ["beginner", "advanced", "expert"], "status": ["open", "closed", "waiting"],
    "scale": ["metric", "imperial"], "payment": ["cash", "card", "invoice"], "quality": ["draft", "standard", "best"],
    "period": ["day", "week", "month", "year"], "direction": ["north", "south", "east", "west"],
    "side": ["left", "right"], "class": ["economy", "business"], "theme": ["light", "dark"],
    "roast": ["mild", "strong"], "season": ["spring", "summer", "autumn", "winter"],
}
SYLLABLES = """ba be bi bo bu ca co da de di do du fa fe fi fo ga ge go gu ha he hi ho ja jo ka ke ki ko ku la le li lo
lu ma me mi mo mu na ne ni no nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we wi xa xo
ya yo za ze zi zo zu bran dor fel gran hul jin kal lor mip nax or plen quil rud sten trom ul vex win yar zor ath bler
cron dax ev flim gorn hesk ix jul kren lim""".split()
ENDINGS = "n r s l t x k m p d ra na lo mi vik dor fen lin tas mon bel".split()

"""Facts the demo model learns. Data only: true statements with one canonical wording each.

TABLES hold facts of one pattern: (answer template, question templates, {x: y}, short reasoning about x).
SINGLES hold facts of their own: (answer, questions). In a list of questions the last ones are held out.
"""

CAPITALS = {
    "France": "Paris", "Spain": "Madrid", "Italy": "Rome", "Germany": "Berlin", "Portugal": "Lisbon",
    "the United Kingdom": "London", "Ireland": "Dublin", "Austria": "Vienna", "Greece": "Athens", "Norway": "Oslo",
    "Sweden": "Stockholm", "Finland": "Helsinki", "Denmark": "Copenhagen", "Iceland": "Reykjavik", "Poland": "Warsaw",
    "Hungary": "Budapest", "Romania": "Bucharest", "Bulgaria": "Sofia", "Croatia": "Zagreb", "Serbia": "Belgrade",
    "Belgium": "Brussels", "Switzerland": "Bern", "Czechia": "Prague", "Ukraine": "Kyiv", "Russia": "Moscow",
    "Turkey": "Ankara", "Egypt": "Cairo", "Morocco": "Rabat", "Tunisia": "Tunis", "Kenya": "Nairobi",
    "Ghana": "Accra", "Ethiopia": "Addis Ababa", "Nigeria": "Abuja", "Senegal": "Dakar", "Japan": "Tokyo",
    "China": "Beijing", "South Korea": "Seoul", "Thailand": "Bangkok", "Vietnam": "Hanoi", "Indonesia": "Jakarta",
    "India": "New Delhi", "Pakistan": "Islamabad", "Nepal": "Kathmandu", "Iran": "Tehran", "Iraq": "Baghdad",
    "Australia": "Canberra", "New Zealand": "Wellington", "Canada": "Ottawa", "the United States": "Washington",
    "Mexico": "Mexico City", "Cuba": "Havana", "Peru": "Lima", "Chile": "Santiago", "Argentina": "Buenos Aires",
    "Brazil": "Brasília", "Colombia": "Bogotá", "Ecuador": "Quito", "Venezuela": "Caracas", "Uruguay": "Montevideo",
}
CAPITAL_QUESTIONS = [
    "What is the capital of {x}?", "Which city is the capital of {x}?", "Tell me the capital of {x}.",
    "Capital of {x}?", "Do you know the capital of {x}?", "What is the name of the capital of {x}?",
    "Can you tell me what the capital of {x} is?", "I need the capital of {x}.", "What city is {x}'s capital?",
    "What's the capital of {x}?", "Which city serves as the capital of {x}?", "Name the capital of {x}.",
]
SYMBOLS = {
    "hydrogen": "H", "helium": "He", "carbon": "C", "nitrogen": "N", "oxygen": "O", "sodium": "Na",
    "magnesium": "Mg", "aluminium": "Al", "silicon": "Si", "sulfur": "S", "chlorine": "Cl", "potassium": "K",
    "calcium": "Ca", "iron": "Fe", "copper": "Cu", "zinc": "Zn", "silver": "Ag", "tin": "Sn", "gold": "Au",
    "mercury": "Hg", "lead": "Pb", "uranium": "U", "nickel": "Ni", "neon": "Ne", "iodine": "I",
}
SYMBOL_QUESTIONS = [
    "What is the chemical symbol of {x}?", "What is the symbol for {x}?", "Which chemical symbol does {x} have?",
    "Tell me the chemical symbol of {x}.", "Chemical symbol of {x}?", "What symbol stands for {x} in chemistry?",
    "How is {x} written in chemistry?", "Name the chemical symbol of {x}.",
]
AUTHORS = {
    "Don Quixote": "Miguel de Cervantes", "Hamlet": "William Shakespeare", "Macbeth": "William Shakespeare",
    "War and Peace": "Leo Tolstoy", "Anna Karenina": "Leo Tolstoy", "Faust": "Johann Wolfgang von Goethe",
    "The Divine Comedy": "Dante Alighieri", "The Odyssey": "Homer", "Pride and Prejudice": "Jane Austen",
    "Emma": "Jane Austen", "Oliver Twist": "Charles Dickens", "Great Expectations": "Charles Dickens",
    "Moby-Dick": "Herman Melville", "Frankenstein": "Mary Shelley", "Dracula": "Bram Stoker",
    "Crime and Punishment": "Fyodor Dostoevsky", "The Trial": "Franz Kafka", "Ulysses": "James Joyce",
    "The Little Prince": "Antoine de Saint-Exupéry", "Les Miserables": "Victor Hugo", "Madame Bovary":
    "Gustave Flaubert", "Nineteen Eighty-Four": "George Orwell", "Animal Farm": "George Orwell",
    "The Hobbit": "J. R. R. Tolkien", "One Hundred Years of Solitude": "Gabriel García Márquez",
    "Robinson Crusoe": "Daniel Defoe", "Gulliver's Travels": "Jonathan Swift", "Treasure Island":
    "Robert Louis Stevenson", "The Time Machine": "H. G. Wells", "Around the World in Eighty Days": "Jules Verne",
    "Jane Eyre": "Charlotte Brontë", "Wuthering Heights": "Emily Brontë", "The Jungle Book": "Rudyard Kipling",
    "Pinocchio": "Carlo Collodi", "The Metamorphosis": "Franz Kafka",
}
AUTHOR_QUESTIONS = [
    "Who wrote {x}?", "Who is the author of {x}?", "Which writer wrote {x}?", "Tell me who wrote {x}.",
    "By whom was {x} written?", "Do you know who wrote {x}?", "{x}: who wrote it?", "Who was the author of {x}?",
    "Which author wrote {x}?", "Name the author of {x}.",
]
ARTISTS = {
    "the Mona Lisa": "painted by Leonardo da Vinci", "Guernica": "painted by Pablo Picasso",
    "The Starry Night": "painted by Vincent van Gogh", "Las Meninas": "painted by Diego Velázquez",
    "The Scream": "painted by Edvard Munch", "The Night Watch": "painted by Rembrandt",
    "Girl with a Pearl Earring": "painted by Johannes Vermeer", "the statue of David": "carved by Michelangelo",
    "The Four Seasons": "composed by Antonio Vivaldi", "The Magic Flute": "composed by Wolfgang Amadeus Mozart",
    "the Ninth Symphony with the Ode to Joy": "composed by Ludwig van Beethoven",
    "Swan Lake": "composed by Pyotr Tchaikovsky", "Aida": "composed by Giuseppe Verdi",
    "Carmen": "composed by Georges Bizet", "the Sagrada Familia": "designed by Antoni Gaudí",
}
ARTIST_QUESTIONS = [
    "Who made {x}?", "Who created {x}?", "Who is the artist behind {x}?", "Tell me who created {x}.",
    "Do you know who made {x}?", "Who is the maker of {x}?", "Which artist created {x}?", "Name the artist of {x}.",
]
DISCOVERIES = {
    "penicillin": "discovered by Alexander Fleming", "radium": "discovered by Marie and Pierre Curie",
    "the law of gravity": "formulated by Isaac Newton", "the theory of relativity": "developed by Albert Einstein",
    "the telephone": "patented by Alexander Graham Bell", "the printing press with movable type in Europe":
    "invented by Johannes Gutenberg", "dynamite": "invented by Alfred Nobel",
    "the theory of evolution by natural selection": "proposed by Charles Darwin",
    "X-rays": "discovered by Wilhelm Röntgen", "the periodic table": "published by Dmitri Mendeleev",
    "the moons of Jupiter": "discovered by Galileo Galilei", "the electron": "discovered by J. J. Thomson",
    "the neutron": "discovered by James Chadwick", "the World Wide Web": "invented by Tim Berners-Lee",
    "the first vaccine against smallpox": "developed by Edward Jenner", "the electric battery":
    "invented by Alessandro Volta", "the laws of planetary motion": "found by Johannes Kepler",
    "the laws of inheritance": "found by Gregor Mendel", "the planet Uranus": "discovered by William Herschel",
    "the C programming language": "designed by Dennis Ritchie", "the C++ programming language":
    "designed by Bjarne Stroustrup", "the Python programming language": "created by Guido van Rossum",
    "the Linux kernel": "started by Linus Torvalds", "the equations of electromagnetism":
    "written by James Clerk Maxwell", "oxygen": "discovered by Carl Wilhelm Scheele and Joseph Priestley",
}
DISCOVERY_QUESTIONS = [
    "Who discovered or invented {x}?", "Who is known for {x}?", "Who gave us {x}?", "Who came up with {x}?",
    "Tell me who is behind {x}.", "Who stands behind {x}?", "Which person is known for {x}?", "Who do we owe {x} to?",
]
YEARS = {
    "World War I began": "1914", "World War I ended": "1918", "World War II began": "1939", "World War II ended":
    "1945", "the French Revolution began": "1789", "Columbus reached America": "1492", "the Berlin Wall fell": "1989",
    "the first humans landed on the Moon": "1969", "the Titanic sank": "1912", "Constantinople fell to the Ottomans":
    "1453", "the United States declared independence": "1776", "Don Quixote was first published": "1605",
    "the Battle of Waterloo was fought": "1815", "the Eiffel Tower was opened": "1889",
    "Yuri Gagarin flew into space": "1961", "the Chernobyl disaster happened": "1986",
    "the Battle of Hastings was fought": "1066", "the Magna Carta was sealed": "1215",
    "the Suez Canal was opened": "1869", "the Panama Canal was opened": "1914", "the euro coins and notes came": "2002",
    "the Russian Revolution happened": "1917", "Cervantes died": "1616", "Mozart was born": "1756",
    "the great fire of London burned": "1666",
}
YEAR_QUESTIONS = [
    "In which year did this happen: {x}?", "Year when {x}?", "In what year was it that {x}?", "When was it that {x}?",
    "Tell me the year when {x}.", "Which year was it when {x}?", "Do you know the year when {x}?",
    "Give me the year in which {x}.",
]
CONTINENTS = {
    "France": "Europe", "Spain": "Europe", "Japan": "Asia", "India": "Asia", "Vietnam": "Asia", "Kenya": "Africa",
    "Egypt": "Africa", "Ghana": "Africa", "Nigeria": "Africa", "Peru": "South America", "Chile": "South America",
    "Brazil": "South America", "Argentina": "South America", "Canada": "North America", "Mexico": "North America",
    "Cuba": "North America", "Norway": "Europe", "Poland": "Europe", "Nepal": "Asia", "Morocco": "Africa",
}
CONTINENT_QUESTIONS = [
    "On which continent is {x}?", "Which continent is {x} on?", "Where is {x}?", "What continent does {x} belong to?",
    "Tell me the continent of {x}.", "{x} is on which continent?", "Name the continent of {x}.",
]
CURRENCIES = {
    "Japan": "yen", "the United Kingdom": "pound sterling", "the United States": "dollar", "Switzerland": "franc",
    "India": "rupee", "China": "yuan", "Mexico": "peso", "Brazil": "real", "Poland": "zloty", "Sweden": "krona",
    "Germany": "euro", "Spain": "euro", "Turkey": "lira", "South Korea": "won", "Thailand": "baht",
}
CURRENCY_QUESTIONS = [
    "What is the currency of {x}?", "Which currency is used in {x}?", "What money is used in {x}?",
    "Tell me the currency of {x}.", "Currency of {x}?", "How do people pay in {x}?", "Name the currency of {x}.",
]
YOUNG = {
    "dog": "puppy", "cat": "kitten", "cow": "calf", "horse": "foal", "sheep": "lamb", "goat": "kid", "pig": "piglet",
    "chicken": "chick", "duck": "duckling", "bear": "cub", "deer": "fawn", "frog": "tadpole", "goose": "gosling",
    "swan": "cygnet", "kangaroo": "joey",
}
YOUNG_QUESTIONS = [
    "What is a young {x} called?", "What do you call a baby {x}?", "What is the young of a {x} called?",
    "How do you call a young {x}?", "Tell me the word for a young {x}.", "Name the word for a baby {x}.",
]
LEGS = {
    "spider": "eight", "bee": "six", "ant": "six", "dog": "four", "horse": "four", "cat": "four", "bird": "two",
    "butterfly": "six", "frog": "four", "snake": "no",
}
LEG_QUESTIONS = [
    "How many legs does a {x} have?", "How many legs has a {x}?", "What is the number of legs of a {x}?",
    "Tell me how many legs a {x} has.", "A {x} has how many legs?",
]
SPANISH_WORDS = {
    "house": "casa", "dog": "perro", "cat": "gato", "water": "agua", "bread": "pan", "book": "libro", "sun": "sol",
    "moon": "luna", "red": "rojo", "green": "verde", "table": "mesa", "friend": "amigo", "milk": "leche",
    "tree": "árbol", "street": "calle",
}
SPANISH_QUESTIONS = [
    "What is the Spanish word for {x}?", "How do you say {x} in Spanish?", "Translate {x} into Spanish.",
    "What does {x} mean in Spanish?", "Tell me the Spanish word for {x}.", "Give me the Spanish word for {x}.",
]
# name -> (answer template, question templates, table, what the user asks for)
TABLES = {
    "capital": ("The capital of {x} is {y}.", CAPITAL_QUESTIONS, CAPITALS, "the capital of {x}"),
    "symbol": ("The chemical symbol of {x} is {y}.", SYMBOL_QUESTIONS, SYMBOLS, "the symbol of {x}"),
    "author": ("{x} was written by {y}.", AUTHOR_QUESTIONS, AUTHORS, "the author of {x}"),
    "artist": ("{x} was {y}.", ARTIST_QUESTIONS, ARTISTS, "the artist of {x}"),
    "discovery": ("{x} was {y}.", DISCOVERY_QUESTIONS, DISCOVERIES, "the person behind {x}"),
    "year": ("It was in {y} that {x}.", YEAR_QUESTIONS, YEARS, "the year when {x}"),
    "continent": ("{x} is in {y}.", CONTINENT_QUESTIONS, CONTINENTS, "the continent of {x}"),
    "currency": ("The currency of {x} is the {y}.", CURRENCY_QUESTIONS, CURRENCIES, "the currency of {x}"),
    "young": ("A young {x} is called a {y}.", YOUNG_QUESTIONS, YOUNG, "the word for a young {x}"),
    "legs": ("A {x} has {y} legs.", LEG_QUESTIONS, LEGS, "the number of legs of a {x}"),
    "spanish": ('The Spanish word for {x} is "{y}".', SPANISH_QUESTIONS, SPANISH_WORDS, "the Spanish word for {x}"),
}
PLURAL_X = {"X-rays", "the moons of Jupiter", "the laws of planetary motion", "the laws of inheritance",
            "the equations of electromagnetism", "The Four Seasons"}

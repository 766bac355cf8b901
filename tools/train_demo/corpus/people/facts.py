"""Single facts (facts_single.py) as people ask for them: for training alone. Data only. ASKED is as in chat.py."""

ASKED = {
    "What is the largest planet?": [
        "largest planet?", "biggest planet", "Which is the biggest of the planets?", "Of all planets, which is the largest?", "Name the largest planet.",
        "Which planet has the greatest size?", "What planet is bigger than all others?", "My son asks which planet is the biggest.",
    ],
    "What is the smallest planet?": [
        "smallest planet?", "tiniest planet", "Which is the smallest of the planets?", "Of the eight planets, which is the smallest?",
        "Name the smallest planet.", "Which planet has the least size?",
    ],
    "Which planet is closest to the Sun?": [
        "planet closest to the sun?", "Which planet is next to the Sun?", "The planet nearest the Sun is which?", "What planet comes first after the Sun?",
        "Name the planet that is closest to the Sun.", "Which planet circles nearest to the Sun?",
    ],
    "What is the hottest planet?": [
        "hottest planet?", "On which planet is it hottest?", "Name the hottest planet.", "Where in the solar system is it hottest, on which planet?",
        "Which planet is the warmest?", "The hottest of the planets?",
    ],
    "Which planet is called the red planet?": [
        "red planet?", "the red planet is which one?", "Which planet looks red?", "Which planet do people call red?", "Name the red planet.",
        "They speak of a red planet. Which is it?",
    ],
    "Which planet has large rings?": [
        "planet with rings?", "Which is the planet with the rings?", "Name the planet with the large rings.", "I saw a planet with rings. Which one was it?",
        "Around which planet are there big rings?",
    ],
    "Which planet is farthest from the Sun?": [
        "planet farthest from the sun?", "Which planet is the most distant from the Sun?", "What is the outermost planet?",
        "Name the planet that is farthest from the Sun.", "Which planet comes last, seen from the Sun?", "What is planet number eight?",
    ],
    "How many planets does the solar system have?": [
        "number of planets?", "planets in the solar system, how many?", "How many planets go around the Sun?", "How many planets circle the Sun?",
        "Count the planets of the solar system.", "I can't recall how many planets there are.", "Are there eight or nine planets?",
    ],
    "What does the Moon go around?": [
        "Around what does the Moon go?", "What does the Moon circle?", "The Moon circles what?", "The Moon goes around which planet?",
        "What does our Moon travel around?", "Tell me what the Moon goes around.",
    ],
    "What is the Sun?": [
        "the sun, what is it?", "Is the Sun a planet?", "What sort of thing is the Sun?", "My child asks what the Sun is.", "Explain what the Sun is.",
        "Tell me what the Sun is.", "The Sun is a what?",
    ],
    "How fast is light?": [
        "speed of light?", "light, how fast?", "How quick is light?", "What speed does light have?", "At which speed does light travel?",
        "How many kilometres does light go in a second?", "How far does light get in one second?", "I need the speed of light for physics.",
    ],
    "How long does sunlight take to reach the Earth?": [
        "How long is sunlight under way to us?", "How long does sunlight need to the Earth?", "After how many minutes does sunlight arrive here?",
        "How old is the sunlight that we see?", "Light leaves the Sun. When does it get here?", "sun to earth, how long does light take?",
    ],
    "What is the highest mountain?": [
        "highest mountain?", "tallest mountain", "What is the highest mountain in the world?", "Which mountain in the world is the tallest?",
        "Name the highest mountain on Earth.", "The highest peak on Earth?", "No mountain is higher than which one?", "Which peak is the highest of all?",
    ],
    "What is the largest ocean?": [
        "largest ocean?", "biggest ocean", "Name the largest ocean.", "Of all oceans, which is the largest?", "Which is the biggest ocean on Earth?",
        "What ocean has the most water?",
    ],
    "What is the largest country?": [
        "largest country?", "biggest country", "Name the largest country in the world.", "Which country has the largest area?",
        "Which country covers the most land?", "No country is larger than which one?",
    ],
    "What is the smallest country?": [
        "smallest country?", "tiniest country", "Name the smallest country.", "Which country has the smallest area?",
        "Which state is the smallest in the world?", "No country is smaller than which one?",
    ],
    "What is the largest continent?": [
        "largest continent?", "biggest continent", "Name the largest continent.", "Of all continents, which is the largest?",
        "Which continent has the largest area?", "What is the biggest of the continents?",
    ],
    "What is the smallest continent?": [
        "smallest continent?", "tiniest continent", "Name the smallest continent.", "Of all continents, which is the smallest?",
        "Which continent has the least land?", "What is the least of the continents in size?",
    ],
    "What is the largest hot desert?": [
        "largest hot desert?", "biggest hot desert", "Name the largest hot desert.", "Of all hot deserts, which is the largest?",
        "Where is the world's biggest hot desert?", "Which one is the largest of the hot deserts?",
    ],
    "What is the largest island?": [
        "largest island?", "biggest island", "Name the largest island on Earth.", "Of all islands, which is the largest?",
        "Which is the biggest island of the world?", "No island is larger than which one?",
    ],
    "Where is the deepest point of the ocean?": [
        "deepest point of the ocean?", "Where is the sea deepest?", "In which trench is the ocean deepest?", "Name the deepest place of the ocean.",
        "Where would I find the deepest spot of the sea?",
    ],
    "What is the deepest lake?": [
        "deepest lake?", "Name the deepest lake.", "Of all lakes, which is the deepest?", "Which lake goes down the deepest?",
        "No lake is deeper than which one?", "World's deepest lake?",
    ],
    "What is the longest river in Europe?": [
        "longest river in europe?", "Name the longest river in Europe.", "Europe's longest river?", "Of all rivers in Europe, which is the longest?",
        "In Europe, which river is the longest?",
    ],
    "What is the longest river in Africa?": [
        "longest river in africa?", "Name the longest river in Africa.", "Africa's longest river?", "Of all rivers in Africa, which is the longest?",
        "In Africa, which river is the longest?",
    ],
    "Which river carries the most water?": [
        "river with the most water?", "Name the river with the most water.", "Which river brings the most water to the sea?",
        "Tell me something about the Amazon.", "What do you know about the Amazon?", "Why is the Amazon special?",
    ],
    "Which river flows through London?": [
        "river in london?", "London's river?", "Which river runs through London?", "London lies on which river?", "Which river do I see in London?",
        "Which river does Tower Bridge cross in London?",
    ],
    "Which river flows through Paris?": [
        "river in paris?", "the river of Paris?", "Which river runs through Paris?", "Paris lies on which river?", "Which river do I see in Paris?",
        "I take a boat in Paris. On which river?",
    ],
    "Which river flows through Rome?": [
        "river in rome?", "Rome's river?", "Which river runs through Rome?", "Rome lies on which river?", "Which river do I see in Rome?",
    ],
    "Which river flows through Vienna?": [
        "river in vienna?", "river in budapest?", "Which river runs through Vienna?", "Which river runs through Budapest?", "Vienna lies on which river?",
        "Budapest lies on which river?", "On which river are Vienna and Budapest?", "What river is in Budapest?",
    ],
    "What is the highest mountain in Africa?": [
        "highest mountain in africa?", "Name the highest mountain in Africa.", "Africa's highest mountain?", "In Africa, which mountain is the highest?",
        "Which is the highest peak in Africa?",
    ],
    "What is the highest mountain in the Alps?": [
        "highest mountain of the alps?", "Name the highest mountain in the Alps.", "Which Alpine mountain is the highest?",
        "In the Alps, which peak is the highest?", "Of all mountains in the Alps, which is the highest?",
    ],
    "Where is the Great Wall?": [
        "great wall, where?", "Where do I find the Great Wall?", "Where was the Great Wall built?", "I want to see the Great Wall. Where must I go?",
        "Tell me where the Great Wall is.", "The Great Wall is where?",
    ],
    "Where is the Eiffel Tower?": [
        "eiffel tower, where?", "Where do I find the Eiffel Tower?", "Where does the Eiffel Tower stand?", "I want to see the Eiffel Tower. Where must I go?",
        "Tell me where the Eiffel Tower is.", "The Eiffel Tower is where?", "To which city do I go for the Eiffel Tower?",
    ],
    "Where is the Colosseum?": [
        "colosseum, where?", "Where do I find the Colosseum?", "Where does the Colosseum stand?", "I want to see the Colosseum. Where must I go?",
        "Tell me where the Colosseum is.", "The Colosseum is where?",
    ],
    "Where are the pyramids of Giza?": [
        "pyramids of giza, where?", "Where do I find the pyramids of Giza?", "Where do the pyramids of Giza stand?",
        "I want to see the pyramids of Giza. Where must I go?", "Tell me where the pyramids of Giza are.",
    ],
    "Where is the Taj Mahal?": [
        "taj mahal, where?", "Where do I find the Taj Mahal?", "Where does the Taj Mahal stand?", "I want to see the Taj Mahal. Where must I go?",
        "Tell me where the Taj Mahal is.", "The Taj Mahal is where?",
    ],
    "Where is Machu Picchu?": [
        "machu picchu, where?", "Where do I find Machu Picchu?", "I want to see Machu Picchu. Where must I go?", "Tell me where Machu Picchu is.",
        "Machu Picchu is where?", "In what country lies Machu Picchu?",
    ],
    "Where is the Alhambra?": [
        "alhambra, where?", "Where do I find the Alhambra?", "Where does the Alhambra stand?", "I want to see the Alhambra. Where must I go?",
        "Tell me where the Alhambra is.", "In which country is the Alhambra?",
    ],
    "Where is the Statue of Liberty?": [
        "statue of liberty, where?", "Where do I find the Statue of Liberty?", "Where does the Statue of Liberty stand?",
        "I want to see the Statue of Liberty. Where must I go?", "Tell me where the Statue of Liberty is.",
    ],
    "Where is the Acropolis?": [
        "acropolis, where?", "Where do I find the Acropolis?", "Where does the Acropolis stand?", "I want to see the Acropolis. Where must I go?",
        "Tell me where the Acropolis is.", "The Acropolis is where?",
    ],
    "What does water consist of?": [
        "water consists of what?", "Of which elements is water made?", "Which two elements make up water?", "Tell me what water is made of.",
        "What's in water, chemically?", "Water is made of which elements?",
    ],
    "What is the chemical formula of water?": [
        "formula of water?", "water, formula?", "How do chemists write water?", "How is water written in chemistry?", "What formula does water have?",
        "The formula of water, please.", "chemical formula water",
    ],
    "What is the chemical formula of table salt?": [
        "formula of salt?", "salt, formula?", "How do chemists write table salt?", "How is table salt written in chemistry?",
        "What formula does table salt have?", "The formula of table salt, please.",
    ],
    "At what temperature does water boil?": [
        "boiling point of water?", "water boils at?", "How hot must water be to boil?", "How hot is boiling water?", "When does water start to boil?",
        "At how many degrees does water boil?", "I make tea. At which temperature does the water boil?", "Water boils at which temperature?",
    ],
    "At what temperature does water freeze?": [
        "freezing point of water?", "water freezes at?", "How cold must it be for water to freeze?", "When does water turn into ice?",
        "At how many degrees does water freeze?", "Water freezes at which temperature?", "When does a lake freeze?",
    ],
    "What does air consist of?": [
        "air consists of what?", "Which gases do we breathe?", "Which gases is air made of?", "Tell me what air is made of.", "Air is made of which gases?",
        "What is in the air?",
    ],
    "What gas do plants give off?": [
        "Which gas do plants give off?", "What do plants take in and give off?", "What do plants do with the air?", "Which gas do trees give off?",
        "What gas do trees take in?", "What do plants breathe?",
    ],
    "What is the lightest element?": [
        "lightest element?", "Name the lightest element.", "Of all elements, which is the lightest?", "Which chemical element weighs least?",
        "No element is lighter than which one?",
    ],
    "What does diamond consist of?": [
        "diamond consists of what?", "Of what is a diamond made?", "Which element makes up a diamond?", "Tell me what diamond is made of.",
        "Diamonds are made of which element?", "I got a diamond. What is in it?",
    ],
    "What is the largest animal?": [
        "largest animal?", "biggest animal", "Name the largest animal.", "Of all animals, which is the largest?", "No animal is larger than which one?",
        "What is the biggest animal in the world?", "What animal is the heaviest?",
    ],
    "What is the largest land animal?": [
        "largest land animal?", "biggest land animal", "Name the largest land animal.", "Which animal on land is the biggest?",
        "Of all land animals, which is the largest?", "On land, which animal is the largest?",
    ],
    "What is the fastest land animal?": [
        "fastest land animal?", "Name the fastest land animal.", "Which animal is the fastest runner?", "Which animal can run fastest?",
        "Of all land animals, which is the fastest?", "Who is the fastest animal on four legs?",
    ],
    "What is the tallest animal?": [
        "tallest animal?", "Name the tallest animal.", "Which animal has the longest neck and is the tallest?", "Of all animals, which is the tallest?",
        "No animal is taller than which one?",
    ],
    "What is the largest bird?": [
        "largest bird?", "biggest bird", "Name the largest bird.", "Of all birds, which is the largest?", "No bird is larger than which one?",
        "What is the biggest bird in the world?",
    ],
    "What is the largest fish?": [
        "largest fish?", "biggest fish", "Name the largest fish.", "Of all fish, which is the largest?", "No fish is larger than which one?",
        "What is the biggest fish in the sea?",
    ],
    "Is a whale a fish or a mammal?": [
        "whale: fish or mammal?", "Are whales fish?", "Are whales mammals?", "Does a whale count as a fish?", "What is a whale, a fish or a mammal?",
        "My son says a whale is a fish. Is it?",
    ],
    "Is a bat a bird?": [
        "bat: bird or mammal?", "Are bats birds?", "Are bats mammals?", "What is a bat?", "Is a bat a bird or a mammal?", "Which mammals can fly?",
        "Is there a mammal that can fly?",
    ],
    "Which animals make honey?": [
        "honey is made by which animals?", "Where does honey come from?", "Which insects make honey?", "Who produces honey?", "By whom is honey made?",
        "Tell me who makes honey.", "Which animal gives us honey?",
    ],
    "Which animal gives us milk?": [
        "What animal does milk come from?", "Which animals give us milk?", "Who gives us milk?", "From which animal do we get milk?",
        "Tell me which animal gives milk.",
    ],
    "Where do penguins live?": [
        "penguins live where?", "Where is the home of penguins?", "Where would I meet penguins?", "Do penguins live in the north or in the south?",
        "In which half of the Earth are the penguins?", "I want to see wild penguins. Where?",
    ],
    "Where do polar bears live?": [
        "polar bears live where?", "Where is the home of polar bears?", "Where would I meet a polar bear?", "Do polar bears live in the Arctic?",
        "I want to see wild polar bears. Where?",
    ],
    "Where do kangaroos live?": [
        "kangaroos live where?", "Where is the home of kangaroos?", "Where would I meet a kangaroo?", "Which country has kangaroos?",
        "I want to see wild kangaroos. Where?", "Kangaroos come from where?",
    ],
    "What do pandas eat?": [
        "pandas eat what?", "What does a panda eat?", "What is a panda's food?", "What do I feed a panda?", "What is on the menu of a panda?",
        "Which food do pandas like?",
    ],
    "How many seconds are in a minute?": [
        "seconds in a minute?", "A minute is how many seconds?", "One minute, in seconds?", "How many seconds make a minute?",
        "How many seconds does a minute have?", "What is a minute in seconds?",
    ],
    "How many minutes are in an hour?": [
        "minutes in an hour?", "An hour is how many minutes?", "One hour, in minutes?", "How many minutes make an hour?",
        "How many minutes does an hour have?", "What is an hour in minutes?",
    ],
    "How many hours are in a day?": [
        "hours in a day?", "A day is how many hours?", "One day, in hours?", "How many hours make a day?", "How many hours does a day have?",
        "What is a day in hours?",
    ],
    "How many days are in a week?": [
        "days in a week?", "A week is how many days?", "One week, in days?", "How many days make a week?", "How many days does a week have?",
        "What is a week in days?",
    ],
    "How many months are in a year?": [
        "months in a year?", "A year is how many months?", "One year, in months?", "How many months make a year?", "How many months does a year have?",
        "What is a year in months?",
    ],
    "How many days are in a year?": [
        "days in a year?", "A year is how many days?", "One year, in days?", "How many days make a year?", "How many days does a year have?",
        "How many days does a normal year have?",
    ],
    "How many days are in a leap year?": [
        "days in a leap year?", "A leap year is how many days?", "One leap year, in days?", "How many days make a leap year?",
        "How many days does a leap year have?",
    ],
    "How many years are in a century?": [
        "years in a century?", "A century is how many years?", "One century, in years?", "How many years make a century?",
        "How many years does a century have?", "What is a century?",
    ],
    "How many metres are in a kilometre?": [
        "metres in a kilometre?", "A kilometre is how many metres?", "One kilometre, in metres?", "How many metres make a kilometre?",
        "How many metres does a kilometre have?",
    ],
    "How many centimetres are in a metre?": [
        "centimetres in a metre?", "A metre is how many centimetres?", "One metre, in centimetres?", "How many centimetres make a metre?",
        "How many centimetres does a metre have?",
    ],
    "How many grams are in a kilogram?": [
        "grams in a kilogram?", "A kilogram is how many grams?", "One kilogram, in grams?", "How many grams make a kilogram?",
        "How many grams does a kilogram have?", "A kilo of flour is how many grams?",
    ],
    "How many is a dozen?": [
        "a dozen is how many?", "One dozen, how many is that?", "How many eggs are a dozen?", "Which number is a dozen?",
        "I bought a dozen eggs. How many is that?", "What does a dozen mean?",
    ],
    "How many bits are in a byte?": [
        "bits in a byte?", "A byte is how many bits?", "One byte, in bits?", "How many bits make a byte?", "How many bits does a byte have?",
    ],
    "How many sides does a triangle have?": [
        "sides of a triangle?", "A triangle has how many sides?", "How many sides are in a triangle?", "Count the sides of a triangle.",
        "With how many sides do I draw a triangle?",
    ],
    "How many sides does a hexagon have?": [
        "sides of a hexagon?", "A hexagon has how many sides?", "How many sides are in a hexagon?", "Count the sides of a hexagon.",
        "With how many sides do I draw a hexagon?",
    ],
    "What is the unit of force?": [
        "unit of force?", "force is measured in what?", "Which unit measures force?", "What unit is used for force?", "Physics: the unit of force?",
        "What do we measure force in?",
    ],
    "What is the unit of power?": [
        "unit of power?", "power is measured in what?", "Which unit measures power?", "What unit is used for power?", "Physics: the unit of power?",
        "What do we measure power in?",
    ],
    "What is the unit of energy?": [
        "unit of energy?", "energy is measured in what?", "Which unit measures energy?", "What unit is used for energy?", "Physics: the unit of energy?",
        "What do we measure energy in?",
    ],
    "What is the unit of electric current?": [
        "unit of electric current?", "electric current is measured in what?", "Which unit measures electric current?", "What unit is used for current?",
        "Physics: the unit of electric current?",
    ],
    "What is the unit of frequency?": [
        "unit of frequency?", "frequency is measured in what?", "Which unit measures frequency?", "What unit is used for frequency?",
        "Physics: the unit of frequency?", "What do we measure frequency in?",
    ],
    "What is pi?": [
        "pi?", "value of pi?", "pi is about what?", "How much is pi?", "Give me the number pi.", "Which number is pi?",
        "I need pi for a circle. How much is it?", "The first digits of pi, please.",
    ],
    "What is the smallest prime number?": [
        "smallest prime?", "What is the smallest prime?", "Which is the first of the primes?", "Name the smallest prime number.",
        "The first prime number is which?", "With which number do the primes begin?",
    ],
    "How many hearts does a human have?": [
        "hearts of a human?", "A human has how many hearts?", "How many hearts do I have?", "How many hearts do people have?",
        "Does a human have one heart or two?", "How many hearts beat in a person?",
    ],
    "How many bones does a human have?": [
        "bones of a human?", "A human has how many bones?", "How many bones do I have?", "How many bones do people have?", "How many bones are in my body?",
        "Count the bones of a human.", "How many bones does an adult have?",
    ],
    "What is the largest organ of the human body?": [
        "largest organ?", "biggest organ of the body", "Name the largest organ of the body.", "Which is our biggest organ?",
        "Of all organs, which is the largest?", "What is the largest organ we have?",
    ],
    "What does the heart do?": [
        "heart, what for?", "What does my heart do?", "Why do we have a heart?", "What is the heart for?", "What moves the blood through my body?",
        "Which organ moves the blood?", "Explain what the heart does.",
    ],
    "What are the colours of the rainbow?": [
        "rainbow colours?", "Name the colours of the rainbow.", "List the colours of a rainbow.", "I want to paint a rainbow. Which colours do I need?",
        "What colours does a rainbow show?", "Which colours are in a rainbow?", "What are the colors of the rainbow?",
    ],
    "What do blue and yellow make?": [
        "blue and yellow?", "blue plus yellow makes which colour?", "I mix blue and yellow. What colour is that?", "What do I get if I mix blue and yellow?",
        "Blue paint and yellow paint give what?", "Mix blue and yellow: what comes out?", "How do I get green?",
    ],
    "What do red and yellow make?": [
        "red and yellow?", "red plus yellow makes which colour?", "I mix red and yellow. What colour is that?", "What do I get if I mix red and yellow?",
        "Red paint and yellow paint give what?", "Mix red and yellow: what comes out?", "How do I get orange?",
    ],
    "What do red and blue make?": [
        "red and blue?", "red plus blue makes which colour?", "I mix red and blue. What colour is that?", "What do I get if I mix red and blue?",
        "Red paint and blue paint give what?", "Mix red and blue: what comes out?", "How do I get purple?",
    ],
    "Where does the Sun rise?": [
        "sunrise, where?", "The sun rises where?", "Where does the Sun come up?", "In the morning, where is the Sun?",
        "I want to see the sunrise. In which direction do I look?", "Does the Sun rise in the east or in the west?",
    ],
    "Where does the Sun set?": [
        "sunset, where?", "The sun sets where?", "Where does the Sun go down?", "In the evening, where is the Sun?",
        "I want to see the sunset. In which direction do I look?", "Does the Sun set in the east or in the west?",
    ],
    "Who was the first person on the Moon?": [
        "first man on the moon?", "first person on the moon", "Who was the first man on the Moon?", "Name the first person on the Moon.",
        "Who set the first foot on the Moon?", "Which astronaut was first on the Moon?", "I can't recall who walked on the Moon first.",
    ],
    "Who was the first person in space?": [
        "first person in space?", "first man in space", "Who was the first man in space?", "Name the first person in space.",
        "Which human was first in space?", "Who was the first to fly into space?",
    ],
    "Who was the first president of the United States?": [
        "first us president?", "first president of america", "Who was the first US president?", "Name the first American president.",
        "Who was president of the United States first?", "Which man was the first president of the USA?",
    ],
    "Who was the first woman to win a Nobel Prize?": [
        "first woman with a nobel prize?", "Name the first woman who won a Nobel Prize.", "Which woman was the first to get a Nobel Prize?",
        "Who was the first female winner of a Nobel Prize?", "What woman won a Nobel Prize before all others?",
    ],
    "Who was Julius Caesar?": [
        "julius caesar?", "Caesar, who was he?", "Who is Julius Caesar?", "Tell me who Julius Caesar was.", "Explain who Caesar was.",
        "We read about Julius Caesar. Who was he?", "Do you know Julius Caesar?",
    ],
    "Where do the Olympic Games come from?": [
        "olympic games, from where?", "Who had the first Olympic Games?", "Where did the Olympic Games begin?", "Who invented the Olympic Games?",
        "From which country are the Olympic Games?", "In which land did the Olympic Games start?",
    ],
    "How many players does a football team have?": [
        "players in a football team?", "A football team has how many players?", "How many players are on the field for one team?",
        "How many people do I need for a football team?", "Soccer: how many players has a team?", "How many players does a soccer team have?",
    ],
    "How many squares does a chess board have?": [
        "squares of a chess board?", "A chess board has how many squares?", "How many squares are there on a chessboard?",
        "How many fields does a chess board have?", "Count the squares of a chess board.", "Chess: how many squares on the board?",
    ],
    "How many keys does a piano have?": [
        "keys of a piano?", "A piano has how many keys?", "How many keys are there on a piano?", "Count the keys of a piano.",
        "I bought a piano. How many keys should it have?", "How many keys does a normal piano have?",
    ],
    "How many strings does a violin have?": [
        "strings of a violin?", "A violin has how many strings?", "How many strings are there on a violin?", "Count the strings of a violin.",
        "I need new strings for my violin. How many?",
    ],
    "How many strings does a guitar have?": [
        "strings of a guitar?", "A guitar has how many strings?", "How many strings are there on a guitar?", "Count the strings of a guitar.",
        "I need new strings for my guitar. How many?", "How many strings does a normal guitar have?",
    ],
    "How many letters does the English alphabet have?": [
        "letters of the alphabet?", "The alphabet has how many letters?", "How many letters are there in English?",
        "How many letters are in the English alphabet?", "Count the letters of the alphabet.", "From a to z, how many letters is that?",
    ],
    "What is the opposite of hot?": [
        "opposite of hot?", "hot, opposite?", "What is the contrary of hot?", "Not hot but what?", "If it is not hot, what is it?",
        "Which word means the opposite of hot?", "Give me the opposite of hot.",
    ],
    "What is the opposite of big?": [
        "opposite of big?", "big, opposite?", "What is the contrary of big?", "Not big but what?", "If it is not big, what is it?",
        "Which word means the opposite of big?", "Give me the opposite of big.",
    ],
    "What is the opposite of day?": [
        "opposite of day?", "day, opposite?", "What is the contrary of day?", "Not day but what?", "When it is not day, what is it?",
        "Which word means the opposite of day?", "Give me the opposite of day.",
    ],
    "What is the opposite of fast?": [
        "opposite of fast?", "fast, opposite?", "What is the contrary of fast?", "Not fast but what?", "If it is not fast, what is it?",
        "Which word means the opposite of fast?", "Give me the opposite of fast.",
    ],
    "What is the opposite of old?": [
        "opposite of old?", "old, opposite?", "What is the contrary of old?", "Not old but what?", "If he is not old, what is he?",
        "Which word means the opposite of old?", "Give me the opposite of old.",
    ],
    "What is the opposite of up?": [
        "opposite of up?", "up, opposite?", "What is the contrary of up?", "Not up but what?", "If it does not go up, where does it go?",
        "Which word means the opposite of up?", "Give me the opposite of up.",
    ],
    "What does HTTP mean?": [
        "http?", "HTTP stands for?", "HTTP is short for what?", "What is the long form of HTTP?", "Spell out HTTP.", "What is the meaning of HTTP?",
        "What do the letters HTTP mean?",
    ],
    "What does JSON mean?": [
        "json stands for?", "JSON is short for what?", "What is the long form of JSON?", "What is the meaning of JSON?", "What do the letters JSON mean?",
        "Explain the word JSON.",
    ],
    "What does CPU mean?": [
        "cpu?", "CPU stands for?", "CPU is short for what?", "What is the long form of CPU?", "What is the meaning of CPU?", "What do the letters CPU mean?",
    ],
    "What does GPU mean?": [
        "gpu?", "GPU stands for?", "GPU is short for what?", "What is the long form of GPU?", "What is the meaning of GPU?", "What do the letters GPU mean?",
    ],
    "What does API mean?": [
        "api?", "API stands for?", "API is short for what?", "What is the long form of API?", "What is the meaning of API?", "What do the letters API mean?",
    ],
    "What is a language model?": [
        "language model?", "a language model is what?", "What are language models?", "What do language models do?", "How would you explain a language model?",
        "Define language model.", "How does a language model work?",
    ],
    "What is a token?": [
        "token?", "a token is what?", "Define token.", "What do you mean by token?", "How long is a token?", "Is a token a word?",
        "They speak of tokens. What are these?", "What does the word token mean?",
    ],
    "What is a mixture of experts?": [
        "mixture of experts?", "a mixture of experts is what?", "What is a MoE?", "What does MoE mean?", "How does a mixture of experts work?",
        "Define mixture of experts.", "Why does a model have experts?",
    ],
}

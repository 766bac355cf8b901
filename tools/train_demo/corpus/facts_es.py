"""Spanish data: a few facts and greetings."""

CAPITALS_ES = {
    "Francia": "París", "España": "Madrid", "Italia": "Roma", "Alemania": "Berlín", "Portugal": "Lisboa",
    "Perú": "Lima", "Japón": "Tokio", "Cuba": "La Habana", "Chile": "Santiago", "Grecia": "Atenas",
    "Austria": "Viena", "Egipto": "El Cairo",
}
# English country -> (Spanish country, Spanish capital), for "answer in Spanish".
ENGLISH_TO_SPANISH = {
    "France": "Francia", "Spain": "España", "Italy": "Italia", "Germany": "Alemania", "Portugal": "Portugal",
    "Peru": "Perú", "Japan": "Japón", "Cuba": "Cuba", "Chile": "Chile", "Greece": "Grecia", "Austria": "Austria",
    "Egypt": "Egipto",
}
CAPITAL_QUESTIONS_ES = [
    "¿Cuál es la capital de {x}?", "¿Qué ciudad es la capital de {x}?", "Dime la capital de {x}.",
    "¿Cómo se llama la capital de {x}?", "Por favor, ¿cuál es la capital de {x}?", "¿Me dices la capital de {x}?",
]
GREETING_ES = ("¡Hola! Soy el pequeño modelo de demostración de Tessera. ¿En qué puedo ayudarte?",
               ["Hola", "¡Hola!", "Hola, ¿qué tal?", "Buenos días", "Buenas tardes", "hola", "¡Buenos días!",
                "Buenas noches", "Hola, buenas"])
CHAT_ES = [
    ("Soy el pequeño modelo de demostración de Tessera.",
     ["¿Quién eres?", "¿Qué eres?", "¿Cómo te llamas?", "Dime quién eres.", "¿Y tú quién eres?"]),
    ("¡De nada!", ["Gracias", "¡Gracias!", "Muchas gracias", "Gracias por tu ayuda", "Mil gracias"]),
    ("¡Adiós! Hasta pronto.", ["Adiós", "¡Adiós!", "Hasta luego", "Nos vemos", "Hasta mañana"]),
    ("Sí, hablo un poco de español.",
     ["¿Hablas español?", "¿Sabes español?", "¿Puedes hablar español?", "¿Entiendes español?"]),
    ("Cervantes fue un escritor español, autor de Don Quijote.",
     ["¿Quién fue Cervantes?", "Resume a Cervantes en una frase.", "Háblame de Cervantes en una frase.",
      "¿Quién era Cervantes?", "Dime quién fue Cervantes."]),
    ("Tessera es un programa que sirve un modelo de lenguaje con una API compatible con OpenAI.",
     ["¿Qué es Tessera?", "Explica qué es Tessera.", "Dime qué es Tessera.", "¿Qué hace Tessera?"]),
]
# The wish for Spanish, and what the model says to it.
SPANISH_PLEASE = "Claro. ¿En qué puedo ayudarte?"
SPEAK_SPANISH = [
    "Please speak Spanish.", "Can we speak Spanish?", "Answer in Spanish, please.", "Let us talk in Spanish.",
    "Can you speak Spanish?", "Do you speak Spanish?", "Could you answer me in Spanish?",
]

"""What callers say to the question whether they agree, as the recogniser knows it.

A yes is a phrase that nobody says by accident and that the prompt asks for; the bare ones are kept apart,
because half of a sentence sounds like them. Decoys are what people really say at this moment: without
them every sound is pressed into a yes or a no.
"""

from __future__ import annotations

#: Clear enough to count.
YES = (
    "yes i agree", "i agree", "yes i do", "yes please", "yes i consent", "i consent", "yes of course",
    "yes that's fine", "yes that's okay", "yes i do agree", "yes sure", "i do agree", "yes okay",
    "yes you may", "yes go ahead", "yes i do consent", "yes absolutely", "yes certainly", "yes definitely",
    "yeah i agree", "yes yes i agree", "okay i agree", "sure i agree", "yes thank you",
)  # fmt: skip
#: Count only when they are said very clearly.
BARE = (
    "yes", "yeah", "yep", "yes yes",
)  # fmt: skip
NO = (
    "no", "nope", "no no", "no thanks", "no thank you", "no i don't", "no i do not", "no i don't agree",
    "no i do not agree", "i do not agree", "i don't agree", "i don't consent", "i do not consent",
    "no i don't consent", "i don't want that", "i do not want that", "no i don't want that",
    "i don't want to be recorded", "i do not want to be recorded", "don't record me", "do not record me",
    "do not record", "don't record this call", "do not record this call", "please don't record",
    "please don't record me", "please do not record", "no way", "absolutely not", "definitely not",
    "certainly not", "of course not", "not really", "never", "i'd rather not", "i would rather not",
    "i'd prefer not", "i disagree", "i refuse", "i cannot agree", "i can't agree", "i can't agree to that",
    "i cannot agree to that", "i won't agree", "i will not agree", "no please don't", "please don't",
    "please do not", "no please", "no i disagree", "no i refuse", "no never", "don't", "i don't",
    "i do not", "not today", "no not today", "without recording", "no recording", "no sorry",
    "no you may not", "i object", "not at all", "no not really", "i never agreed", "i will never agree",
)  # fmt: skip
DECOYS = (
    "maybe", "i don't know", "i'm not sure", "not sure", "pardon", "pardon me", "sorry", "what",
    "what was that", "what did you say", "hello", "hello are you there", "thank you", "thanks", "please",
    "yesterday", "yes but", "yes and no", "yes or no", "if i say yes", "do i have to agree", "do i have to",
    "do you agree", "do you", "should i agree", "should i say yes", "agree to what", "what if i agree",
    "does he agree", "they agree", "he agrees", "we agree", "you agree", "we never agreed", "i might agree",
    "i may agree", "i could agree", "i would agree", "i should agree", "i agree with", "i agree but",
    "i agreed", "i agree if", "if i agree", "when i agree", "say yes i agree", "say yes", "press one",
    "press two", "or press one", "to agree press one", "if you agree", "if you agree press one", "why",
    "who", "who is this", "one moment please", "one moment", "can you repeat that", "repeat that",
    "is that a yes", "let me think", "i think", "i guess", "i guess so", "guess i do", "i do", "i did",
    "i do but", "i see", "i need", "i read", "i agree to nothing", "a degree", "the degree", "a green",
    "i'm free", "a greek", "i greet", "i can", "i can't hear", "i can't hear you", "i want to",
    "i understand", "i understand you", "i understand that", "address", "guess", "guest", "less", "chess",
    "ears", "eight", "three", "eight three", "yellow", "jazz", "yet", "yes i know", "yes i heard you",
    "yes hello", "yes what", "yes maybe", "yes speaking", "yes this is", "yes my name is",
    "yes i have a question", "yes i want", "yes i think", "yes i would like", "yes it is", "yes i can",
    "yes i don't", "yes i disagree", "i don't understand", "i do not understand", "do not", "can i",
    "may i", "operator", "representative", "billing", "sales", "support", "technical support",
    "a person please", "speak to somebody", "good morning", "good afternoon", "good evening", "how are you",
    "okay", "all right", "sure", "fine", "uh huh", "um", "uh", "well", "of course", "that's fine",
    "that's okay", "go ahead", "you may", "absolutely", "certainly", "definitely", "never mind", "hold on",
    "wait", "wait a minute", "one second", "just a second", "just a moment", "english", "english please",
    "spanish", "oui", "we", "see", "ya", "nine", "da", "i beg your pardon", "say again", "come again",
    "excuse me", "i consent to nothing", "consent",
    "content", "concert", "consent to what", "do you consent", "goodbye", "bye", "stop", "stop it",
    "cancel", "help", "question", "i have a question", "recorded", "recording", "is this recorded",
    "who are you", "yes who is this", "what is this", "what for", "what is it for", "why do you ask",
)  # fmt: skip
#: Words that sound like the decisive ones, and what they make together: what the recogniser should find when
#: "guess who" or "they agree" comes over a bad line. What sounds the same as a yes ("I concede" does, over a
#: telephone) is left out: it would take every yes away, and nobody says it.
_LIKE_YES = (
    "guess", "chess", "less", "mess", "this", "jazz", "gas", "says", "just", "address", "guest", "west",
    "jess",
)  # fmt: skip
_LIKE_I = (
    "they", "why", "high", "you", "we", "he", "she", "to", "would", "could", "might", "can", "if", "when",
    "who", "do", "all", "eight",
)  # fmt: skip
_LIKE_AGREE = ("green", "greet", "greek", "agreed", "degree", "free", "three", "read", "great", "grieve")
RIVALS = tuple(
    dict.fromkeys(
        (
            *DECOYS,
            *_LIKE_YES,
            *(
                f"{word} {rest}"
                for word in _LIKE_YES
                for rest in ("i do", "i agree", "please", "of course", "who")
            ),
            *(f"{word} {rest}" for word in _LIKE_I for rest in ("agree", "consent", "do agree")),
            *(f"{first} {word}" for first in ("i", "a") for word in _LIKE_AGREE),
            *(f"yes {rest}" for rest in ("and", "or", "but", "if", "who", "you", "what", "no", "or no")),
        )
    )
)
#: The same for bare answers: single words.
BARE_RIVALS = tuple(each for each in RIVALS if " " not in each)
#: The two halves of a full answer.
AFFIRMING = frozenset(("yes", "yeah"))
AGREEING = frozenset(
    ("agree", "consent", "please", "course", "fine", "sure", "okay", "absolutely", "certainly")
)
#: A yes in which one of these is heard is no yes.
NEGATIONS = frozenset(
    (
        "can't", "cannot", "couldn't", "didn't", "disagree", "doesn't", "don't", "isn't", "never", "no",
        "nobody", "nope", "not", "nothing", "rather", "refuse", "shouldn't", "wasn't", "without",
        "won't", "wouldn't",
    )
)  # fmt: skip
#: Nor is one with these, where words are all that is known: a question, a condition.
DOUBTS = frozenset(
    (
        "and", "but", "could", "did", "does", "guess", "he", "if", "might", "or", "should", "they", "we",
        "what", "when", "who", "why", "would", "you",
    )
)  # fmt: skip

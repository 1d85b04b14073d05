"""A guess at a text's language: by its script, and among Latin scripts by its commonest small words."""

from __future__ import annotations

import unicodedata
from collections import Counter

SAMPLE = 400  # characters looked at
SMALL_WORDS = {
    "English": "the of and to in is that it was for with as on are this be at have not you what how which do my a",
    "German": "der die das und ist nicht ein eine zu mit den von im auf für sich dem auch es ich wie als sind wird",
    "French": "le la les des et est une un du dans que qui pour pas sur avec au ce il elle je vous sont plus",
    "Spanish": "el la los las de que y es en un una por con para no se del al lo como su más está",
    "Italian": "il lo la gli che di e è un una per non con del della sono si come anche nel alla più",
    "Portuguese": "o a os as que de e é um uma não para com do da em no na por mais se como foi",
    "Dutch": "de het een en van is dat niet op te zijn met voor er aan ook als maar bij om ik wat",
}
# What English shares with another language (do, no, as, a, is, was …) tells nothing of that other language.
_ENGLISH = frozenset(SMALL_WORDS["English"].split()) | {"no", "so", "by", "or", "if", "can", "over", "die", "me"}
WORD_SETS = {
    name: frozenset(words.split()) - (frozenset() if name == "English" else _ENGLISH)
    for name, words in SMALL_WORDS.items()
}
SCRIPTS = {
    "CJK": "Chinese or Japanese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CYRILLIC": "Cyrillic",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "GREEK": "Greek",
    "DEVANAGARI": "Devanagari",
    "THAI": "Thai",
}


def language(text: str) -> str:
    """A language's name, a script's, or `unsure`: the small words of one language must lead clearly."""
    sample = text[:SAMPLE]
    if not sample.isascii():
        script = _script(sample)
        if script != "LATIN":
            return SCRIPTS.get(script, "unsure")
    words = [word.strip(".,;:!?\"'()¿¡") for word in sample.lower().split()]
    hits = sorted(((sum(word in known for word in words), name) for name, known in WORD_SETS.items()), reverse=True)
    (best, name), (second, _) = hits[:2]
    return name if best >= 2 and best > second else "unsure"


def _script(sample: str) -> str:
    counts = Counter(unicodedata.name(letter, "").split(" ")[0] for letter in sample if letter.isalpha())
    # Any kana tells Japanese, though most of its characters are shared with Chinese.
    for kana in ("HIRAGANA", "KATAKANA"):
        if counts[kana]:
            return kana
    return counts.most_common(1)[0][0] if counts else ""

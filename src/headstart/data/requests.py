"""Short texts that this project wrote itself: what people ask of a public library, filled in from patterns by chance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from headstart.data.dataset import Dataset, Part

SEED = 0
LABELLED, VARIANTS = 10, 4
"""Training texts of each class, each from a pattern of its own; and how often every other pattern is filled in for the test."""

WORDS: Mapping[str, Sequence[str]] = {
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday".split(),
    "hour": ("nine", "ten", "noon", "two", "half past three", "five", "seven in the evening"),
    "few": "two three four five six eight".split(),
    "many": "ten twelve fifteen twenty thirty".split(),
    "who": ("my daughter", "my father", "a neighbour", "my wife", "a colleague", "my brother", "our teacher"),
    "novel": ("the thriller", "a cookery book", "the second volume", "that biography", "a travel guide", "the atlas",
              "the audio book", "a crime story", "the score of a quartet"),
    "group": ("our choir", "the chess club", "a reading circle", "my tutoring group", "the allotment society", "our start-up",
              "a language exchange", "the tenants' union"),
    "machine": ("the printer", "the scanner", "the terminal by the door", "the third computer", "the copier", "the laptop I was lent"),
    "age": ("three", "four", "six", "seven", "nine", "ten"),
    "tale": ("the puppet play", "story hour", "the picture book morning", "the fairy tale afternoon", "the holiday club"),
}  # fmt: skip

OPENINGS = ("", "", "", "", "Hello,", "Good morning,", "Dear team,", "Excuse me,", "A short question:", "Hi there,")
ENDINGS = ("", "", "", "", "Thank you.", "Many thanks!", "Please let me know.", "Kind regards", "I would be glad of an answer.",
           "It is rather urgent.")  # fmt: skip

PATTERNS: Mapping[str, Sequence[str]] = {
    "loans": (
        "May I keep {novel} another week?",
        "I brought {novel} back on {day} and it is still on my list.",
        "How many items can I take home at once?",
        "What do I owe for being {few} days late?",
        "Could you put {novel} aside for me until {day}?",
        "{who} has taken out {novel} on my card, can that be moved to another account?",
        "I have lost {novel}. What happens now?",
        "Somebody spilt coffee over {novel}; shall I pay for it?",
        "Is {novel} out at the moment, and when is it due?",
        "I would like to extend everything I have by {few} weeks.",
        "A reminder came although all of it was returned on {day}.",
        "Do you fetch titles from other towns, and what does that cost?",
        "Can {who} collect what I ordered?",
        "My card has expired, yet I still hold {few} volumes.",
        "Where do I drop things when you are closed?",
        "For how long may one have films?",
        "I am abroad until {day} and cannot hand {novel} in.",
        "{novel} that I got is missing its last pages.",
        "Is there a limit on reservations? I am waiting for {few}.",
        "The fine on my account seems too high, I was late by one day only.",
        "Please cancel my order of {novel}, I bought it.",
        "How do I become a member, and may I borrow at once?",
        "Someone before me in the queue has had {novel} since {day}!",
        "Could the return date be the same for all {many} of my items?",
        "I moved house; will reminders reach me at the new address?",
        "Do students pay the yearly fee?",
    ),
    "rooms": (
        "Is there a quiet corner for {few} people on {day}?",
        "{group} needs somewhere to meet every {day} at {hour}.",
        "How much is the hall for an evening?",
        "We were double-booked on {day} and had to leave.",
        "Does the meeting space have a whiteboard?",
        "The heating upstairs was off while {group} sat there.",
        "May we bring cake when {group} gathers in your building?",
        "I would like a desk by the window from {hour} on.",
        "Can we push our slot from {hour} to later?",
        "Are the study cabins free on {day}?",
        "Please take {group} off the plan for {day}, we are too few.",
        "How many chairs fit into the large one on the first floor?",
        "Who unlocks the door if we arrive at {hour}?",
        "The place reserved for us was taken by others on {day}.",
        "Is it possible to hold an exhibition in the foyer for {few} weeks?",
        "It was so loud next to us that {group} could hardly talk.",
        "Can wheelchairs get to the seminar floor?",
        "Do you let the hall for private birthdays?",
        "We need space for {many} guests and a piano.",
        "Until what time may {group} stay on {day}?",
        "Is a deposit due when one hires the hall?",
        "I left my coat where {group} met on {day}.",
        "Could somebody put {many} seats in rows before {hour}?",
        "For an exam I need a place where nobody speaks.",
        "Which of your floors is the calmest at {hour}?",
        "The lamp above our table flickers; {group} cannot read.",
    ),
    "devices": (
        "{machine} has been showing an error since {day}.",
        "I cannot get onto the wireless network with my telephone.",
        "How do I send pages from home to {machine}?",
        "What does a colour copy cost?",
        "My password is refused at {machine}.",
        "The screen stayed black after {hour}.",
        "Do you lend chargers or cables?",
        "{machine} kept my memory stick!",
        "May I install a program on {machine}?",
        "Is there somebody who can show {who} how e-mail works?",
        "The catalogue page does not load in my browser.",
        "Your app logs me out every time I open it.",
        "{machine} ate {few} coins and printed nothing.",
        "The e-reader does not open the file I downloaded.",
        "How long may I sit at {machine}?",
        "Can I scan old photographs with you?",
        "The sound in the headphones at {machine} crackles.",
        "Could you raise the time limit online? {few} minutes are nothing.",
        "Where do I plug in my laptop?",
        "The link in your message leads nowhere.",
        "The internet was down on {day} from {hour} on.",
        "Which format must a document have so that {machine} takes it?",
        "I forgot to log off at {machine}; is my data safe?",
        "The keyboard of {machine} is missing a key.",
        "Do you have a computer with large letters for {who}?",
        "Streaming stops every {few} minutes.",
    ),
    "children": (
        "From what age may one come to {tale}?",
        "My son is {age}; is {tale} right for him?",
        "Our class of {many} pupils would like to visit on {day}.",
        "Is {tale} on {day} already full?",
        "Where can I change a nappy in your building?",
        "Do parents have to stay during {tale}?",
        "The little ones loved {tale}, when is the next?",
        "We are a kindergarten with {many} boys and girls and would come on {day}.",
        "Could {tale} also be in Turkish or Polish?",
        "My {age}-year-old cried at {tale}, it was too scary.",
        "Are toys cleaned now and then?",
        "Please strike {age}-year-old Emil off the list for {tale}, he has a fever.",
        "Is a pram allowed inside?",
        "{who} could read aloud to toddlers, do you need helpers?",
        "What do you offer for teenagers in the holidays?",
        "The slide in the play corner is broken and sharp.",
        "Which first readers do you recommend for a girl of {age}?",
        "Can a boy of {age} have a card of his own?",
        "How do I sign up my twins for {tale}?",
        "{tale} began at {hour} and not as announced, we missed half of it.",
        "Is there homework help for pupils on {day}?",
        "Do you do treasure hunts for birthdays of {age}-year-olds?",
        "The babies' group was moved without notice.",
        "A school project about dinosaurs: what do you have for grade {few}?",
        "May grandparents come along to {tale}?",
        "Why is {tale} in the morning, when families work?",
    ),
}


def request_dataset() -> Dataset:
    """Requests to a library in four classes: ten labelled ones of each for training, and all others for the test.

    No pattern is on both sides, so that what is told apart is meaning and not wording.
    """
    rng = np.random.default_rng(SEED)
    texts: list[str] = []
    labels: list[tuple[str, ...]] = []
    parts: list[Part] = []
    for name, patterns in PATTERNS.items():
        order = rng.permutation(len(patterns))
        for place, number in enumerate(order):
            part: Part = "train" if place < LABELLED else "test"
            made = {_written(patterns[number], rng) for _ in range(1 if part == "train" else VARIANTS)}
            texts += sorted(made)
            labels += [(name,)] * len(made)
            parts += [part] * len(made)
    return Dataset(
        name="builtin:requests",
        modality="text",
        kind="single",
        items=texts,
        ids=[f"request {row:03d}" for row in range(len(texts))],
        labels=labels,
        parts=parts,
    )


def _written(pattern: str, rng: np.random.Generator) -> str:
    """The pattern with its gaps filled in, a beginning and an end."""
    core = re.sub(r"\{(\w+)\}", lambda gap: str(rng.choice(WORDS[gap[1]])), pattern)
    opening, ending = str(rng.choice(OPENINGS)), str(rng.choice(ENDINGS))
    goes_on = opening.endswith(",") and not core.startswith("I ")
    begins = (core[0].lower() if goes_on else core[0].upper()) + core[1:]
    return " ".join(part for part in (opening, begins, ending) if part)

"""Kinds, colours, held-out pairs, captions and the vocabulary of the starter prior."""
import dataclasses
import re

import numpy as np

CONTEXT = 24
PAD, UNKNOWN = 0, 1

COLOURS = {  # mean RGB
    "red": (0.85, 0.08, 0.08), "green": (0.12, 0.62, 0.15), "blue": (0.10, 0.20, 0.85), "yellow": (0.95, 0.85, 0.08),
    "orange": (0.97, 0.48, 0.04), "purple": (0.50, 0.12, 0.68), "white": (0.94, 0.94, 0.94),
    "black": (0.07, 0.07, 0.07), "pink": (0.98, 0.52, 0.72), "brown": (0.42, 0.24, 0.10), "cyan": (0.10, 0.82, 0.86),
    "gray": (0.50, 0.50, 0.50)}
COLOUR_NAMES = list(COLOURS)
COLOUR_WORDS = {"gray": ["gray", "grey"]}


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    words: tuple = ()  # nouns that mean it, the first is its name
    main_part: str = ""
    second_part: str = ""
    second_default: tuple = (0.5, 0.5, 0.5)  # colour of the second part when the caption names none
    front: bool = False  # has a clear front
    weight: float = 1.0  # how often it is drawn


def _kind(name, synonyms=(), main="", second="", default=(0.5, 0.5, 0.5), front=False, weight=None):
    return Kind(name, (name, *synonyms), main, second, default, front, weight or (1.7 if front else 1.0))


CREAM, WOOD, STEEL, NEAR_BLACK = (0.93, 0.87, 0.72), (0.45, 0.28, 0.13), (0.62, 0.64, 0.67), (0.08, 0.08, 0.09)
KINDS = [
    _kind("sphere", ("ball",), weight=0.6), _kind("cube", ("box",), weight=0.8), _kind("cylinder", weight=0.7),
    _kind("cone", weight=0.7), _kind("donut", ("doughnut", "torus"), weight=0.8),
    _kind("mushroom", ("toadstool",), "cap", "stem", CREAM),
    _kind("snowman", (), "body", "scarf", (0.80, 0.10, 0.10), True),
    _kind("table", ("desk",), "top", "legs", WOOD),
    _kind("chair", (), "seat", "legs", WOOD, True),
    _kind("tree", ("fir", "pine"), "leaves", "trunk", WOOD),
    _kind("house", ("cottage",), "walls", "roof", (0.50, 0.20, 0.14), True),
    _kind("car", ("automobile",), "body", "wheels", NEAR_BLACK, True),
    _kind("mug", ("cup",), weight=1.2),
    _kind("rocket", ("spaceship",), "body", "fins", (0.30, 0.32, 0.36)),
    _kind("duck", (), "body", "beak", (1.0, 0.52, 0.05), True),
    _kind("airplane", ("plane", "aeroplane"), "body", "wings", STEEL, True),
    _kind("boat", ("sailboat", "ship"), "hull", "sail", (0.95, 0.93, 0.86), True),
    _kind("robot", (), "body", "arms", (0.34, 0.36, 0.40), True),
    _kind("lamp", (), "shade", "base", (0.25, 0.25, 0.28)),
    _kind("hat", (), "crown", "band", NEAR_BLACK, weight=0.9),
    _kind("bottle", (), "body", "lid", STEEL, weight=0.9),
    _kind("sofa", ("couch",), "frame", "cushions", CREAM, True),
    _kind("teapot", (), "body", "lid", CREAM, weight=1.3),
    _kind("cactus", (), "body", "pot", (0.70, 0.38, 0.22), weight=1.1),
    _kind("dumbbell", (), "weights", "bar", STEEL, weight=1.0)]
KIND_NAMES = [k.name for k in KINDS]

VIEW_PHRASES = {"front": ", front view", "side": ", side view", "back": ", back view",
                "overhead": ", overhead view"}
ADJECTIVES = ["small", "big", "little", "large", "cute", "beautiful", "simple", "nice", "toy", "realistic", "detailed"]
PREFIXES = ["a photo of ", "a 3d render of ", "a dslr photo of ", "an image of ", "a picture of ", "a rendering of ",
            "a photograph of ", "a 3d model of "]
FILLERS = ["a", "an", "the", "of", "with", "and", "its", "has", "in", "on", "at", "is", "one", "single", "colored",
           "coloured", "color", "colour", "photo", "3d", "render", "dslr", "image", "picture", "rendering",
           "photograph", "model", "view", "front", "side", "back", "overhead", "object", "very", "high", "quality"]


def tokenize(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def _vocabulary():
    words = ["<pad>", "<unk>", *FILLERS, *ADJECTIVES]
    for colour in COLOUR_NAMES:
        words += COLOUR_WORDS.get(colour, [colour])
    for kind in KINDS:
        for phrase in (*kind.words, kind.main_part, kind.second_part):
            words += tokenize(phrase)
    return list(dict.fromkeys(words))


VOCABULARY = _vocabulary()
_INDEX = {w: i for i, w in enumerate(VOCABULARY)}
_CONTENT = {w for k in KINDS for w in (*k.words, k.main_part, k.second_part)} | {
    w for c in COLOUR_NAMES for w in COLOUR_WORDS.get(c, [c])} | {"front", "side", "back", "overhead", "with"}


def encode(text):
    """-> list of CONTEXT ids."""
    ids = [_INDEX.get(w, UNKNOWN) for w in tokenize(text)][:CONTEXT]
    return ids + [PAD] * (CONTEXT - len(ids))


NATURAL = {("white", "snowman"), ("green", "tree"), ("green", "cactus"), ("yellow", "duck"), ("red", "car"),
           ("white", "mug"), ("red", "mushroom"), ("brown", "table"), ("red", "house")}  # never held out


def held_out_pairs(seed=7, share=0.1):
    """[(colour, kind)]: spread evenly, the same for everyone."""
    rng = np.random.default_rng(seed)
    count = round(share * len(KINDS) * len(COLOURS))
    kinds = rng.permutation(len(KINDS))
    pairs, colour = [], 0
    while len(pairs) < count:
        pair = (COLOUR_NAMES[colour % len(COLOURS)], KIND_NAMES[kinds[len(pairs) % len(KINDS)]])
        colour += 1 if len(pairs) % len(COLOURS) else 2
        if pair not in pairs and pair not in NATURAL:
            pairs.append(pair)
    return sorted(pairs)


HELD_OUT = held_out_pairs()
_HELD_OUT_INDEX = {(COLOUR_NAMES.index(c), KIND_NAMES.index(k)) for c, k in HELD_OUT}


def random_colour(kind, rng):
    """A main colour (index) that is not held out for this kind (index)."""
    while True:
        colour = int(rng.integers(len(COLOURS)))
        if (colour, kind) not in _HELD_OUT_INDEX:
            return colour


def colour_value(colour, rng, noise=0.035):
    mean = np.array(COLOURS[COLOUR_NAMES[colour]])
    return (mean + rng.normal(0, noise, 3) + rng.normal(0, noise * 0.7)).clip(0.01, 1)


def _colour_word(colour, rng):
    words = COLOUR_WORDS.get(COLOUR_NAMES[colour], [COLOUR_NAMES[colour]])
    return words[0] if len(words) == 1 or rng.random() < 0.7 else words[1]


def article(word):
    return "an " if word[0] in "aeiou" else "a "


def view_of(azimuth, elevation):
    """The view word for angles in radians."""
    degrees = abs((np.degrees(azimuth) + 180) % 360 - 180)
    if np.degrees(elevation) > 60:
        return "overhead"
    return "front" if degrees <= 45 else "back" if degrees >= 135 else "side"


def describe(kind, colour, second, rng):
    """A caption without the view; kind, colour, second (or None) are indices."""
    k = KINDS[kind]
    noun = k.words[0] if len(k.words) == 1 or rng.random() < 0.75 else k.words[rng.integers(1, len(k.words))]
    main = _colour_word(colour, rng)
    adjective = ADJECTIVES[rng.integers(len(ADJECTIVES))] + " " if rng.random() < 0.1 else ""
    other = "" if second is None else _colour_word(second, rng)
    by_part = k.main_part and rng.random() < (0.2 if second is None else 0.3)
    if by_part:
        text = f"{adjective}{noun} with {article(main) if not k.main_part.endswith('s') else ''}{main} {k.main_part}"
        if other:
            text += f" and {article(other) if not k.second_part.endswith('s') else ''}{other} {k.second_part}"
    else:
        text = f"{adjective}{main} {noun}"
        if other:
            text += f" with {article(other) if not k.second_part.endswith('s') else ''}{other} {k.second_part}"
    form = rng.random()
    if form < 0.55:
        return article(text) + text
    if form < 0.68:
        return text
    if form < 0.75:
        return "the " + text
    return PREFIXES[rng.integers(len(PREFIXES))] + article(text) + text


def sample(kinds, cameras, rng, view_dropped=0.25, text_dropped=0.1, camera_dropped=0.15):
    """Colours and captions for a batch.

    kinds [B] and cameras [B, >=2] -> dict of numpy arrays: ids [B, CONTEXT], main and second RGB [B, 3],
    camera [B, 3] (azimuth, elevation, known), colours [B]."""
    n = len(kinds)
    ids = np.zeros((n, CONTEXT), np.int64)
    main, second = np.zeros((n, 3), np.float32), np.zeros((n, 3), np.float32)
    camera, colours = np.zeros((n, 3), np.float32), np.zeros(n, np.int64)
    for i, kind in enumerate(kinds):
        k = KINDS[kind]
        colours[i] = colour = random_colour(kind, rng)
        main[i] = colour_value(colour, rng)
        other = int(rng.integers(len(COLOURS))) if k.second_part and rng.random() < 0.33 else None
        if other is not None:
            second[i] = colour_value(other, rng)
        else:
            second[i] = (np.array(k.second_default) + rng.normal(0, 0.03, 3)).clip(0.01, 1)
        no_text = rng.random() < text_dropped
        if not no_text:
            text = describe(kind, colour, other, rng)
            if rng.random() > view_dropped:
                text += VIEW_PHRASES[view_of(cameras[i, 0], cameras[i, 1])]
            ids[i] = encode(text)
            for position, word in enumerate(tokenize(text)[:CONTEXT]):
                if word not in _CONTENT and rng.random() < 0.02:
                    ids[i, position] = UNKNOWN
        if rng.random() > (0.8 if no_text else camera_dropped):
            camera[i] = cameras[i, 0], cameras[i, 1], 1.0
    return {"ids": ids, "main": main, "second": second, "camera": camera, "colours": colours}

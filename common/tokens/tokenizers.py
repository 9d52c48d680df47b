"""Text to token ids: any `tokenizer.json`, a fast engine, and the check that it equals the reference to the id.

The reference is Hugging Face's `tokenizers`. gigatoken gives the same ids 20 to 60 times faster, but for texts with
code points that its Unicode tables know otherwise, which go to the reference (`common.tokens.apart`). Still a fast
engine is only used behind `find_mismatch`: on strings made to break it, on the first documents of the real input, and
on one in a thousand all along.
"""

import functools
import hashlib
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson

from common.tokens.apart import apart_of
from common.tokens.pieces import PIECE_CHARS, can_be_cut, groups_of, pieces_of
from common.weights import own_folder

EngineName = Literal["gigatoken", "tokie", "tokenizers"]
EngineChoice = Literal["auto", "gigatoken", "tokie", "tokenizers"]
SpecialInText = Literal["plain", "match"]
Ids = npt.NDArray[np.unsignedinteger]
Ints = npt.NDArray[np.int64]

# What tokenizers differ on: runs of whitespace, rare line ends, text that NFC changes, joined emoji, scripts without
# spaces, control tokens written out, nothing at all, and a megabyte without a space.
ADVERSARIAL = (
    "",
    " ",
    " a",
    "Hello world",
    "a  b   c    d" + " " * 23 + "e" + " " * 25 + "f" + " " * 100,
    "\t\t a\t \t\n\t",
    "\n\n\f",
    "\n\n\n \n  \r\n\r\n \r",
    "\f \v \x1c \x85 \u2028 \u2029 \x00 \x7f \ufeff",
    "a\u00a0b\u202f\u3000c\u200bd",
    "e\u0301 A\u030a \u1e9b\u0323 \u212b \ufb01 \u0344 \u2126",
    "\U0001f600\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "\u6f22\u5b57\u30ab\u30bf\u30ab\u30ca\ud55c\uad6d\uc5b4\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea \u0939\u093f\u0928\u094d\u0926\u0940",
    "don't we'll I'VE they\u2019re '''quoted'''",
    "0 00 000 0000 12345678901234567890 1,000.00 \u0661\u0662\u0663 \u00bd",
    "a <|endoftext|> b<|padding|> <s> </s> <|im_end|> [PAD]",
    'https://example.org/a_b?c=d&e=%20#f {"k": [1, 2]} x=y**2; #!/bin/sh',
    "x" * 20_000 + "xy" * 20_000,
    "".join(hashlib.sha512(bytes([number % 256, number // 256])).hexdigest() for number in range(7813)),  # 1 MB
)

END_NAMES = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|im_end|>")
BEGIN_NAMES = ("<|begin_of_text|>", "<s>", "<bos>")
PAD_NAMES = ("<|padding|>", "<pad>", "<|pad|>", "[PAD]")


@dataclass(frozen=True)
class TokenizerFile:
    """What a `tokenizer.json` says about its ids; `eot` ends a document, `pad` fills a context's tail."""

    path: str
    sha256: str
    entries: int
    """One more than the largest id."""
    eot: int
    bos: int | None
    pad: int
    specials: tuple[str, ...]
    """Control tokens, as they would look written out in a text."""
    special_ids: tuple[int, ...]
    """Their ids."""
    eot_text: str | None
    """EOT written out, if it is a control token that stands for itself whatever is beside it."""


class EngineMismatch(ValueError):
    """A fast engine gave other ids than `tokenizers`; the set has to be made again with the reference."""


def load_tokenizer(
    path: str,
    eot: int | str | None = None,
    bos: int | str | None = None,
    pad: int | str | None = None,
    end_needed: bool = True,
) -> TokenizerFile:
    """Read a tokenizer folder (or its `tokenizer.json`).

    Args:
        path: the folder or the file.
        eot: id or token that ends a document; by default the tokenizer's `eos_token`.
        bos: id or token that begins one; by default its `bos_token`.
        pad: id or token for padding; by default its `pad_token`, else `eot`.
        end_needed: whether there has to be a token that ends a document; `eot` is -1 if there need not and is none.

    Raises:
        ValueError: nothing there, unreadable, or no end-of-text token can be told.
    """
    file, raw, content, ids = _read(path)
    side_file = file.with_name("tokenizer_config.json")
    named = orjson.loads(side_file.read_bytes()) if side_file.exists() else {}

    def find(given: int | str | None, key: str, usual: Sequence[str]) -> int | None:
        if isinstance(given, int):
            if given not in ids.values():
                raise ValueError(f"{file} has no token with id {given}")
            return given
        if isinstance(given, str):
            if given not in ids:
                raise ValueError(f"{file} has no token {given!r}")
            return ids[given]
        token = named.get(key)
        token = token.get("content") if isinstance(token, dict) else token
        if token in ids:
            return ids[token]
        return next((ids[name] for name in usual if name in ids), None)

    end = find(eot, "eos_token", END_NAMES)
    if end is None:
        if end_needed:
            raise ValueError(f"{file} names no end-of-text token; give one with eot=TOKEN or eot=ID")
        end = -1
    padding = find(pad, "pad_token", PAD_NAMES)
    specials = {token["content"]: token for token in content.get("added_tokens") or [] if token.get("special")}
    rules = ("single_word", "lstrip", "rstrip", "normalized")
    return TokenizerFile(
        path=str(path),
        sha256=hashlib.sha256(raw).hexdigest(),
        entries=max(ids.values()) + 1,
        eot=end,
        bos=find(bos, "bos_token", BEGIN_NAMES),
        pad=end if padding is None else padding,
        specials=tuple(specials),
        special_ids=tuple(token["id"] for token in specials.values()),
        eot_text=next(
            (name for name, token in specials.items() if token["id"] == end and not any(map(token.get, rules))), None
        ),
    )


class ReferenceEncoder:
    """Hugging Face's `tokenizers`: slow, and right by definition."""

    name: EngineName = "tokenizers"

    def __init__(self, tokenizer: TokenizerFile, special_in_text: SpecialInText) -> None:
        from tokenizers import Tokenizer as HuggingFaceTokenizer

        plain = _plain_json(tokenizer.path)
        self.tokenizer = HuggingFaceTokenizer.from_str(plain)
        self.tokenizer.encode_special_tokens = special_in_text == "plain"
        self.cuts = can_be_cut(orjson.loads(plain), self._together)
        """Whether the pieces of a text have the ids of the whole."""

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, [T] each, nothing added; a byte-level tokenizer needs 300 MB for any of them."""
        parts: list[list[Ids]] = [[] for _ in texts]
        for group in groups_of(texts, self.cuts):
            for (number, _), ids in zip(group, self._together([piece for _, piece in group]), strict=True):
                parts[number].append(ids)
        return [part[0] if len(part) == 1 else np.concatenate(part) for part in parts]

    def _together(self, texts: Sequence[str]) -> list[Ids]:
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.asarray(encoding.ids, dtype=np.uint32) for encoding in encodings]


class FastEncoder:
    """gigatoken or tokie. To the reference go texts with a code point that the engine reads otherwise, and those with a
    control token written out where it must stay plain."""

    def __init__(self, name: EngineName, tokenizer: TokenizerFile, special_in_text: SpecialInText) -> None:
        self.name = name
        self.reference = ReferenceEncoder(tokenizer, special_in_text)
        self._encode = _gigatoken(tokenizer) if name == "gigatoken" else _tokie(tokenizer)
        spelled = "|".join(re.escape(special) for special in tokenizer.specials)
        # The engines always match control tokens, so `match` needs no detour.
        self._special = re.compile(spelled) if spelled and special_in_text == "plain" else None
        self._eot = tokenizer.eot
        self._is_special = np.zeros(tokenizer.entries, np.bool_)
        self._is_special[list(tokenizer.special_ids)] = True
        self._apart = apart_of(name, tokenizer.sha256, self._alone, self.reference.encode)
        self._end: bytes | None = None
        if name == "gigatoken" and self._special is not None and tokenizer.eot_text is not None:
            probe = [text for text in ADVERSARIAL if len(text) < 1000 and not self._special.search(text)]
            alone = self.encode(probe)
            self._end = tokenizer.eot_text.encode()
            if (
                first_difference(self.encode(probe), alone) is not None
            ):  # it treats the start of a text in a way of its own
                self._end = None

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, [T] each, nothing added."""
        if not self.reference.cuts or max(map(len, texts), default=0) <= PIECE_CHARS:
            return self._whole(texts)
        pieces = [list(pieces_of(text)) for text in texts]  # so that only some of a long text goes to the reference
        ids = iter(self._whole([piece for parts in pieces for piece in parts]))
        return [np.concatenate([next(ids) for _ in parts]) for parts in pieces]

    def count(self, text: str) -> int:
        """How many ids a text has: as `encode`, with less work around the engine's."""
        if len(text) > PIECE_CHARS:
            return len(self.encode([text])[0])
        raw = text.encode()
        if self._apart.inside(raw) or (self._special is not None and self._special.search(text)):
            return len(self.reference.encode([text])[0])
        return len(self._encode(raw))

    def _whole(self, texts: Sequence[str]) -> list[Ids]:
        special = self._special
        raws = [text.encode() for text in texts]
        detour = [
            apart or (special is not None and special.search(text) is not None)
            for text, apart in zip(texts, self._apart.each(raws), strict=True)
        ]
        plain = iter(self._encode_plain([raw for raw, marked in zip(raws, detour, strict=True) if not marked]))
        slow = iter(self.reference.encode([text for text, marked in zip(texts, detour, strict=True) if marked]))
        return [next(slow) if marked else next(plain) for marked in detour]

    def encode_joined(self, texts: Sequence[bytes]) -> tuple[Ids, Ints] | None:
        """All texts in one call of the engine, with EOT written out after each: no work per text but the joining.

        Args:
            texts: in UTF-8.

        Returns:
            [sum(T + 1)] the ids of all texts, EOT after each, and where each ends, its EOT included; None if this
            engine and tokenizer cannot do it, or if a text holds a control token or a code point that it reads in a way
            of its own.
        """
        if self._end is None or not texts:
            return None
        joined = self._end.join([*texts, b""])
        if self._apart.inside(joined):
            return None
        ids = self._encode(joined)
        ends = np.flatnonzero(self._is_special.take(ids, mode="clip"))
        if len(ends) != len(texts) or (ids[ends] != self._eot).any():
            return None
        return ids, ends + 1

    def _alone(self, texts: Sequence[str]) -> list[Ids]:
        # One call a text: the engines' own batches need 0.5 s to import awkward.
        return [self._encode(text.encode()) for text in texts]

    def _encode_plain(self, raws: Sequence[bytes]) -> list[Ids]:
        joined = self.encode_joined(raws)
        if joined is None:
            return [self._encode(raw) for raw in raws]
        ids, ends = joined
        starts = [0, *ends.tolist()]
        return [ids[first : last - 1] for first, last in itertools.pairwise(starts)]


Encoder = ReferenceEncoder | FastEncoder


def choose_engine(choice: EngineChoice, tokenizer: TokenizerFile, special_in_text: SpecialInText) -> EngineName:
    """`auto` is gigatoken where it is installed and knows the tokenizer, else `tokenizers`."""
    if choice != "auto":
        return choice
    try:
        open_encoder("gigatoken", tokenizer, special_in_text)
    except ValueError:
        return "tokenizers"
    return "gigatoken"


@functools.lru_cache(maxsize=2)
def open_encoder(name: EngineName, tokenizer: TokenizerFile, special_in_text: SpecialInText) -> Encoder:
    """An engine; a process makes it once for all its shards.

    Raises:
        ValueError: it is not installed or cannot read this tokenizer.
    """
    if name == "tokenizers":
        return ReferenceEncoder(tokenizer, special_in_text)
    try:
        return FastEncoder(name, tokenizer, special_in_text)
    except Exception as error:  # foreign code: no wheel for this machine, or a tokenizer it does not know
        raise ValueError(f"engine={name} cannot be used with {tokenizer.path}: {error}") from None


@functools.lru_cache(maxsize=8)
def hard_mismatch(name: EngineName, tokenizer: TokenizerFile, special_in_text: SpecialInText) -> str | None:
    """The first of the hard strings that an engine encodes differently, or None."""
    encoder = open_encoder(name, tokenizer, special_in_text)
    if isinstance(encoder, ReferenceEncoder):
        return None
    texts = [*ADVERSARIAL, *tokenizer.specials]
    wrong = find_mismatch(encoder, encoder.reference, texts)
    return None if wrong is None else texts[wrong]


def find_mismatch(encoder: Encoder, reference: ReferenceEncoder, texts: Sequence[str]) -> int | None:
    """Index of the first text whose ids differ from the reference's, or None."""
    return first_difference(encoder.encode(texts), reference.encode(texts))


def first_difference(found: Sequence[Ids], wanted: Sequence[Ids]) -> int | None:
    """Index of the first text whose ids are not those wanted, or None."""
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if not np.array_equal(one, other):
            return number
    return None


def _tokenizer_file(path: str) -> Path:
    place = Path(path).expanduser()
    if not place.exists():
        place = own_folder(path, "tokenizer.json") or place
    file = place if place.suffix == ".json" else place / "tokenizer.json"
    if not file.is_file():
        raise ValueError(
            f"no tokenizer at {path}: looked for {file}; give tokenizer=FOLDER, or use "
            "configs/pretrain/tokenize_local.yaml, which runs on what this machine holds"
        )
    return file


def _read(path: str) -> tuple[Path, bytes, dict[str, Any], dict[str, int]]:
    """A tokenizer's file, its bytes, what they say, and its tokens' ids."""
    file = _tokenizer_file(path)
    raw = file.read_bytes()
    try:
        content = orjson.loads(raw)
        return file, raw, content, _all_ids(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is no tokenizer: {type(error).__name__}: {error}") from None


def _all_ids(content: dict[str, Any]) -> dict[str, int]:
    vocab = content["model"]["vocab"]
    # Unigram models list [piece, score], the others map token to id.
    ids = {piece: number for number, (piece, _) in enumerate(vocab)} if isinstance(vocab, list) else dict(vocab)
    return ids | {token["content"]: token["id"] for token in content.get("added_tokens") or []}


def _plain_json(path: str) -> str:
    """The tokenizer without the truncation and padding that a file may carry from a training run."""
    text = _tokenizer_file(path).read_text(encoding="utf-8")
    content = orjson.loads(text)
    if content.get("truncation") is None and content.get("padding") is None:
        return text
    return orjson.dumps(content | {"truncation": None, "padding": None}).decode()


def _gigatoken(tokenizer: TokenizerFile) -> Callable[[bytes], Ids]:
    import gigatoken

    return gigatoken.Tokenizer.from_json(_plain_json(tokenizer.path)).backend.encode


def _tokie(tokenizer: TokenizerFile) -> Callable[[bytes], Ids]:
    import tokie

    engine = tokie.Tokenizer.from_json(str(_tokenizer_file(tokenizer.path)))
    return lambda raw: engine.encode_batch_flat([raw.decode()], add_special_tokens=False)[0]

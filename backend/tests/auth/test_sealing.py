import pytest

from app.auth.keys import derive_key
from app.auth.sealing import SealBroken, seal, unseal

KEY = derive_key("a server secret of this test", "signing-key")
FORMER = derive_key("the secret before it", "signing-key")
PLACE = "signing_keys/name/ES256/1"
CONTENT = b"the private half"


def is_open(sealed: bytes, *, key: bytes = KEY, place: str = PLACE) -> bool:
    """Whether it opens. Anything but a clean opening or a broken seal fails the test."""
    try:
        return unseal(sealed, keys=[key], place=place).content == CONTENT
    except SealBroken:
        return False


def test_what_was_sealed_comes_out_again() -> None:
    assert is_open(seal(CONTENT, key=KEY, place=PLACE))


def test_nothing_of_the_content_shows() -> None:
    """V11.3.2, S74: neither in the sealed form, nor in what a traceback prints."""
    sealed = seal(CONTENT, key=KEY, place=PLACE)
    assert CONTENT not in sealed
    assert "private" not in repr(unseal(sealed, keys=[KEY], place=PLACE))


def test_the_same_content_never_looks_the_same() -> None:
    """V11.3.4: a nonce is used once."""
    nonces = {seal(CONTENT, key=KEY, place=PLACE)[:12] for _ in range(1000)}
    assert len(nonces) == 1000


def test_a_changed_byte_anywhere_breaks_the_seal() -> None:
    """V11.3.3: authenticated encryption."""
    sealed = seal(CONTENT, key=KEY, place=PLACE)
    for number in range(len(sealed)):
        changed = bytearray(sealed)
        changed[number] ^= 1
        assert not is_open(bytes(changed)), number


@pytest.mark.parametrize("length", [0, 1, 7, 11, 12, 20, 28])
def test_a_seal_that_was_cut_short_is_broken_and_nothing_worse(length: int) -> None:
    assert not is_open(seal(CONTENT, key=KEY, place=PLACE)[:length])


@pytest.mark.parametrize(
    "place", ["", "signing_keys/name/ES256/2", "signing_keys/name/RS256/1", "signing_keys/other/ES256/1", PLACE + " "]
)
def test_a_seal_opens_in_its_own_place_only(place: str) -> None:
    """V11.3.3: whoever can write to the database cannot put one row's content into another."""
    assert not is_open(seal(CONTENT, key=KEY, place=PLACE), place=place)


def test_another_key_opens_nothing() -> None:
    """S46"""
    assert not is_open(seal(CONTENT, key=FORMER, place=PLACE))


def test_a_former_key_opens_what_was_sealed_with_it_and_says_so() -> None:
    """A rotation of the server secret: what was sealed before is found, and known to be out of date."""
    old, new = seal(CONTENT, key=FORMER, place=PLACE), seal(CONTENT, key=KEY, place=PLACE)
    assert unseal(old, keys=[KEY, FORMER], place=PLACE).key_number == 1
    assert unseal(new, keys=[KEY, FORMER], place=PLACE).key_number == 0


def test_without_any_key_nothing_opens() -> None:
    with pytest.raises(SealBroken):
        unseal(seal(CONTENT, key=KEY, place=PLACE), keys=[], place=PLACE)

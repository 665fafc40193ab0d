"""RFC 9162, section 2.1, against its definition and the test vectors of Certificate Transparency."""

from __future__ import annotations

from hashlib import sha256

import pytest

from callguard.ledger.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    consistent,
    inclusion_proof,
    leaf_hash,
    levels_of,
    root_from_inclusion,
    root_of,
)

#: github.com/google/certificate-transparency, merkletree/merkle_tree_test.cc
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]

SIXTEEN = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
PAIR = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
UPPER_HALF = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"

#: (index, size): path
PATHS = {
    (0, 8): [SIXTEEN, PAIR, UPPER_HALF],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        ROOTS[3],
    ],
    (1, 5): [
        ROOTS[0],
        PAIR,
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}

#: (first, second): path
GROWTHS = {
    (1, 8): [SIXTEEN, PAIR, UPPER_HALF],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        ROOTS[3],
    ],
    (2, 5): [PAIR, "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"],
}

SIZES = [*range(1, 34), 63, 64, 65, 100]


def defined_root(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + defined_root(leaves[:k]) + defined_root(leaves[k:])).digest()


def some(size: int) -> list[bytes]:
    return [leaf_hash(str(n).encode()) for n in range(size)]


def test_roots_of_the_vectors() -> None:
    assert [root_of(LEAVES[: n + 1]).hex() for n in range(8)] == ROOTS
    assert root_of([]) == EMPTY_ROOT
    assert EMPTY_ROOT.hex().startswith("e3b0c44298fc1c14")


@pytest.mark.parametrize(("at", "path"), PATHS.items())
def test_inclusion_proofs_of_the_vectors(at: tuple[int, int], path: list[str]) -> None:
    index, size = at
    assert [node.hex() for node in inclusion_proof(levels_of(LEAVES[:size]), index)] == path


@pytest.mark.parametrize(("at", "path"), GROWTHS.items())
def test_consistency_proofs_of_the_vectors(at: tuple[int, int], path: list[str]) -> None:
    first, second = at
    assert [node.hex() for node in consistency_proof(LEAVES[:second], first)] == path


@pytest.mark.parametrize("size", SIZES)
def test_the_frontier_knows_the_root_that_the_definition_gives(size: int) -> None:
    frontier = Frontier()
    for leaf in some(size):
        frontier.add(leaf)
    assert frontier.root() == defined_root(some(size))
    assert Frontier.unpacked(size, frontier.packed()).root() == frontier.root()


@pytest.mark.parametrize("size", SIZES)
def test_every_entry_can_be_proven_and_no_other_passes_for_it(size: int) -> None:
    leaves = some(size)
    levels, root = levels_of(leaves), defined_root(leaves)
    for index, leaf in enumerate(leaves):
        path = inclusion_proof(levels, index)
        assert root_from_inclusion(leaf, index, size, path) == root
        assert root_from_inclusion(leaf_hash(b"forged"), index, size, path) != root
        if size > 1:
            assert root_from_inclusion(leaf, (index + 1) % size, size, path) != root
            assert root_from_inclusion(leaf, index, size, path[:-1]) != root
            assert root_from_inclusion(leaf, index, size, [*path, path[0]]) != root
    assert root_from_inclusion(leaves[0], size, size, []) is None


@pytest.mark.parametrize("size", SIZES)
def test_growth_can_be_proven_and_a_rewritten_past_cannot(size: int) -> None:
    leaves = some(size)
    root = defined_root(leaves)
    for first in range(1, size + 1):
        path, before = consistency_proof(leaves, first), defined_root(leaves[:first])
        assert consistent(first, size, before, root, path)
        forged = defined_root([*leaves[: first - 1], leaf_hash(b"forged")])
        assert not consistent(first, size, forged, root, path)
        assert not consistent(first, size, before, leaf_hash(b"forged"), path)
        if path:
            assert not consistent(first, size, before, root, path[:-1])
            assert not consistent(first, size, before, root, [*path, path[0]])
    assert not consistent(size + 1, size, root, root, [])


def test_a_leaf_never_passes_for_a_node() -> None:
    """The second preimage that RFC 9162 guards against: two children given out as one entry."""
    left, right = some(2)
    assert leaf_hash(left + right) != root_of([left, right])


def test_peaks_that_do_not_fit_the_size_are_refused() -> None:
    with pytest.raises(ValueError, match="has 2 peaks"):
        Frontier.unpacked(3, bytes(32))

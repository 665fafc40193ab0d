"""Sealed recordings: keys, blocks, verification, export, destruction.

On disk::

    recordings/3f/3f0c...-1/header.json     what it is about and how long it is kept, in the clear, with a MAC
    recordings/3f/3f0c...-1/00000000.block  the head: evidence of the announcement and the answer
    recordings/3f/3f0c...-1/00000001.block  the first seconds (the form of a block: `callguard.vault.blocks`)
    recordings/3f/3f0c...-1/trailer         how many blocks and samples there are, and the hash of the samples
    recordings/3f/3f0c...-1/certificate.json  instead of all that, when the recording was destroyed
    keys/3f/3f0c...-1.key                   its key, wrapped by the keys of the site

A name is the call's UUID and the number of the recording within the call. Every file is written beside its
place, fsynced, renamed and the directory fsynced, so it is whole or not there. Each block is bound to its
recording, its number, its first sample and the tag of the block before; the trailer to the last of them. So a
changed byte, a block of another recording, another order, a gap, and a cut-off end are all noticed, and a
recording without a trailer says that its end is missing.

Decided 2026-11:

* A block a file, not one growing file: files that never change can go to an object store as they are, and a
  crash leaves a whole block or none. What lost: appending to one file needs repair of its end after a crash.
* A recording for each segment between two changes of party, numbered within the call; lists and exports take
  the call's UUID and show them as one. What lost: one recording with several spool files behind one axis of
  samples, where a sample's number no longer says at which byte of which spool file it was.
* Wrapped keys lie in a directory of their own. Destroying a recording means destroying the one small file
  from which it can be opened, and a backup that kept that file together with the blocks would undo it. What
  lost: the wrapped key in the recording's own directory.
* The nonce of a block is its number and four random bytes. The number alone would be used twice when a block
  could not be written (a full disk) and a span of it was erased before the second try.
* The header is readable without a key, and its MAC is under the recording's own: retention has to run on a
  machine that cannot open the audio. An old header put back by somebody with access to the disk passes the
  MAC; the ledger has every change of retention and is what counts.
* FLAC of both channels together, sealed as a whole, rather than a stream cipher over raw samples: half the
  size, and encoding costs a quarter of a thousandth of real time.
* age recipients stand beside or instead of the key file. With recipients alone a PBX can write what it cannot
  read back; a recording's key is then only known where the recording is being made, until it is finished.
"""

from callguard.vault.audit import Expected, audit
from callguard.vault.errors import Damaged, Destroyed, VaultError
from callguard.vault.export import Exported, export
from callguard.vault.header import Header, Retention
from callguard.vault.keys import Age, KeyCommand, KeyFile, Keyring, RecordingKey
from callguard.vault.marks import Mark
from callguard.vault.reading import Finding, Reading, Verdict, described
from callguard.vault.shredding import Certificate
from callguard.vault.store import Vault, name
from callguard.vault.tone import PROFILES, Tone
from callguard.vault.writing import Finished, Writing

__all__ = [
    "PROFILES",
    "Age",
    "Certificate",
    "Damaged",
    "Destroyed",
    "Expected",
    "Exported",
    "Finding",
    "Finished",
    "Header",
    "KeyCommand",
    "KeyFile",
    "Keyring",
    "Mark",
    "Reading",
    "RecordingKey",
    "Retention",
    "Tone",
    "Vault",
    "VaultError",
    "Verdict",
    "Writing",
    "audit",
    "described",
    "export",
    "name",
]

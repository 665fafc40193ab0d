"""What callers hear: texts per language, rendered to audio, measured and hashed.

The room turns a prompt's name, a language and the facts of a queue into words (`texts`), words into
audio that Asterisk plays (`render`, `sound`), audio into a verdict (`measure`), and keeps the result as a
directory of content-addressed files with a manifest (`library`). Rendering happens at installation; on
the call path a prompt is one look-up in memory.

Decisions:

2026-11  A prompt is composed of whole sentences, each present or absent by the facts of the queue.
         Rejected: one long template with conditional parts, which no translator can check and in which
         word order breaks as soon as a language puts the verb last.
2026-11  Key names are words in the case their sentence needs ("one", "die Eins", "ykköstä").
         Rejected: digits in the text; "1." at the end of a sentence is an ordinal to a German, Danish,
         Czech or Finnish speech synthesiser.
2026-11  A studio recording is used only where the words written beside it equal the words needed.
         Rejected: trusting the file's name, because a changed purpose or retention would go on being
         announced in the old words.
2026-11  Files are named by the hash of their bytes and never overwritten or deleted, so that the audio a
         ledger entry names can still be produced years later.
         Rejected: `<language>/<name>.wav`, where a new text silently replaces old evidence.
2026-11  The hash of a prompt is that of its 8 kHz file. A 16 kHz twin, when wanted, is made from the same
         rendering, has the same name but for its extension, and is bound to it by the manifest. Asterisk
         22.10.1 was seen to play `.wav16` on a slin16 channel and `.wav` on a ulaw one.
"""

"""Speed: the same calls, answered in several ways on one PBX in one run, told as ratios.

2026-11: sipp speaks SIP and nothing else; the callers' audio goes to sockets of our own (`ear`), which hear
the first packet of a prompt and press the key. sipp's own `play_dtmf` lost: it needs a raw socket and so
root, starts a thread for each key, and presses at a time of its own whether or not the prompt was heard.

2026-11: CPU time of processes, not time on a clock, is what the ratios are made of: it stays nearly the same
on a machine that does other things besides.
"""

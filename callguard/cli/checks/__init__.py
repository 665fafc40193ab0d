"""What `callguard doctor` looks at: one file for each part of a site, each check an independent question.

A check returns findings and raises nothing that it can tell instead. It has a deadline, takes back what it
made on the PBX, and touches no channel but its own.

Decisions
=========

2026-11  The PBX is asked by doing, not by reading its files: a Local channel of our own goes through the
    loaded dialplan, records into the spool and plays the announcements, and the events that arrive show what
    the manager's user may hear. Lost: reading /etc/asterisk, which tells neither what is loaded nor what
    another account may do; it is read only for recorders of others, which show nowhere else before they
    record.

2026-11  Rights are read from ListCommands, which lists what a user may do, and proven on our own channel.
    Lost: trying every action on a channel that does not exist: some of them (Reload, Originate) need none.

2026-11  The fault that loses a party's voice is a warning and no fault: consent is not touched by it, every
    package of Debian and Ubuntu has it, and an exit status that is never 0 there is one that nobody looks at.
"""

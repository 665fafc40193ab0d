"""REST for programs, addresses that telephones fetch, and figures for Prometheus.

Decided 2026-11:

- Bearer tokens of at least 192 random bits, of which only a hash is kept in memory, instead of users with
  passwords: programs and desks have no sessions here, and a plain hash of so much chance cannot be undone.
- Too many wrong tokens from one address shut that address out for a minute, except for tokens that were
  right there before, and an allowed token is never refused a pause or a withdrawal for haste. Shutting
  everybody out was the alternative; then anybody on the network could keep an agent from pausing.
- An answer is kept under its Idempotency-Key in memory, not in the ledger: for an hour, the newest thousand
  of each token. After a restart of callguard the recorder's state is what counts, and pausing twice is
  pausing once.
- Telephones can only fetch addresses, so GET changes something there. Each address says what shall be
  (paused, going on), never "the other way round", so fetching it twice does what fetching it once does;
  HEAD and what browsers fetch in advance change nothing.
- What telephones show is answered with status 200 even when it is bad news, because most of them show
  nothing of any other answer.
- No proxy is believed (X-Forwarded-For and the like are not read): behind one, all clients are one address.
"""

from callguard.web.serving import Front, serve

__all__ = ["Front", "serve"]

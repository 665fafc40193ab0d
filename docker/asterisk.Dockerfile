# Asterisk 22, which Debian 12 does not have: the packages that the laboratory is built from.
FROM debian:forky-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends asterisk asterisk-modules \
 && rm -rf /var/lib/apt/lists/* \
 && usermod --uid 5060 asterisk \
 && install -d -o asterisk -g asterisk /var/lib/asterisk /var/run/asterisk /var/log/asterisk /var/spool/asterisk

USER asterisk
CMD ["asterisk", "-f"]

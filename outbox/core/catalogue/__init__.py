"""Every sentence the service writes, in both of its languages: code -> (English, Japanese).

`{name}` stands for a parameter, `{name:,}` for a number with its thousands separated. Plain Python instead of gettext
catalogues: both languages of a sentence stand together, so none can be forgotten; nothing is compiled or installed
before a function can read them; and importing them takes a millisecond of a cold start.

| module     | its sentences say                                              |
|------------|----------------------------------------------------------------|
| `rows`     | why a mail is where it is, and what happened to it             |
| `rules`    | what is wrong with one part of a mail or of a row              |
| `requests` | why something that was asked for cannot be done                |
| `advice`   | what happens to a mail next, and what to know before acting    |
"""

from collections.abc import Mapping

from outbox.core.catalogue import advice, requests, rows, rules

SENTENCES: Mapping[str, tuple[str, str]] = {
    **rows.SENTENCES,
    **rules.SENTENCES,
    **requests.SENTENCES,
    **advice.SENTENCES,
}

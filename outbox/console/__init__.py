"""The console: support staff look at mails, correct them and send them again, in a browser.

`create_app` of `outbox.console.app` gives an ASGI application on a `Desk`; pages are functions of what was asked and
the desk. It keeps nothing in memory that a second process would need but running batches, which have their own lease.
"""

"""Webhooks on their way: from Cairn's events to messages, and from a message to an HTTPS request.

``hear`` makes MLflow's events of Cairn's and a delivery for each webhook that listens, ``queue`` carries
deliveries and repeats them, ``deliver`` signs and sends one, ``post`` is its HTTPS, ``secrets`` keeps what
it signs with. Who delivers knows the table neither on AWS nor here: a delivery says all but the secret.
"""

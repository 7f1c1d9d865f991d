"""BGP: speaker processes on ExaBGP, one per group of peers, and the controller's links to them.

Promise: what the controller wants announced is announced, and stays announced while the
controller or the speaker restarts; what peers announce arrives as ``RouteKey`` and ``Path``.
The controller imports ``speakers`` and ``peer``, which stand on ``link``, ``supervisor`` and
``wire``. All else is of the speaker's process, and ExaBGP is imported there alone.

Knows nothing of tenants, and decides nothing: no best path, no policy.
"""

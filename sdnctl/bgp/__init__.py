"""BGP: a speaker process on ExaBGP, and the controller's link to it.

Promise: what the controller wants announced is announced, and stays announced while the
controller or the speaker restarts; what peers announce arrives as ``RouteKey`` and ``Path``.
The controller imports ``link`` and ``peer``; ExaBGP is imported by ``codec``, ``adjrib``,
``session``, ``reactor`` and ``patches`` alone, and runs in the speaker's process alone.

Knows nothing of tenants, and decides nothing: no best path, no policy.
"""

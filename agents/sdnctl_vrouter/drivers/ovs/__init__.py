"""The Open vSwitch driver: desired state to flows, and flows to the switch.

In the order of the way down: ``driver`` keeps the switch equal to the ``model`` by ``bundles``. The
model keeps the ``flows`` of all resources in step; ``translate``, ``ports``, ``nexthops``, ``nat``
and ``standby`` turn one resource into flows by the packed ``templates``; ``pipeline`` names all
that the flows are made of; ``shapes`` is where they are written. Beside it ``bridge`` (OVSDB),
``floods``, ``groups``, ``meters``, ``policies`` and ``peers``.
"""

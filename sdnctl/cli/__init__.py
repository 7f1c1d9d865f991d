"""``sdnctl``: the operator's command line.

Promise: everything it shows or changes goes through the REST API that anyone may call; it
imports nothing of the controller. Exit codes: 0 done, 1 refused or not found, 2 wrong usage,
3 the controller cannot be reached.
"""

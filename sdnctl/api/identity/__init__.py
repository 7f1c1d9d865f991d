"""A small identity v3 service, for clouds without Keystone, under /identity/v3.

It is served on the API's own port, so that one address and one certificate in front of it are
all that clients need. ``Directory`` keeps users, projects, roles and tokens and says who calls;
``IdentityApi`` serves them.
"""

from sdnctl.api.identity.directory import Directory, bootstrap
from sdnctl.api.identity.rest import IdentityApi, is_open

__all__ = ["Directory", "IdentityApi", "bootstrap", "is_open"]

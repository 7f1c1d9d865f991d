"""sdnctl: an SDN controller whose tenant networks are ordinary BGP VPNs."""

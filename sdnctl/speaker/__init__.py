"""Generated code of protos/sdnctl/speaker; see sdnctl.bgp.wire for the types that the house uses."""

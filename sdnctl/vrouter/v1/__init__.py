"""Generated code of protos/sdnctl/vrouter; see sdnctl.wire for the types that the house uses."""

"""Generated code of protos/sdnctl/speaker; sdnctl.bgp.wire has the types of the house."""

"""Where people and programs come in: HTTP, the SDK, the command line, the simulator and the benches.

A face parses, calls one flow and says the answer in the caller's language. Only faces print.
"""

"""The endpoints: each parses, calls one service and presents the answer."""

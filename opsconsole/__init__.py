"""Ops Console's kernel: operations, approvals, audit and engines. It knows no particular kind of operation."""

__version__ = "0.1.0"

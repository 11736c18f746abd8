"""Tests of pdagent and the tools they share."""

"""Concepts or facts: what a model's right answers rest on.

Reading order: `finding`, `corrupt`, `templates`, `kept`, `memorised`, `shortcuts`, `words`.
"""

"""Drawing labels on images: pure functions from records and arrays to arrays.

``scene`` says what of a record is drawn, and in which words; ``picture`` draws it with ``paint`` and
``letters``; ``colours`` gives every class its colour.
"""

"""The operations, each declared in one place: its record, then the public function that binds it.

At the foot of each file a mixin hands the same functions to `Tensor` as methods.
"""

"""Operations with derivatives written by users, which several files test."""

from jitgrad.autograd import Function


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return 2 * x * cotangent


class Scaled(Function):
    """Return x * factor; subclasses vary what backward returns."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, cotangent):
        return cotangent * ctx.factor, None

"""LLVM's vector instructions, for inner loops that compilers do not find, or not twice in the same order.

Unless a kernel asks for `fast` arithmetic, every operation is one of IEEE arithmetic in an order that is written down
(products are fused with sums only where `fma` says so), so it gives the same bits whatever the width of the machine's
registers.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

I1, I32, I64, F32, F64 = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.DoubleType()


def data(context, builder, signature, args):
    """Array arguments of an intrinsic as pointers to their data, scalars as they are."""
    return [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, args, strict=True)
    ]


class Vectors:
    """Vector operations on an LLVM builder.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
        Where the instructions go.
    lanes : int
        Elements of a vector.
    real : llvmlite.ir.Type
        Type of its numbers, `F32` or `F64`.
    fast : bool, optional
        Let the compiler fuse and reorder operations.
    """

    def __init__(self, builder, lanes, real, fast=False):
        self.builder, self.lanes, self.real = builder, lanes, real
        self._flags = ("fast",) if fast else ()
        self.reals, self.ints = ir.VectorType(real, lanes), ir.VectorType(I32, lanes)
        self._name = f"v{lanes}f{64 if real is F64 else 32}"

    def constant(self, value):
        """The same number in every lane."""
        return ir.Constant(self.reals, [float(value)] * self.lanes)

    def splat(self, scalar):
        """A scalar in every lane."""
        empty = ir.Constant(ir.VectorType(scalar.type, self.lanes), ir.Undefined)
        vector = self.builder.insert_element(empty, scalar, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(vector, empty, ir.Constant(self.ints, [0] * self.lanes))

    def load(self, base, first, kind=None):
        """Numbers from base[first] on, or integers where `kind` is `ints`."""
        at = self.builder.bitcast(self.builder.gep(base, [first]), (kind or self.reals).as_pointer())
        return self.builder.load(at, align=4)

    def store(self, value, base, first):
        """Put a vector to base[first] and on."""
        at = self.builder.bitcast(self.builder.gep(base, [first]), value.type.as_pointer())
        self.builder.store(value, at, align=4)

    def pick(self, words, index, first):
        """Lower and upper halves of words[index[first + lane]], 64 bits each.

        They are loaded one by one: many processors gather more slowly than that.
        """
        picked = ir.Constant(ir.VectorType(I64, self.lanes), ir.Undefined)
        for lane in range(self.lanes):
            at = self.builder.gep(index, [self.builder.add(first, ir.Constant(I64, lane))])
            which = self.builder.sext(self.builder.load(at), I64)
            word = self.builder.load(self.builder.gep(words, [which]))
            picked = self.builder.insert_element(picked, word, ir.Constant(I32, lane))
        halves = self.builder.bitcast(picked, ir.VectorType(I32, 2 * self.lanes))
        nothing = ir.Constant(halves.type, ir.Undefined)
        lower, upper = (ir.Constant(self.ints, list(range(half, 2 * self.lanes, 2))) for half in range(2))
        return tuple(self.builder.shuffle_vector(halves, nothing, order) for order in (lower, upper))

    def number(self, ints):
        """Integers as numbers."""
        return self.builder.sitofp(ints, self.reals)

    def add(self, a, b):
        """a + b."""
        return self.builder.fadd(a, b, flags=self._flags)

    def sub(self, a, b):
        """a − b."""
        return self.builder.fsub(a, b, flags=self._flags)

    def mul(self, a, b):
        """a b."""
        return self.builder.fmul(a, b, flags=self._flags)

    def div(self, a, b):
        """a / b."""
        return self.builder.fdiv(a, b, flags=self._flags)

    def fma(self, a, b, c):
        """a b + c, rounded once."""
        kind = ir.FunctionType(self.reals, [self.reals] * 3)
        return self.builder.call(
            cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fma.{self._name}"), [a, b, c]
        )

    def below(self, a, bound):
        """Whether a < bound, lane by lane."""
        return self.builder.fcmp_ordered("<", a, bound)

    def choose(self, bits, options):
        """Of four options the one whose number the two bits, the lower first, give in every lane."""
        lower, upper = bits
        below, above = (self.builder.select(lower, options[k + 1], options[k]) for k in (0, 2))
        return self.builder.select(upper, above, below)

    def total(self, a):
        """Sum over the lanes: halves added until one lane is left."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            nothing = ir.Constant(a.type, ir.Undefined)
            low = self.builder.shuffle_vector(a, nothing, ir.Constant(ir.VectorType(I32, lanes), list(range(lanes))))
            high = self.builder.shuffle_vector(
                a, nothing, ir.Constant(ir.VectorType(I32, lanes), list(range(lanes, 2 * lanes)))
            )
            a = self.builder.fadd(low, high)
        return self.builder.extract_element(a, ir.Constant(I32, 0))


@intrinsic
def prefetch(typingctx, values, index):
    """Begin to fetch values[index], of the flat array, into the cache."""

    def codegen(context, builder, signature, args):
        values, index = data(context, builder, signature, args)
        address = builder.bitcast(builder.gep(values, [index]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [address.type, I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, *(ir.Constant(I32, value) for value in (1, 3, 1))])
        return context.get_dummy_value()

    return types.void(values, types.int64), codegen

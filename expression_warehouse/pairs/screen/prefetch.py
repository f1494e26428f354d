"""Asks the processor to have a number in its cache before it is needed.

By itself it follows some 30 places of memory, and a row of a tile lies in three for each study.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Floats of 32 bits in a line of the cache.
LINE = 16

_FOR_READING, _INTO_L2, _DATA = 0, 2, 1


@intrinsic
def prefetch(_context, array, s, g, i, j):
    """Of array[s, g, i, j], where none of them is negative."""

    def generate(context, builder, signature, arguments):
        kind, *index_types = signature.args
        source = context.make_array(kind)(context, builder, arguments[0])
        indices = [
            context.cast(builder, index, own, types.intp)
            for index, own in zip(arguments[1:], index_types, strict=True)
        ]
        place = cgutils.get_item_pointer(context, builder, kind, source, indices, wraparound=False)
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [pointer, number, number, number]),
            "llvm.prefetch.p0",
        )
        how = [number(value) for value in (_FOR_READING, _INTO_L2, _DATA)]
        builder.call(function, [builder.bitcast(place, pointer), *how])
        return context.get_dummy_value()

    return types.void(array, s, g, i, j), generate

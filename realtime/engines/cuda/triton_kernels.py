"""The kernels of `realtime.engines.cuda.triton_packing`. Imported only where Triton is: the decorator wants it here."""

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def pack(flat, cells, total, frame_bytes, height, width, rows, columns, h, w, block: tl.constexpr):  # type: ignore[no-untyped-def]
    place = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = place < total
    channel = place % 24
    cell = place // 24
    across = cell % w
    down = cell // w % h
    frame = cell // (w * h)
    is_luma = channel < 16
    phase = tl.where(is_luma, channel, (channel - 16) % 4)
    side = tl.where(is_luma, 4, 2)
    tall = tl.where(is_luma, height, rows)
    wide = tl.where(is_luma, width, columns)
    row = tl.minimum(down * side + phase // side, tall - 1)
    column = tl.minimum(across * side + phase % side, wide - 1)
    begin = tl.where(is_luma, 0, height * width + tl.where(channel < 20, 0, rows * columns))
    code = tl.load(flat + frame * frame_bytes + begin + row * wide + column, mask=inside, other=0)
    tl.store(cells + place, (code.to(tl.float32) - 128.0).to(cells.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def unpack(cells, flat, total, frame_bytes, height, width, rows, columns, h, w, block: tl.constexpr):  # type: ignore[no-untyped-def]
    place = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = place < total
    frame = place // frame_bytes
    spot = place % frame_bytes
    luma = height * width
    part = rows * columns
    is_luma = spot < luma
    is_u = spot < luma + part
    spot = tl.where(is_luma, spot, tl.where(is_u, spot - luma, spot - luma - part))
    wide = tl.where(is_luma, width, columns)
    side = tl.where(is_luma, 4, 2)
    row = spot // wide
    column = spot % wide
    channel = row % side * side + column % side + tl.where(is_luma, 0, tl.where(is_u, 16, 20))
    cell = (frame * h + row // side) * w + column // side
    value = tl.load(cells + cell * 24 + channel, mask=inside, other=0).to(tl.float32)
    # Adding 1.5 * 2**23 leaves no bits for a fraction: the processor rounds half to even, as torch.round does.
    value = (value + 12582912.0) - 12582912.0
    value = tl.minimum(tl.maximum(value, -128.0), 127.0) + 128.0
    tl.store(flat + place, value.to(tl.uint8), mask=inside)

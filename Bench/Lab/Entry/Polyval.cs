using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using X86Clmul = System.Runtime.Intrinsics.X86.Pclmulqdq;

namespace FastExit.Bench.Lab.Entry;

/// <summary>
/// POLYVAL of RFC 8452 §3 over whole blocks of 16 bytes: S = (S xor block) · H · x^-128 in GF(2^128) with
/// x^128 + x^127 + x^126 + x^121 + 1. Constant time with and without the carry-less multiplication of the processor.
/// </summary>
internal struct Polyval
{
    public const int BlockBytes = 16;
    private const ulong ReductionHigh = 0xC200000000000000;
    private readonly Vector128<ulong> _key;
    private readonly bool _accelerated;
    private Vector128<ulong> _sum;

    public Polyval(ReadOnlySpan<byte> key, bool accelerated)
    {
        _key = Vector128.Create(key).AsUInt64();
        _accelerated = accelerated && X86Clmul.IsSupported;
    }

    /// <summary>Takes in data; a last block that is short is filled up with zeros.</summary>
    public void Add(ReadOnlySpan<byte> data)
    {
        for (; data.Length >= BlockBytes; data = data[BlockBytes..])
            AddBlock(Vector128.Create(data).AsUInt64());
        if (data.IsEmpty)
            return;
        Span<byte> last = stackalloc byte[BlockBytes];
        last.Clear();
        data.CopyTo(last);
        AddBlock(Vector128.Create((ReadOnlySpan<byte>)last).AsUInt64());
    }

    /// <summary>The block that ends the input: both lengths in bits.</summary>
    public void AddLengths(int associatedBytes, int plaintextBytes) =>
        AddBlock(Vector128.Create((ulong)associatedBytes * 8, (ulong)plaintextBytes * 8));

    public readonly void Read(Span<byte> sum)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(sum, _sum[0]);
        BinaryPrimitives.WriteUInt64LittleEndian(sum[8..], _sum[1]);
    }

    private void AddBlock(Vector128<ulong> block) =>
        _sum = _accelerated ? MultiplyX86(_sum ^ block, _key) : MultiplyPortable(_sum ^ block, _key);

    private static Vector128<ulong> MultiplyX86(Vector128<ulong> a, Vector128<ulong> b)
    {
        Vector128<ulong> reduction = Vector128.Create(1UL, ReductionHigh);
        Vector128<ulong> low = X86Clmul.CarrylessMultiply(a, b, 0x00);
        Vector128<ulong> high = X86Clmul.CarrylessMultiply(a, b, 0x11);
        Vector128<ulong> middle = X86Clmul.CarrylessMultiply(a, b, 0x10) ^ X86Clmul.CarrylessMultiply(a, b, 0x01);
        low ^= Vector128.Create(0UL, middle[0]);
        high ^= Vector128.Create(middle[1], 0UL);
        low = Vector128.Create(low[1], low[0]) ^ X86Clmul.CarrylessMultiply(low, reduction, 0x10);
        low = Vector128.Create(low[1], low[0]) ^ X86Clmul.CarrylessMultiply(low, reduction, 0x10);
        return high ^ low;
    }

    private static Vector128<ulong> MultiplyPortable(Vector128<ulong> a, Vector128<ulong> b)
    {
        UInt128 low = Multiply(a[0], b[0]), high = Multiply(a[1], b[1]);
        UInt128 middle = Multiply(a[0], b[1]) ^ Multiply(a[1], b[0]);
        low ^= middle << 64;
        high ^= middle >> 64;
        low = (low << 64 | low >> 64) ^ Multiply((ulong)low, ReductionHigh);
        low = (low << 64 | low >> 64) ^ Multiply((ulong)low, ReductionHigh);
        UInt128 result = high ^ low;
        return Vector128.Create((ulong)result, (ulong)(result >> 64));
    }

    private static UInt128 Multiply(ulong a, ulong b)
    {
        UInt128 product = 0;
        for (int bit = 0; bit < 64; bit++)
        {
            ulong mask = 0 - (b >> bit & 1);
            product ^= (UInt128)(a & mask) << bit;
        }

        return product;
    }
}
